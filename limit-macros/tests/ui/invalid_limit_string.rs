//! Errors in a limit string are reported at the literal.

use limit_macros::rate_limit;

#[rate_limit("")]
async fn case1() {}

#[rate_limit("10")]
async fn case2() {}

#[rate_limit("10/minuet")]
async fn case3() {}

#[rate_limit("10 minute")]
async fn case4() {}

#[rate_limit("0/minute")]
async fn case5() {}

#[rate_limit("10/0s")]
async fn case6() {}

#[rate_limit("1.5/second")]
async fn case7() {}

#[rate_limit("-1/second")]
async fn case8() {}

#[rate_limit("10//minute")]
async fn case9() {}

#[rate_limit("10/minute;")]
async fn case10() {}

#[rate_limit("10/minute; 10/60s")]
async fn case11() {}

#[rate_limit("10/minute; 100/minute")]
async fn case12() {}

#[rate_limit("1000000000000000/minute")]
async fn case13() {}

#[rate_limit("1,000/hour")]
async fn case14() {}

#[rate_limit("10/5000 days")]
async fn case15() {}

#[rate_limit("ten per minute")]
async fn case16() {}

#[rate_limit("10/мinute")]
async fn case17() {}

#[rate_limit(10)]
async fn case18() {}

#[rate_limit(b"10/minute")]
async fn case19() {}

#[rate_limit("10/second 100/minute")]
async fn case20() {}

#[rate_limit("/minute")]
async fn case21() {}

#[rate_limit("10k/minute")]
async fn case22() {}

#[rate_limit("10/_5 s")]
async fn case23() {}

#[rate_limit("10/5")]
async fn case24() {}

#[rate_limit("1/s; 2/m; 3/h; 4/d; 5/w; 6/month; 7/y; 8/2y; 9 per 3 years")]
async fn case25() {}

fn main() {
    let _ = ( case1, case2, case3, case4, case5, case6, case7, case8, case9, case10, case11, case12, case13, case14, case15, case16, case17, case18, case19, case20, case21, case22, case23, case24, case25);
}
