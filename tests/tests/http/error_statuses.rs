//! The error object in the body of rejections, and the status of a rejection that is a success.

use crate::app::App;
use crate::refusals::{answering, once};
use axum::{
    Json, Router,
    body::Body,
    response::{IntoResponse, Response},
    routing::get,
};
use http::{Request, StatusCode};
use limit_runtime::{
    Exceeded, Limiter, LimiterBuilder, Limits, bearer, client_ip, everyone, header, limits,
    rate_limit,
    store::{CustomStore, Fallback},
};
use test_support::check_only::CheckOnly;

const OK: StatusCode = StatusCode::OK;
const LIMITED: StatusCode = StatusCode::TOO_MANY_REQUESTS;

#[tokio::test]
async fn every_rejection_of_the_library_has_the_error_object() {
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
        let store = CustomStore::new(CheckOnly::UNREACHABLE).fallback(Fallback::Deny);
        Limiter::builder().store(store)
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
