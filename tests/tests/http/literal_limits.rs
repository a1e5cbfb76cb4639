//! Literal limits, whose texts the attribute writes, beside limits that are known at run time only:
//! their responses are equal to the last byte.

use crate::app::{App, STYLES};
use axum::{Router, extract::Request, response::Response, routing::any};
use http::StatusCode;
use limit_runtime::{
    Exceeded, Limiter, LimiterBuilder, RateLimitInfo, everyone, limits, rate_limit,
};
use std::time::Duration;
use test_support::requests::{request, send, text};

/// For each case, a handler with literal limits and one with limits of a constant.
macro_rules! cases {
    ($($case:ident: $limits:tt { $($options:tt)* })*) => {
        $(mod $case {
            use super::*;

            #[rate_limit($limits, key = everyone, $($options)*)]
            pub(super) async fn literal() {}

            #[rate_limit(limits!($limits), key = everyone, $($options)*)]
            pub(super) async fn computed() {}
        })*

        const CASES: &[&str] = &["modèle", $(stringify!($case)),*];

        fn router() -> Router {
            let router = Router::new()
                .route("/literal/mod%C3%A8le", any(function_name::literal::modèle))
                .route("/computed/mod%C3%A8le", any(function_name::computed::modèle));
            router$(
                .route(concat!("/literal/", stringify!($case)), any($case::literal))
                .route(concat!("/computed/", stringify!($case)), any($case::computed))
            )*
        }
    };
}

cases! {
    one: "3/minute" { name = "predict" }
    one_of_milliseconds: "3/1500ms" { name = "predict" }
    one_of_less_than_a_second: "3/1ms" { name = "predict" }
    one_of_a_century_in_parts: "3/3650days" { name = "predict" }
    the_largest_count: "999_999_999_999_999/second" { name = "predict" }
    two: "2/second; 5/minute" { name = "predict" }
    two_whose_seconds_are_equal: "2/1001ms; 3/1500ms" { name = "predict" }
    two_with_the_stricter_first: "3/hour; 2/second" { name = "predict" }
    three: "2/second, 5/minute, 7/hour" { name = "a name with spaces" }
    eight: "1/ms; 2/10ms; 3/100ms; 4/s; 5/m; 6/h; 7/day; 8/week" { name = "eight" }
    a_name_with_quotes: "3/minute" { name = "say \"hello\"" }
    a_name_with_backslashes: "2/second; 5/minute" { name = "C:\\predict\\" }
    a_long_name: "2/second; 5/minute" { name = "predict-and-much-more-of-a-long-name-than-most-\
        programs-have-so-that-the-texts-take-more-room-than-the-buffers-on-the-stack-have-for-them-and-\
        have-to-move-to-the-heap-before-they-are-copied-to-the-place-of-the-value" }
    tokens: "3 tokens/minute" { name = "predict" }
    bytes: "2 bytes/second; 5 bytes/minute" { name = "predict" }
    thousands: "20000 tokens/minute" { name = "predict", cost = 7_000 }
    a_burst_of_tokens: "3 tokens/minute" { name = "predict", strategy = gcra(burst = 4) }
    a_cost: "7/second; 9/minute" { name = "predict", cost = 3 }
    fixed: "2/second; 5/minute" { name = "predict", strategy = fixed_window }
    sliding: "2/second; 5/minute" { name = "predict", strategy = sliding_window }
    a_burst_below_the_count: "3/minute" { name = "predict", strategy = gcra(burst = 2) }
    a_burst_of_the_count: "3/minute" { name = "predict", strategy = gcra(burst = 3) }
    a_burst_above_the_count: "3/minute" { name = "predict", strategy = gcra(burst = 4) }
    a_burst_above_one_of_the_counts: "2/second; 5/minute" { name = "tokens", strategy = gcra(burst = 3) }
}

/// The name in the headers is that of the function, which may be beyond ASCII.
mod function_name {
    pub(super) mod literal {
        use limit_runtime::{everyone, rate_limit};

        #[rate_limit("2/second; 5/minute", key = everyone)]
        pub(crate) async fn modèle() {}
    }

    pub(super) mod computed {
        use limit_runtime::{everyone, limits, rate_limit};

        #[rate_limit(limits!("2/second; 5/minute"), key = everyone)]
        pub(crate) async fn modèle() {}
    }
}

struct Seen {
    status: StatusCode,
    headers: Vec<(String, String)>,
    info: String,
    body: String,
}

impl Seen {
    /// The reset of `X-RateLimit` is read from the system's clock, which may have begun another
    /// second since the earlier response.
    fn forget_a_second_since(&mut self, earlier: &Self) {
        let time = |value: &str| value.parse::<u64>().ok();
        for ((name, value), (_, before)) in self.headers.iter_mut().zip(&earlier.headers) {
            if name == "x-ratelimit-reset"
                && let (Some(now), Some(then)) = (time(value), time(before))
                && now == then + 1
            {
                value.clone_from(before);
            }
        }
    }
}

async fn seen(response: Response) -> Seen {
    let shown = |value: &http::HeaderValue| value.to_str().unwrap().to_owned();
    Seen {
        status: response.status(),
        headers: response
            .headers()
            .iter()
            .map(|(name, value)| (name.to_string(), shown(value)))
            .collect(),
        info: format!("{:?}", response.extensions().get::<RateLimitInfo>()),
        body: text(response).await,
    }
}

/// Sends equal requests to both handlers of each case, and compares the responses.
async fn compare(limiter: LimiterBuilder, request: impl Fn(&str) -> Request) {
    let app = App::with(router(), limiter);
    let mut refused = 0;
    for round in 0..12 {
        for case in CASES {
            let case = case.replace('è', "%C3%A8");
            let paths = ["literal", "computed"].map(|kind| format!("/{kind}/{case}"));
            let literal = seen(send(&app.router, request(&paths[0])).await).await;
            let mut computed = seen(send(&app.router, request(&paths[1])).await).await;
            assert_eq!(literal.status, computed.status, "{case}, {round}");
            computed.forget_a_second_since(&literal);
            assert_eq!(literal.headers, computed.headers, "{case}, {round}");
            assert_eq!(literal.info, computed.info, "{case}, {round}");
            assert_eq!(literal.body, computed.body, "{case}, {round}");
            refused += u32::from(literal.status != StatusCode::OK);
        }
        app.clock.advance(Duration::from_micros(130_300));
    }
    assert!(refused > 0);
}

fn get(path: &str) -> Request {
    request("GET", path, "")
}

#[tokio::test]
async fn texts_of_the_attribute_are_those_of_the_runtime() {
    compare(Limiter::builder(), get).await;
}

#[tokio::test]
async fn in_every_style() {
    for style in STYLES {
        compare(Limiter::builder().header_style(style), get).await;
    }
}

#[tokio::test]
async fn with_jitter_and_another_response() {
    fn forbidden(exceeded: &Exceeded<'_>) -> (StatusCode, String) {
        (StatusCode::FORBIDDEN, exceeded.to_string())
    }
    let jitter = || Limiter::builder().retry_jitter(Duration::from_secs(3));
    compare(jitter(), get).await;
    compare(jitter().on_limited(forbidden), get).await;
    compare(Limiter::builder().response_info(true), get).await;
}

#[tokio::test]
async fn for_a_grpc_client() {
    let grpc = |path: &str| {
        let mut request = get(path);
        let grpc = http::HeaderValue::from_static("application/grpc");
        request.headers_mut().insert("content-type", grpc);
        request
    };
    let app = App::new(router());
    for _ in 0..4 {
        let responses = ["/literal/one", "/computed/one"].map(|path| send(&app.router, grpc(path)));
        let [literal, computed] = responses;
        let (literal, computed) = (seen(literal.await).await, seen(computed.await).await);
        assert_eq!(literal.headers, computed.headers);
    }
}

#[tokio::test]
async fn the_texts_are_as_documented() {
    let app = App::new(router());
    let (mut policies, mut states) = (Vec::new(), Vec::new());
    for case in [
        "one_of_milliseconds",
        "two",
        "a_name_with_quotes",
        "mod%C3%A8le",
        "a_burst_above_the_count",
    ] {
        let answer = app.get(&format!("/literal/{case}")).await;
        policies.push(answer.header("ratelimit-policy").unwrap().to_owned());
        states.push(answer.header("ratelimit").unwrap().to_owned());
    }
    assert_eq!(
        policies,
        [
            r#""predict";q=3;w=2"#,
            r#""predict-1s";q=2;w=1, "predict-60s";q=5;w=60"#,
            r#""say _hello_";q=3;w=60"#,
            r#""mod_le-1s";q=2;w=1, "mod_le-60s";q=5;w=60"#,
            r#""predict";q=4;w=80"#,
        ]
    );
    assert_eq!(
        states,
        [
            r#""predict";r=2;t=2"#,
            r#""predict-1s";r=1;t=1"#,
            r#""say _hello_";r=2;t=60"#,
            r#""mod_le-1s";r=1;t=1"#,
            r#""predict";r=3;t=20"#,
        ]
    );
}
