//! `status()` and `body_text()` of rejections are the status and the detail of their responses.

use axum::{
    Router,
    extract::FromRequestParts,
    response::{IntoResponse, Response},
    routing::get,
};
use http::{Request, StatusCode, header::WWW_AUTHENTICATE, request::Parts};
use http_body_util::BodyExt;
use limit_runtime::{Limiter, RateLimit, bearer, client_ip, header, limits};
use std::error::Error;
use tower::ServiceExt;

/// Checks that the problem document of `response` has this status, code and detail.
async fn assert_problem(response: Response, status: StatusCode, code: &str, detail: &str) {
    assert_eq!(response.status(), status);
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["status"], status.as_u16());
    assert_eq!(body["detail"], detail);
    assert_eq!(body["error"]["message"], detail);
    assert_eq!(body["error"]["code"], code);
}

fn parts_with_api_keys(count: usize) -> Parts {
    let request = (0..count).fold(Request::builder(), |request, _| {
        request.header("x-api-key", "secret")
    });
    request.body(()).unwrap().into_parts().0
}

fn assert_is_error(_: &(impl Error + Send + Sync + Clone + 'static)) {}

#[tokio::test]
async fn a_header_key_rejection_is_its_response() {
    for (name, count, status, code, detail) in [
        (
            "x-api-key",
            0,
            400,
            "missing_header",
            "Header `x-api-key` is required",
        ),
        (
            "x-api-key",
            2,
            400,
            "repeated_header",
            "Header `x-api-key` must be sent once",
        ),
        (
            "x api key",
            0,
            500,
            "invalid_header_name",
            "`x api key` is not a valid header name",
        ),
    ] {
        let rejection = header(name)(&parts_with_api_keys(count)).unwrap_err();
        assert_is_error(&rejection);
        assert_eq!(rejection.status().as_u16(), status);
        assert_eq!(rejection.body_text(), detail);
        let status = rejection.status();
        assert_problem(rejection.into_response(), status, code, detail).await;
    }
}

#[tokio::test]
async fn a_bearer_rejection_is_its_response() {
    let rejection = bearer(&parts_with_api_keys(0)).unwrap_err();
    assert_is_error(&rejection);
    assert_eq!(rejection.status(), StatusCode::UNAUTHORIZED);
    let (status, detail) = (rejection.status(), rejection.body_text());
    let response = rejection.into_response();
    assert_eq!(response.headers()[WWW_AUTHENTICATE], "Bearer");
    assert_problem(response, status, "missing_bearer_token", &detail).await;
}

#[tokio::test]
async fn a_client_ip_rejection_is_its_response() {
    let rejection = client_ip(&parts_with_api_keys(0)).unwrap_err();
    assert_is_error(&rejection);
    assert_eq!(rejection.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let (status, detail) = (rejection.status(), rejection.body_text());
    assert_eq!(detail, "Client address unavailable; see the server's log");
    let response = rejection.into_response();
    assert_problem(response, status, "client_address_unavailable", &detail).await;
}

#[tokio::test]
async fn a_rate_limit_rejection_is_its_response() {
    let mut parts = parts_with_api_keys(0);
    let extracted = <RateLimit as FromRequestParts<()>>::from_request_parts(&mut parts, &()).await;
    let rejection = extracted.unwrap_err();
    assert_is_error(&rejection);
    assert_eq!(rejection.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let (status, detail) = (rejection.status(), rejection.body_text());
    let response = rejection.into_response();
    assert_problem(response, status, "no_rate_limit", &detail).await;
}

#[tokio::test]
async fn an_unknown_policy_is_its_response() {
    async fn handler(limit: RateLimit) {
        let error = limit.only("other").unwrap_err();
        assert_is_error(&error);
        assert_eq!(error.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let text = error.to_string();
        assert!(text.contains("`other`") && text.contains("`app`"), "{text}");
        let (status, detail) = (error.status(), error.body_text());
        assert_problem(error.into_response(), status, "unknown_policy", &detail).await;
    }
    let layer = Limiter::new()
        .limit_layer("app", limits!("1/minute"))
        .key(limit_runtime::everyone);
    let router = Router::new().route("/", get(handler)).layer(layer);
    let request = Request::new(axum::body::Body::empty());
    let response = router.oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
}
