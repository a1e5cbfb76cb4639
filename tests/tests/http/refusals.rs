//! What clients receive when a request does not reach its handler.

use crate::app::{Answer, App, Unreachable};
use axum::{
    Json, Router,
    body::Body,
    extract::ConnectInfo,
    response::{IntoResponse, Response},
    routing::get,
};
use http::{HeaderMap, Request, StatusCode};
use limit_runtime::{
    Exceeded, HeaderStyle, Limiter, LimiterBuilder, Limits, RateLimit, RateLimitInfo, bearer,
    client_ip, everyone, header, limits, rate_limit,
};
use serde_json::{Value, json};
use std::{net::SocketAddr, time::Duration};
use tower::ServiceExt;

const OK: StatusCode = StatusCode::OK;
const LIMITED: StatusCode = StatusCode::TOO_MANY_REQUESTS;

#[rate_limit("1/minute", key = everyone)]
async fn once() {}

fn units(headers: &HeaderMap) -> u32 {
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
struct Units(u32);

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
    async fn costing(&self, path: &str, units: u32) -> Answer {
        let request = Request::get(path).header("x-units", units);
        self.call(request.body(Body::empty()).unwrap()).await
    }

    /// The second answer of `/once`, which is a refusal.
    async fn refusal(&self) -> Answer {
        assert_eq!(self.get("/once").await.status, OK);
        self.get("/once").await
    }
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

// Which headers.

#[tokio::test]
async fn every_header_of_a_refusal_is_among_the_names_of_its_style() {
    for style in [
        HeaderStyle::Ietf,
        HeaderStyle::XRateLimit,
        HeaderStyle::OpenAi,
        HeaderStyle::Both,
        HeaderStyle::Off,
    ] {
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

// Retry-After of the application's own.

fn answering(response: fn(&Exceeded<'_>) -> Response) -> App {
    app(Limiter::builder().on_limited(response))
}

#[tokio::test]
async fn a_retry_after_of_the_application_stays_and_milliseconds_say_the_same() {
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
async fn a_retry_after_of_a_handlers_own_stays() {
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
async fn should_retry_gives_way_to_what_the_application_says() {
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
async fn the_body_of_slowapi_is_one_line_away() {
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

// What can never fit.

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

// Problem documents.

#[tokio::test]
async fn every_rejection_of_ours_has_the_error_object() {
    #[rate_limit("1/minute", key = header("x-api-key"))]
    async fn keyed() {}
    #[rate_limit("1/minute", key = client_ip)]
    async fn addressed() {}
    #[rate_limit("1/minute", key = bearer)]
    async fn borne() {}
    let router = || {
        Router::new()
            .route("/once", get(once))
            .route("/keyed", get(keyed))
            .route("/addressed", get(addressed))
            .route("/borne", get(borne))
    };
    let call = |path: &'static str, limiter: LimiterBuilder| async move {
        let app = App::with(router(), limiter);
        let twice = Request::get(path).header("x-other", "1");
        app.call(twice.body(Body::empty()).unwrap()).await
    };
    let repeated = || async {
        let request = Request::get("/keyed").header("x-api-key", "a");
        let request = request.header("x-api-key", "b");
        let app = App::new(router());
        app.call(request.body(Body::empty()).unwrap()).await
    };
    let deny = || {
        Limiter::builder()
            .store(Unreachable)
            .on_store_error(limit_runtime::store::Fallback::Deny)
    };
    let (bad, server) = ("invalid_request_error", "server_error");
    for (answer, status, kind, code) in [
        (
            call("/keyed", Limiter::builder()).await,
            400,
            bad,
            "missing_header",
        ),
        (repeated().await, 400, bad, "repeated_header"),
        (
            call("/addressed", Limiter::builder()).await,
            500,
            server,
            "client_address_unavailable",
        ),
        (
            call("/borne", Limiter::builder()).await,
            401,
            "authentication_error",
            "missing_bearer_token",
        ),
        (
            call("/once", deny()).await,
            503,
            server,
            "rate_limiter_unavailable",
        ),
    ] {
        assert_eq!(answer.status.as_u16(), status, "{}", answer.body);
        let body = answer.json();
        assert_eq!(body["status"], status);
        assert_eq!(body["error"]["type"], kind);
        assert_eq!(body["error"]["code"], code);
        assert_eq!(body["error"]["message"], body["detail"]);
        let content_type = answer.header("content-type");
        assert_eq!(content_type, Some("application/problem+json"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
}

// Success statuses.

#[tokio::test]
async fn no_function_rejects_with_a_success() {
    struct Custom;
    impl IntoResponse for Custom {
        fn into_response(self) -> Response {
            (StatusCode::NO_CONTENT, "custom").into_response()
        }
    }
    struct Extractor;
    impl<S: Sync> axum::extract::FromRequestParts<S> for Extractor {
        type Rejection = Json<&'static str>;

        async fn from_request_parts(
            _: &mut http::request::Parts,
            _: &S,
        ) -> Result<Self, Self::Rejection> {
            Err(Json("no"))
        }
    }
    #[rate_limit("1/minute", key = || Err::<u64, _>("no key"))]
    async fn key() {}
    #[rate_limit(|| Err::<Limits, _>("no limits"), key = everyone)]
    async fn limits_fn() {}
    #[rate_limit("1/minute", key = everyone, scope = || Err::<&'static str, _>("no scope"))]
    async fn scope() {}
    #[rate_limit("1/minute", key = everyone, cost = || Err::<u32, _>(Custom))]
    async fn cost() {}
    #[rate_limit("1/minute", key = |_: Extractor| 1_u64)]
    async fn extractor() {}
    #[rate_limit("1/minute", key = || async { Err::<u64, _>(StatusCode::CONTINUE) })]
    async fn informational() {}
    #[rate_limit("1/minute", key = || Err::<u64, _>([("grpc-status", "0")]))]
    async fn grpc_ok() {}
    #[rate_limit("1/minute")]
    async fn default_key() {}

    let router = Router::new()
        .route("/key", get(key))
        .route("/limits", get(limits_fn))
        .route("/scope", get(scope))
        .route("/cost", get(cost))
        .route("/extractor", get(extractor))
        .route("/informational", get(informational))
        .route("/grpc_ok", get(grpc_ok))
        .route("/default_key", get(default_key));
    let layered = Limiter::new();
    let layer = layered.limit_layer("layer", limits!("1/minute"));
    let layer = layer.key(|| Err::<u64, _>("no key"));
    let router = router.route("/layer", get(|| async {}).layer(layer));
    let limiter = Limiter::builder().default_key(|| Err::<u64, _>("no key"));
    let app = App::with(router, limiter);
    for path in [
        "/key",
        "/limits",
        "/scope",
        "/cost",
        "/extractor",
        "/informational",
        "/grpc_ok",
        "/default_key",
        "/layer",
    ] {
        let answer = app.get(path).await;
        assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR, "{path}");
        let code = &answer.json()["error"]["code"];
        assert_eq!(code, "rejection_without_error_status", "{path}");
    }
}

#[tokio::test]
async fn a_rejection_with_another_status_stays_as_it_is() {
    #[rate_limit("1/minute", key = || Err::<u64, _>((StatusCode::UNAUTHORIZED, "who are you?")))]
    async fn unauthorized() {}
    #[rate_limit("1/minute", key = || Err::<u64, _>(axum::response::Redirect::to("/login")))]
    async fn redirected() {}
    #[rate_limit("1/minute", key = || Err::<u64, _>([("grpc-status", "16")]))]
    async fn grpc() {}
    let router = Router::new()
        .route("/unauthorized", get(unauthorized))
        .route("/redirected", get(redirected))
        .route("/grpc", get(grpc));
    let app = App::new(router);
    let answer = app.get("/unauthorized").await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert_eq!(answer.body, "who are you?");
    let answer = app.get("/redirected").await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    let answer = app.get("/grpc").await;
    assert_eq!(
        (answer.status, answer.header("grpc-status")),
        (OK, Some("16"))
    );
}

#[tokio::test]
async fn on_limited_with_a_success_is_429_and_keeps_its_body() {
    fn own(_: &Exceeded<'_>) -> Json<&'static str> {
        Json("slow down")
    }
    #[rate_limit("1/minute", key = everyone, on_limited = own)]
    async fn handler() {}
    let limiter = Limiter::builder().on_limited(|_| (StatusCode::ACCEPTED, "later"));
    let router = Router::new()
        .route("/once", get(once))
        .route("/", get(handler));
    let app = App::with(router, limiter);
    let refusal = app.refusal().await;
    assert_eq!(refusal.status, LIMITED);
    assert_eq!(refusal.body, "later");
    assert_eq!(refusal.header("retry-after"), Some("60"));
    app.get("/").await;
    let refusal = app.get("/").await;
    assert_eq!(refusal.status, LIMITED);
    assert_eq!(refusal.body, r#""slow down""#);
}

#[tokio::test]
async fn on_limited_may_answer_with_a_grpc_status() {
    let grpc = |_: &Exceeded<'_>| [("grpc-status", "8")].into_response();
    let refusal = answering(grpc).refusal().await;
    assert_eq!(
        (refusal.status, refusal.header("grpc-status")),
        (OK, Some("8"))
    );
    let grpc_ok = |_: &Exceeded<'_>| [("grpc-status", "0")].into_response();
    assert_eq!(answering(grpc_ok).refusal().await.status, LIMITED);
}

// `RateLimitInfo`.

async fn info(app: &App, path: &str, units: u32) -> Option<RateLimitInfo> {
    let request = Request::get(path).header("x-units", units);
    let mut request = request.body(Body::empty()).unwrap();
    let peer = SocketAddr::from(([192, 0, 2, 1], 1));
    request.extensions_mut().insert(ConnectInfo(peer));
    let response = app.router.clone().oneshot(request).await.unwrap();
    response.extensions().get::<RateLimitInfo>().cloned()
}

#[rate_limit("2/second; 10/minute", name = "requests", key = client_ip)]
#[rate_limit("6/hour", name = "units", key = everyone, cost = units)]
async fn two_policies() {}

#[rate_limit("9/minute", name = "late", key = everyone, cost = units.0)]
async fn late(units: Units, limit: RateLimit) {
    limit.charge(units.0.into()).await.unwrap();
}

fn informative(limiter: LimiterBuilder) -> App {
    let router = Router::new()
        .route("/once", get(once))
        .route("/two", get(two_policies))
        .route("/late", get(late))
        .route("/free", get(|| async {}));
    App::with(router, limiter)
}

/// The name, the key's label, the cost, whether it refused, and what is left of each limit.
fn policies(info: &RateLimitInfo) -> Vec<(String, String, u64, bool, Vec<u64>)> {
    let policies = info.policies().iter().map(|policy| {
        let left = policy.outcomes().iter();
        let left = left.map(|outcome| outcome.remaining()).collect();
        let (name, key) = (policy.name().to_owned(), policy.key_label().to_owned());
        (name, key, policy.cost(), policy.is_refused(), left)
    });
    policies.collect()
}

fn policy(
    name: &str,
    key: &str,
    cost: u64,
    is_refused: bool,
    left: &[u64],
) -> (String, String, u64, bool, Vec<u64>) {
    (name.into(), key.into(), cost, is_refused, left.into())
}

#[tokio::test]
async fn refusals_carry_their_info_and_other_responses_do_not() {
    let app = informative(Limiter::builder().retry_jitter(Duration::ZERO));
    for path in ["/once", "/two", "/late", "/free"] {
        assert!(info(&app, path, 1).await.is_none(), "{path}");
    }
    let refused = info(&app, "/once", 1).await.unwrap();
    assert!(refused.is_refused());
    assert_eq!(refused.retry_after(), Some(Duration::from_secs(60)));
    assert_eq!(
        policies(&refused),
        [policy("once", "everyone", 1, true, &[0])]
    );

    app.clock.advance(Duration::from_secs(15));
    let refused = info(&app, "/two", 6).await.unwrap();
    assert_eq!(
        policies(&refused),
        [
            policy("requests", "client_ip", 1, false, &[2, 9]),
            policy("units", "everyone", 6, true, &[5]),
        ]
    );
    assert_eq!(refused.refused_by().unwrap().name(), "units");
    assert_eq!(refused.retry_after(), Some(Duration::from_secs(3585)));

    let refused = info(&app, "/late", 10).await.unwrap();
    assert_eq!(
        policies(&refused),
        [policy("late", "everyone", 10, true, &[7])]
    );
    assert_eq!(refused.retry_after(), None);
}

#[tokio::test]
async fn admitted_responses_carry_their_info_if_asked_for() {
    let app = informative(Limiter::builder().response_info(true));
    let admitted = info(&app, "/once", 1).await.unwrap();
    assert!(!admitted.is_refused());
    assert_eq!(admitted.retry_after(), None);
    assert_eq!(
        policies(&admitted),
        [policy("once", "everyone", 1, false, &[0])]
    );
    let admitted = info(&app, "/two", 4).await.unwrap();
    assert_eq!(
        policies(&admitted),
        [
            policy("requests", "client_ip", 1, false, &[1, 9]),
            policy("units", "everyone", 4, false, &[2]),
        ]
    );
    // What the handler charged is a part of the cost.
    let admitted = info(&app, "/late", 2).await.unwrap();
    assert_eq!(
        policies(&admitted),
        [policy("late", "everyone", 4, false, &[5])]
    );
    assert!(info(&app, "/free", 1).await.is_none());
    assert!(info(&app, "/once", 1).await.unwrap().is_refused());
}

#[tokio::test]
async fn info_covers_layers_and_shows_no_key() {
    #[rate_limit("1/minute", name = "inner", key = header("x-api-key"))]
    async fn handler() {}
    let limiter = Limiter::builder().response_info(true).build();
    let layer = limiter
        .limit_layer("outer", limits!("3/minute"))
        .key(everyone);
    let router = Router::new().route("/", get(handler)).layer(layer);
    let call = || async {
        let request = Request::get("/").header("x-api-key", "sk-secret");
        let request = request.body(Body::empty()).unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        let info = response.extensions().get::<RateLimitInfo>().cloned();
        info.unwrap()
    };
    let key = r#"header("x-api-key")"#;
    let outer = |left| policy("outer", "key", 1, false, &[left]);
    let admitted = call().await;
    assert_eq!(
        policies(&admitted),
        [policy("inner", key, 1, false, &[0]), outer(2)]
    );
    let refused = call().await;
    assert_eq!(
        policies(&refused),
        [policy("inner", key, 1, true, &[0]), outer(1)]
    );
    assert!(!format!("{refused:?}").contains("secret"), "{refused:?}");
    call().await;
    let refused = call().await;
    assert_eq!(refused.refused_by().unwrap().name(), "outer");
    assert_eq!(refused.policies().len(), 1);
}
