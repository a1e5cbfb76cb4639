//! Responses as the application configures them: header styles, `on_limited`, `Retry-After`.

use crate::app::{App, STYLES};
use axum::{Json, Router, body::Body, routing::get};
use http::{HeaderName, Request, StatusCode};
use limit_runtime::{
    Exceeded, HeaderNames, HeaderStyle, Limiter, LimiterBuilder, RetryAfterStyle, header,
    rate_limit, store::StoreError,
};
use std::time::Duration;

#[rate_limit("2/second; 3/minute")]
async fn limited() {}

fn app(limiter: LimiterBuilder) -> App {
    App::with(Router::new().route("/", get(limited)), limiter)
}

fn in_style(style: HeaderStyle) -> App {
    app(Limiter::builder().header_style(style))
}

#[tokio::test]
async fn ietf_headers_name_every_limit_and_show_the_strictest() {
    let app = in_style(HeaderStyle::Ietf);
    let policies = r#""limited-1s";q=2;w=1, "limited-60s";q=3;w=60"#;
    for state in [
        r#""limited-1s";r=1;t=1"#,
        r#""limited-1s";r=0;t=1"#,
        r#""limited-1s";r=0;t=1"#,
    ] {
        let answer = app.get("/").await;
        assert_eq!(answer.header("ratelimit-policy"), Some(policies));
        assert_eq!(answer.header("ratelimit"), Some(state));
    }
    app.clock.advance(Duration::from_secs(1));
    let last = app.get("/").await;
    assert_eq!(last.status, StatusCode::OK);
    assert_eq!(last.header("ratelimit"), Some(r#""limited-60s";r=0;t=59"#));
}

#[tokio::test]
async fn x_rate_limit_headers_count_from_1970() {
    let answer = in_style(HeaderStyle::XRateLimit).get("/").await;
    assert_eq!(answer.header("x-ratelimit-limit"), Some("2"));
    assert_eq!(answer.header("x-ratelimit-remaining"), Some("1"));
    let reset: u64 = answer.header("x-ratelimit-reset").unwrap().parse().unwrap();
    assert!(reset > 1_700_000_000);
    assert_eq!(answer.header("ratelimit"), None);
}

#[tokio::test]
async fn open_ai_headers_write_durations() {
    let answer = in_style(HeaderStyle::OpenAi).get("/").await;
    assert_eq!(answer.header("x-ratelimit-limit-requests"), Some("2"));
    assert_eq!(answer.header("x-ratelimit-remaining-requests"), Some("1"));
    assert_eq!(answer.header("x-ratelimit-reset-requests"), Some("1s"));
}

#[tokio::test]
async fn open_ai_headers_show_tokens_beside_requests() {
    #[rate_limit("20/minute", name = "a")]
    #[rate_limit("200 tokens/minute", cost = 150, name = "b")]
    async fn complete() {}
    let style = Limiter::builder().header_style(HeaderStyle::OpenAi);
    let app = App::with(Router::new().route("/", get(complete)), style);
    for status in [StatusCode::OK, StatusCode::TOO_MANY_REQUESTS] {
        let answer = app.get("/").await;
        assert_eq!(answer.status, status);
        for (header, value) in [
            ("x-ratelimit-limit-requests", "20"),
            ("x-ratelimit-remaining-requests", "19"),
            ("x-ratelimit-reset-requests", "1m0s"),
            ("x-ratelimit-limit-tokens", "200"),
            ("x-ratelimit-remaining-tokens", "50"),
            ("x-ratelimit-reset-tokens", "1m0s"),
        ] {
            assert_eq!(answer.header(header), Some(value), "{header}");
        }
    }
}

#[tokio::test]
async fn a_handler_may_answer_with_a_stores_error() {
    async fn settle() -> Result<(), StoreError> {
        Err(StoreError::new("no route to 10.0.0.7"))
    }
    let app = App::new(Router::new().route("/", get(settle)));
    let answer = app.get("/").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert!(!answer.body.contains("10.0.0.7"), "{}", answer.body);
}

#[tokio::test]
async fn header_styles_both_off_and_named() {
    let both = in_style(HeaderStyle::Both).get("/").await;
    assert!(both.header("ratelimit").is_some() && both.header("x-ratelimit-limit").is_some());
    let off = in_style(HeaderStyle::Off);
    assert!(
        off.get("/")
            .await
            .headers
            .keys()
            .all(|name| !name.as_str().contains("ratelimit"))
    );
    off.get("/").await;
    assert_eq!(off.get("/").await.header("retry-after"), Some("1"));
    let named = in_style(HeaderStyle::Named(Box::new(HeaderNames::new(
        HeaderName::from_static("x-quota"),
        HeaderName::from_static("x-quota-left"),
        HeaderName::from_static("x-quota-reset"),
    ))));
    let answer = named.get("/").await;
    assert_eq!(answer.header("x-quota"), Some("2"));
    assert_eq!(answer.header("x-quota-left"), Some("1"));
    assert!(answer.header("x-quota-reset").is_some());
}

#[tokio::test]
async fn every_header_of_a_style_is_among_its_names() {
    for style in STYLES {
        let names = style.names();
        let answer = in_style(style.clone()).get("/").await;
        let sent: Vec<_> = answer
            .headers
            .keys()
            .filter(|name| name.as_str().contains("ratelimit"))
            .collect();
        assert!(
            sent.iter().all(|name| names.contains(name)),
            "{style:?}: {sent:?}"
        );
        assert!(names.contains(&http::header::RETRY_AFTER));
    }
}

#[tokio::test]
async fn a_response_of_on_limited_keeps_the_rate_limit_headers() {
    let app = app(Limiter::builder().on_limited(|exceeded: &Exceeded<'_>| {
        let wait = exceeded.retry_after().map(|wait| wait.as_millis());
        let policies: Vec<_> = exceeded.violated_policies().collect();
        let words = format!(
            "{exceeded}|{wait:?}|{}|{}|{}",
            policies.join(","),
            exceeded.key_label(),
            exceeded.cost(),
        );
        (StatusCode::SERVICE_UNAVAILABLE, Json(words))
    }));
    app.get("/").await;
    app.get("/").await;
    let refused = app.get("/").await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(
        refused.body,
        r#""Rate limit exceeded: 2 per second|Some(1000)|limited-1s|client_ip|1""#
    );
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert!(refused.header("ratelimit").is_some());
}

#[tokio::test]
async fn retry_after_may_be_a_date() {
    let app = app(Limiter::builder().retry_after_style(RetryAfterStyle::HttpDate));
    app.get("/").await;
    app.get("/").await;
    let refused = app.get("/").await;
    let date = refused.header("retry-after").unwrap();
    assert!(
        date.ends_with(" GMT") && date.len() == "Sun, 06 Nov 1994 08:49:37 GMT".len(),
        "{date}"
    );
    assert_eq!(refused.header("retry-after-ms"), Some("1000"));
}

#[tokio::test]
async fn jitter_is_positive_bounded_and_the_same_for_one_client() {
    let app = app(Limiter::builder().retry_jitter(Duration::from_secs(5)));
    let mut waits = std::collections::BTreeSet::new();
    for host in 1..=40 {
        let address = format!("198.51.100.{host}");
        app.get_from(&address, "/").await;
        app.get_from(&address, "/").await;
        let wait = || async {
            let refused = app.get_from(&address, "/").await;
            let millis = refused.header("retry-after-ms").unwrap();
            millis.parse::<u64>().unwrap()
        };
        let (first, second) = (wait().await, wait().await);
        assert_eq!(first, second);
        assert!((1_000..=6_000).contains(&first), "{first}");
        waits.insert(first);
    }
    assert!(waits.len() > 30, "{waits:?}");
}

#[tokio::test]
async fn a_skipped_request_is_not_limited() {
    let app = app(Limiter::builder().skip_when(|parts| parts.uri.path() == "/"));
    for _ in 0..5 {
        let answer = app.get("/").await;
        assert_eq!(
            (answer.status, answer.header("ratelimit")),
            (StatusCode::OK, None)
        );
    }
}

#[tokio::test]
async fn a_disabled_limiter_admits_every_request() {
    let app = app(Limiter::builder().enabled(false));
    for _ in 0..5 {
        assert_eq!(app.get("/").await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn rules_without_a_key_use_the_default_key_of_the_limiter() {
    let app = app(Limiter::builder().default_key(header("x-api-key")));
    let send = |key: &str| {
        let request = Request::get("/").header("x-api-key", key);
        app.call(request.body(Body::empty()).unwrap())
    };
    assert_eq!(
        send("a").await.header("ratelimit"),
        Some(r#""limited-1s";r=1;t=1"#)
    );
    assert_eq!(
        send("a").await.header("ratelimit"),
        Some(r#""limited-1s";r=0;t=1"#)
    );
    assert_eq!(
        send("b").await.header("ratelimit"),
        Some(r#""limited-1s";r=1;t=1"#)
    );
    let without = app.get("/").await;
    assert_eq!(without.status, StatusCode::BAD_REQUEST);
    assert!(
        without.body.contains("Header `x-api-key` is required"),
        "{}",
        without.body
    );
}

#[rate_limit("1000/minute")]
async fn roomy() {}

#[tokio::test]
async fn headers_of_earlier_responses_do_not_change() {
    let app = App::new(Router::new().route("/", get(roomy)));
    let mut kept = Vec::new();
    for _ in 0..300 {
        kept.push(app.get("/").await);
    }
    for (index, answer) in kept.iter().enumerate() {
        let state = format!("\"roomy\";r={};t=60", 999 - index);
        assert_eq!(answer.header("ratelimit"), Some(state.as_str()));
        let policy = Some("\"roomy\";q=1000;w=60");
        assert_eq!(answer.header("ratelimit-policy"), policy);
    }
}

fn units(headers: &http::HeaderMap) -> u32 {
    let units = headers.get("x-units").and_then(|units| units.to_str().ok());
    units.and_then(|units| units.parse().ok()).unwrap_or(1)
}

#[rate_limit("3/minute", cost = units)]
async fn costly() {}

#[tokio::test]
async fn each_refusal_states_its_own_reason() {
    let app = App::new(Router::new().route("/", get(costly)));
    for (units, code, detail) in [
        ("5", "cost_above_limit", "The cost of this request, 5,"),
        ("4", "cost_above_limit", "The cost of this request, 4,"),
        ("3", "", ""),
        ("1", "rate_limit_exceeded", "exceeded: 3 per minute"),
        ("5", "rate_limit_exceeded", "exceeded: 3 per minute"),
        ("2", "rate_limit_exceeded", "exceeded: 3 per minute"),
    ] {
        let mut request = Request::new(Body::empty());
        let headers = request.headers_mut();
        headers.insert("x-units", units.parse().unwrap());
        let peer = std::net::SocketAddr::from(([192, 0, 2, 1], 1234));
        let peer = axum::extract::ConnectInfo(peer);
        request.extensions_mut().insert(peer);
        let body = app.call(request).await.body;
        assert!(body.contains(code) && body.contains(detail), "{body}");
    }
}

/// A hundred million million, as a function or an expression may compute it.
fn hundred_trillion() -> u64 {
    100_000_000_000_000
}

#[rate_limit("999_999_999_999_999/minute", name = "large", cost = hundred_trillion)]
#[rate_limit(
    "999_999_999_999_999/hour",
    name = "bucket",
    strategy = gcra(burst = 999_999_999_999_999),
    cost = 999_999_999_999_999
)]
async fn large() {}

#[tokio::test]
async fn the_largest_count_is_written_in_full() {
    let app = App::new(Router::new().route("/", get(large)));
    let first = app.get("/").await;
    assert_eq!(first.status, StatusCode::OK);
    assert_eq!(
        first.header("ratelimit-policy"),
        Some(r#""large";q=999999999999999;w=60, "bucket";q=999999999999999;w=3600"#)
    );
    assert_eq!(first.header("ratelimit"), Some(r#""bucket";r=0;t=1"#));
    let second = app.get("/").await;
    assert_eq!(second.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(second.header("retry-after"), Some("3600"));
    assert!(second.body.contains("999999999999999"), "{}", second.body);
}
