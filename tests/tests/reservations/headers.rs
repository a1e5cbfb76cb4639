//! The headers of the response show what was settled in the handler.

use axum::{Router, routing::get};
use limit_runtime::{Limiter, Reservation, everyone, rate_limit};
use test_support::{
    memcached_server::Memcached,
    remote::RemoteServer,
    requests::{request, send},
    servers::{Server, free_port, patient},
};

#[rate_limit("1000/hour", key = everyone, scope = "tokens", cost = 100)]
async fn less(reservation: Reservation) {
    reservation.commit(30);
}

#[rate_limit("1000/hour", key = everyone, scope = "tokens", cost = 100)]
async fn more(reservation: Reservation) {
    reservation.commit(230);
}

#[rate_limit("1000/hour", key = everyone, scope = "tokens", cost = 100)]
async fn failed(_reservation: Reservation) -> http::StatusCode {
    http::StatusCode::BAD_GATEWAY
}

async fn headers_show_the_settled_state(limiter: Limiter) {
    let router = Router::new()
        .route("/less", get(less))
        .route("/more", get(more))
        .route("/failed", get(failed))
        .layer(limiter.layer());
    for (path, left) in [
        ("/less", 970),
        ("/more", 740),
        ("/failed", 740),
        ("/less", 710),
    ] {
        let response = send(&router, request("GET", path, "")).await;
        let header = response.headers()["ratelimit"].to_str().unwrap();
        let expected = format!("\"tokens\";r={left};");
        assert!(header.starts_with(&expected), "{path}: {header}");
    }
}

#[tokio::test]
async fn in_memory() {
    headers_show_the_settled_state(Limiter::new()).await;
}

#[tokio::test]
async fn in_redis() {
    let server = Server::redis();
    headers_show_the_settled_state(patient(&server.url()).await).await;
}

#[tokio::test]
async fn in_memcached() {
    let port = free_port();
    let _server = <Memcached as RemoteServer>::on(port);
    headers_show_the_settled_state(patient(&<Memcached as RemoteServer>::url_of(port)).await).await;
}
