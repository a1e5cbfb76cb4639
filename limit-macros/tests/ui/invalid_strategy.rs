//! A strategy is one of four names, with a burst for `gcra`.

use limit_macros::rate_limit;

#[rate_limit("10/minute", strategy = gcra)]
async fn no_burst() {}

#[rate_limit("10/minute", strategy = gcra(burst = 0))]
async fn zero_burst() {}

#[rate_limit("10/minute", strategy = gcra(burst = 5), cost = 6)]
async fn cost_above_the_burst() {}

#[rate_limit("10/minute", strategy = fixed_window(2))]
async fn arguments() {}

#[rate_limit("10/minute", strategy = moving_windw)]
async fn slip() {}

#[rate_limit("10/minute", strategy = "moving_window")]
async fn text() {}

#[rate_limit("10/minute", strategy = gcra(burst = 1_000_000_000_000_000))]
async fn large_burst() {}

fn main() {
    let _ = (
        no_burst,
        zero_burst,
        large_burst,
        cost_above_the_burst,
        arguments,
        slip,
        text,
    );
}
