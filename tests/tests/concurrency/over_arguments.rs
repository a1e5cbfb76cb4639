//! Permits beside rules over the handler's arguments.

use axum::{Json, Router, body::Body, routing::post};
use bytes::Bytes;
use futures_util::stream;
use http::{Request, StatusCode};
use limit_runtime::{Limiter, Permit, everyone, rate_limit};
use std::{
    convert::Infallible,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};
use tower::ServiceExt;

/// Until the end of the tests.
static KEPT: Mutex<Option<Permit>> = Mutex::new(None);

#[rate_limit(concurrency = 1, key = name)]
async fn by_name(permit: Permit, Json(name): Json<String>) -> Body {
    assert!(permit.is_held());
    if name == "kept" {
        *KEPT.lock().unwrap() = Some(permit);
    }
    Body::from(name)
}

#[rate_limit(concurrency = 1, name = "all", key = everyone)]
#[rate_limit("10/minute", name = "names", key = name)]
async fn beside(Json(name): Json<String>) -> Body {
    Body::from_stream(stream::once(async move {
        Ok::<_, Infallible>(Bytes::from(name))
    }))
}

fn app() -> (Router, Limiter) {
    let limiter = Limiter::builder().build();
    let router = Router::new()
        .route("/by-name", post(by_name))
        .route("/beside", post(beside))
        .layer(limiter.layer());
    (router, limiter)
}

fn request(path: &str, name: &str) -> Request<Body> {
    Request::post(path)
        .header("content-type", "application/json")
        .body(Body::from(format!("\"{name}\"")))
        .unwrap()
}

#[tokio::test]
async fn a_key_from_the_body_has_permits_of_its_own() {
    let (app, limiter) = app();
    let send = |name: &'static str| app.clone().oneshot(request("/by-name", name));
    let first = send("ada").await.unwrap();
    assert_eq!(first.status(), StatusCode::OK);
    assert_eq!(
        send("ada").await.unwrap().status(),
        StatusCode::TOO_MANY_REQUESTS
    );
    assert_eq!(send("bob").await.unwrap().status(), StatusCode::OK);
    drop(first);
    assert_eq!(send("ada").await.unwrap().status(), StatusCode::OK);
    assert_eq!(limiter.usage().unwrap().permits, 0);
}

#[tokio::test]
async fn a_permit_that_is_extracted_before_the_key_is_known_is_held() {
    let (app, limiter) = app();
    let send = |name: &'static str| app.clone().oneshot(request("/by-name", name));
    drop(send("kept").await.unwrap());
    assert_eq!(limiter.usage().unwrap().permits, 1);
    assert_eq!(
        send("kept").await.unwrap().status(),
        StatusCode::TOO_MANY_REQUESTS
    );
}

#[tokio::test]
async fn without_a_permit_a_request_is_refused_before_its_body_is_read() {
    let (app, limiter) = app();
    let held = app
        .clone()
        .oneshot(request("/beside", "ada"))
        .await
        .unwrap();
    let is_read = Arc::new(AtomicBool::new(false));
    let body = {
        let is_read = is_read.clone();
        stream::once(async move {
            is_read.store(true, Ordering::Relaxed);
            Ok::<_, Infallible>(Bytes::from("\"bob\""))
        })
    };
    let request = Request::post("/beside")
        .header("content-type", "application/json")
        .header("expect", "100-continue")
        .body(Body::from_stream(body))
        .unwrap();
    let refused = app.clone().oneshot(request).await.unwrap();
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(!is_read.load(Ordering::Relaxed));
    drop(held);
    assert_eq!(limiter.usage().unwrap().permits, 0);
    let next = app.oneshot(self::request("/beside", "bob")).await.unwrap();
    assert_eq!(next.headers()["ratelimit"], "\"names\";r=9;t=60");
}
