//! The extractor `Permit`: work that goes on after the response.

use crate::Server;
use axum::{
    Json, Router,
    body::Body,
    extract::{State, WebSocketUpgrade, ws::Message},
    response::Response,
    routing::{any, get, post},
};
use futures_util::{SinkExt, StreamExt};
use http::{Request, StatusCode};
use limit_runtime::{Limiter, Permit, everyone, rate_limit};
use std::{sync::Arc, time::Duration};
use test_support::requests::text;
use tokio::sync::Notify;
use tokio_tungstenite::{connect_async, tungstenite};
use tower::ServiceExt;

#[rate_limit(concurrency = 1, key = everyone)]
async fn keeping(permit: Permit, upgrade: WebSocketUpgrade) -> Response {
    assert!(permit.is_held());
    upgrade.on_upgrade(|mut socket| async move {
        while let Some(Ok(message)) = socket.recv().await {
            if let Message::Text(text) = message {
                socket.send(Message::Text(text)).await.unwrap();
            }
        }
        drop(permit);
    })
}

#[rate_limit(concurrency = 1, key = everyone)]
async fn careless(upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(|mut socket| async move { while let Some(Ok(_)) = socket.recv().await {} })
}

#[rate_limit(concurrency = 1, key = everyone)]
async fn start_job(permit: Permit, State(end): State<Arc<Notify>>, Json(n): Json<u64>) -> String {
    let copy = permit.clone();
    tokio::spawn(async move {
        end.notified().await;
        drop(copy);
    });
    n.to_string()
}

async fn without_limits(permit: Option<Permit>) -> String {
    format!("{:?}", permit.map(|permit| permit.is_held()))
}

async fn needs_limits(_permit: Permit) {}

#[rate_limit("10/minute", key = everyone)]
async fn without_concurrency(permit: Permit) -> String {
    permit.is_held().to_string()
}

fn app() -> (Router, Limiter, Arc<Notify>) {
    let (limiter, end) = (Limiter::builder().build(), Arc::new(Notify::new()));
    let under_layer = Router::new()
        .route("/under-layer", get(without_limits))
        .layer(limiter.concurrency_layer("all", 7).key(everyone));
    let router = Router::new()
        .route("/keeping", any(keeping))
        .route("/careless", any(careless))
        .route("/job", post(start_job))
        .route("/without", get(without_concurrency))
        .layer(limiter.layer())
        .merge(under_layer)
        .route("/option", get(without_limits))
        .route("/needs", get(needs_limits))
        .with_state(end.clone());
    (router, limiter, end)
}

async fn until_in_flight(limiter: &Limiter, count: u64) {
    let reached = async {
        while limiter.usage().unwrap().permits != count {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let reached = tokio::time::timeout(Duration::from_secs(10), reached).await;
    reached.unwrap_or_else(|_| panic!("{} in flight", limiter.usage().unwrap().permits));
}

#[tokio::test]
async fn a_websocket_that_keeps_the_permit_holds_it_until_it_is_closed() {
    let (router, limiter, _) = app();
    let server = Server::start(router).await;
    let url = server.url("/keeping").replace("http://", "ws://");
    let (mut socket, response) = connect_async(&url).await.unwrap();
    assert_eq!(response.status(), 101);
    socket.send("hello".into()).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), "hello".into());
    assert_eq!(limiter.usage().unwrap().permits, 1);
    let Err(tungstenite::Error::Http(refused)) = connect_async(&url).await else {
        panic!("a second socket was opened");
    };
    assert_eq!(refused.status(), 429);
    socket.close(None).await.unwrap();
    until_in_flight(&limiter, 0).await;
    connect_async(&url).await.unwrap();
}

#[tokio::test]
async fn an_upgrade_without_it_holds_the_permit_only_until_its_response() {
    let (router, limiter, _) = app();
    let server = Server::start(router).await;
    let url = server.url("/careless").replace("http://", "ws://");
    let (first, _) = connect_async(&url).await.unwrap();
    assert_eq!(limiter.usage().unwrap().permits, 0);
    let (second, _) = connect_async(&url).await.unwrap();
    drop((first, second));
}

#[tokio::test]
async fn a_task_keeps_the_permit_after_the_response() {
    let (router, limiter, end) = app();
    let call = async |body: &'static str| {
        let request = Request::post("/job").header("content-type", "application/json");
        let request = request.body(Body::from(body)).unwrap();
        router.clone().oneshot(request).await.unwrap()
    };
    let response = call("7").await;
    assert_eq!(response.status(), 200);
    assert_eq!(text(response).await, "7");
    assert_eq!(limiter.usage().unwrap().permits, 1);
    assert_eq!(call("8").await.status(), 429);
    end.notify_one();
    until_in_flight(&limiter, 0).await;
    // An argument that cannot be extracted ends the request.
    assert_eq!(call("no number").await.status(), 400);
    assert_eq!(limiter.usage().unwrap().permits, 0);
}

#[tokio::test]
async fn a_permit_is_optional_and_may_hold_nothing() {
    let (router, limiter, _) = app();
    let get = async |path: &str| {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        (response.status(), text(response).await)
    };
    assert_eq!(get("/option").await, (StatusCode::OK, "None".to_owned()));
    assert_eq!(get("/under-layer").await.1, "Some(true)");
    assert_eq!(get("/without").await.1, "false");
    let (status, body) = get("/needs").await;
    assert_eq!(status, 500);
    assert!(body.contains("no_rate_limit"), "{body}");
    assert_eq!(limiter.usage().unwrap().permits, 0);
}
