//! What clients receive when a limit refuses their request: headers, status and body.

use crate::app::{Answer, App, STYLES};
use axum::{
    Json, Router,
    body::Body,
    response::{IntoResponse, Response},
    routing::get,
};
use http::{HeaderMap, Request, StatusCode};
use limit_runtime::{Exceeded, Limiter, LimiterBuilder, client_ip, everyone, rate_limit};
use serde_json::{Value, json};
use std::time::Duration;

const OK: StatusCode = StatusCode::OK;
const LIMITED: StatusCode = StatusCode::TOO_MANY_REQUESTS;

#[rate_limit("1/minute", key = everyone)]
pub(crate) async fn once() {}

pub(crate) fn units(headers: &HeaderMap) -> u64 {
    let units = headers.get("x-units").and_then(|units| units.to_str().ok());
    units.and_then(|units| units.parse().ok()).unwrap_or(1)
}

#[rate_limit("3/minute", key = everyone, cost = units)]
async fn costly() {}

#[rate_limit("3/minute", key = everyone, cost = units.0)]
async fn costly_by_argument(units: Units) {
    let _ = units;
}

/// The units as an argument of the handler.
pub(crate) struct Units(pub(crate) u64);

impl<S: Sync> axum::extract::FromRequestParts<S> for Units {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(
        parts: &mut http::request::Parts,
        _: &S,
    ) -> Result<Self, Self::Rejection> {
        Ok(Self(units(&parts.headers)))
    }
}

fn app(limiter: LimiterBuilder) -> App {
    let router = Router::new()
        .route("/once", get(once))
        .route("/costly", get(costly))
        .route("/costly_by_argument", get(costly_by_argument));
    App::with(router, limiter)
}

impl App {
    /// Sends a request that costs so many units.
    pub(crate) async fn costing(&self, path: &str, units: u64) -> Answer {
        let request = Request::get(path).header("x-units", units);
        self.call(request.body(Body::empty()).unwrap()).await
    }

    /// The second answer of `/once`, which is a refusal.
    pub(crate) async fn refusal(&self) -> Answer {
        assert_eq!(self.get("/once").await.status, OK);
        self.get("/once").await
    }
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

#[tokio::test]
async fn every_header_of_a_refusal_is_among_the_names_of_its_style() {
    for style in STYLES {
        let names = style.names();
        let app = app(Limiter::builder().header_style(style));
        for refusal in [app.refusal().await, app.costing("/costly", 9).await] {
            assert_eq!(refusal.status, LIMITED);
            for name in refusal.headers.keys() {
                let is_usual = ["content-type", "content-length", "cache-control"];
                let is_usual = is_usual.contains(&name.as_str());
                assert!(is_usual || names.contains(name), "{name} {names:?}");
            }
        }
    }
}

pub(crate) fn answering(response: fn(&Exceeded<'_>) -> Response) -> App {
    app(Limiter::builder().on_limited(response))
}

#[tokio::test]
async fn a_retry_after_of_the_application_is_kept_and_retry_after_ms_agrees() {
    let app = answering(|_| (LIMITED, [("retry-after", "600")]).into_response());
    let refusal = app.refusal().await;
    assert_eq!(refusal.header("retry-after"), Some("600"));
    assert_eq!(refusal.header("retry-after-ms"), Some("600000"));

    let date = "Sun, 06 Nov 2094 08:49:37 GMT";
    let app = answering(|_| {
        (LIMITED, [("retry-after", "Sun, 06 Nov 2094 08:49:37 GMT")]).into_response()
    });
    let refusal = app.refusal().await;
    assert_eq!(refusal.header("retry-after"), Some(date));
    assert_eq!(refusal.header("retry-after-ms"), None);

    let app = answering(|_| (LIMITED, [("retry-after-ms", "1500")]).into_response());
    let refusal = app.refusal().await;
    assert_eq!(refusal.header("retry-after"), Some("2"));
    assert_eq!(refusal.header("retry-after-ms"), Some("1500"));

    let both = |_: &Exceeded<'_>| {
        (LIMITED, [("retry-after", "2"), ("retry-after-ms", "1200")]).into_response()
    };
    let refusal = answering(both).refusal().await;
    assert_eq!(refusal.header("retry-after"), Some("2"));
    assert_eq!(refusal.header("retry-after-ms"), Some("1200"));
}

#[tokio::test]
async fn a_retry_after_of_on_limited_of_a_handler_is_kept() {
    fn answer(_: &Exceeded<'_>) -> (StatusCode, [(&'static str, &'static str); 1]) {
        (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "600")])
    }
    #[rate_limit("1/minute", key = everyone, on_limited = answer)]
    async fn handler() {}
    let app = App::new(Router::new().route("/", get(handler)));
    app.get("/").await;
    let refusal = app.get("/").await;
    assert_eq!(refusal.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refusal.header("retry-after"), Some("600"));
    assert_eq!(refusal.header("retry-after-ms"), Some("600000"));
}

#[tokio::test]
async fn retry_after_can_be_left_out() {
    let app = answering(|exceeded| {
        exceeded.omit_retry_after();
        LIMITED.into_response()
    });
    let refusal = app.refusal().await;
    assert_eq!(refusal.status, LIMITED);
    assert_eq!(refusal.header("retry-after"), None);
    assert_eq!(refusal.header("retry-after-ms"), None);
    assert_eq!(refusal.header("x-should-retry"), None);
    assert!(refusal.header("ratelimit").is_some());

    let app = answering(|exceeded| {
        exceeded.omit_retry_after();
        (LIMITED, [("retry-after", "600")]).into_response()
    });
    let refusal = app.refusal().await;
    assert_eq!(refusal.header("retry-after"), Some("600"));
}

#[tokio::test]
async fn an_x_should_retry_of_the_application_is_kept() {
    let app = answering(|_| LIMITED.into_response());
    let refusal = app.costing("/costly", 9).await;
    assert_eq!(refusal.header("x-should-retry"), Some("false"));

    let app = answering(|_| (LIMITED, [("retry-after", "600")]).into_response());
    let refusal = app.costing("/costly", 9).await;
    assert_eq!(refusal.header("x-should-retry"), None);
    assert_eq!(refusal.header("retry-after"), Some("600"));

    let app = answering(|_| (LIMITED, [("x-should-retry", "true")]).into_response());
    let refusal = app.costing("/costly", 9).await;
    assert_eq!(refusal.header("x-should-retry"), Some("true"));
}

#[tokio::test]
async fn exceeded_describes_the_policy_with_the_longest_wait() {
    #[rate_limit("1/second; 2/minute", name = "requests", key = everyone)]
    #[rate_limit("6/hour", name = "tokens", key = (everyone, client_ip), cost = 4)]
    async fn handler() {}
    let limiter = Limiter::builder().on_limited(|exceeded| {
        let words = [
            exceeded.policy().to_owned(),
            exceeded.limits().to_string(),
            exceeded.key_label().to_owned(),
            exceeded.cost().to_string(),
            exceeded.parts().uri.path().to_owned(),
        ];
        (LIMITED, words.join("|"))
    });
    let app = App::with(Router::new().route("/path", get(handler)), limiter);
    app.get("/path").await;
    let refusal = app.get("/path").await;
    assert_eq!(
        refusal.body,
        "tokens|6 per hour|(everyone, client_ip)|4|/path"
    );
    app.clock.advance(Duration::from_secs(3600));
    app.get_from("192.0.2.7", "/path").await;
    let refusal = app.get_from("192.0.2.8", "/path").await;
    assert_eq!(
        refusal.body,
        "requests|1 per second; 2 per minute|everyone|1|/path"
    );
}

#[tokio::test]
async fn on_limited_can_return_the_body_of_slowapi() {
    let limiter = Limiter::builder();
    let limiter =
        limiter.on_limited(|exceeded| (LIMITED, Json(json!({ "error": exceeded.to_string() }))));
    let refusal = app(limiter).refusal().await;
    assert_eq!(
        refusal.body,
        r#"{"error":"Rate limit exceeded: 1 per minute"}"#
    );
    assert_eq!(refusal.header("content-type"), Some("application/json"));
    assert_eq!(refusal.header("retry-after"), Some("60"));
}

#[tokio::test]
async fn the_status_of_what_can_never_fit_is_429_unless_it_is_set() {
    let refusal = app(Limiter::builder()).costing("/costly", 4).await;
    assert_eq!(refusal.status, LIMITED);
    assert_eq!(refusal.header("retry-after"), None);
    assert_eq!(refusal.json()["error"]["code"], "cost_above_limit");
    assert_eq!(refusal.json()["error"]["type"], "rate_limit_error");

    let large = Limiter::builder().exceeds_capacity_status(StatusCode::PAYLOAD_TOO_LARGE);
    let app = app(large);
    for path in ["/costly", "/costly_by_argument"] {
        let refusal = app.costing(path, 4).await;
        assert_eq!(refusal.status, StatusCode::PAYLOAD_TOO_LARGE, "{path}");
        assert_eq!(refusal.header("retry-after"), None);
        assert_eq!(refusal.header("x-should-retry"), Some("false"));
        let body = refusal.json();
        assert_eq!(body["status"], 413);
        assert_eq!(body["title"], "Payload Too Large");
        assert_eq!(body.get("type"), None);
        assert_eq!(body["error"]["code"], "cost_above_limit");
        assert_eq!(body["error"]["type"], "invalid_request_error");
    }
}

#[tokio::test]
async fn a_client_with_nothing_left_gets_the_ordinary_429_whatever_the_cost() {
    let large = Limiter::builder().exceeds_capacity_status(StatusCode::PAYLOAD_TOO_LARGE);
    let app = app(large);
    for path in ["/costly", "/costly_by_argument"] {
        assert_eq!(app.costing(path, 3).await.status, OK);
        app.clock.advance(Duration::from_secs(9));
        for units in [1, 3, 4, 1_000] {
            let refusal = app.costing(path, units).await;
            assert_eq!(refusal.status, LIMITED, "{path} {units}");
            assert_eq!(refusal.header("retry-after"), Some("51"));
            assert_eq!(refusal.header("retry-after-ms"), Some("51000"));
            assert_eq!(refusal.header("x-should-retry"), None);
            assert_eq!(refusal.json()["error"]["code"], "rate_limit_exceeded");
            assert_eq!(
                refusal.json()["detail"],
                "Rate limit exceeded: 3 per minute"
            );
        }
        app.clock.advance(Duration::from_secs(60));
        let refusal = app.costing(path, 4).await;
        assert_eq!(refusal.status, StatusCode::PAYLOAD_TOO_LARGE, "{path}");
    }
}

#[tokio::test]
async fn the_ordinary_429_waits_until_something_is_left() {
    let large = Limiter::builder().exceeds_capacity_status(StatusCode::PAYLOAD_TOO_LARGE);
    let app = app(large);
    app.costing("/costly", 1).await;
    app.clock.advance(Duration::from_secs(10));
    app.costing("/costly", 2).await;
    app.clock.advance(Duration::from_secs(5));
    let refusal = app.costing("/costly", 4).await;
    assert_eq!(refusal.status, LIMITED);
    assert_eq!(refusal.header("retry-after-ms"), Some("45000"));
    app.clock.advance(Duration::from_millis(44_999));
    assert_eq!(app.costing("/costly", 4).await.status, LIMITED);
    app.clock.advance(Duration::from_millis(1));
    let refusal = app.costing("/costly", 4).await;
    assert_eq!(refusal.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn nothing_left_of_another_policy_is_the_ordinary_429_too() {
    #[rate_limit("2/minute", name = "requests", key = everyone)]
    #[rate_limit("3/hour", name = "units", key = everyone, cost = units)]
    async fn handler() {}
    let app = App::new(Router::new().route("/", get(handler)));
    let refusal = app.costing("/", 4).await;
    assert_eq!(refusal.json()["error"]["code"], "cost_above_limit");
    app.costing("/", 1).await;
    app.costing("/", 1).await;
    let refusal = app.costing("/", 4).await;
    let body = refusal.json();
    assert_eq!(body["error"]["code"], "rate_limit_exceeded");
    assert_eq!(body["violated-policies"], json!(["requests"]));
    assert_eq!(refusal.header("retry-after"), Some("60"));
}

#[tokio::test]
async fn a_status_that_is_no_client_error_is_not_set() {
    for status in [
        StatusCode::OK,
        StatusCode::FOUND,
        StatusCode::SERVICE_UNAVAILABLE,
    ] {
        let app = app(Limiter::builder().exceeds_capacity_status(status));
        assert_eq!(app.costing("/costly", 4).await.status, LIMITED, "{status}");
    }
}
