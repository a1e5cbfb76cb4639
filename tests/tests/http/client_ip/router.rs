//! Behind a router, and over a socket.

use super::common::listed;
use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, connect_info::MockConnectInfo},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use limit_runtime::{ForwardedHeader, Limiter, TrustedProxies, client_ip};
use std::net::{IpAddr, SocketAddr};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tower::ServiceExt;

async fn whoami(request: Request) -> Response {
    match client_ip(&request.into_parts().0) {
        Ok(client) => client.address().to_string().into_response(),
        Err(rejection) => rejection.into_response(),
    }
}

fn app(limiter: &Limiter) -> Router {
    Router::new().route("/", get(whoami)).layer(limiter.layer())
}

#[tokio::test]
async fn without_a_peer_address_requests_are_refused() {
    let limiter = Limiter::builder()
        .trusted_proxies(TrustedProxies::hops(1))
        .build();
    let request = Request::get("/")
        .header("x-forwarded-for", "1.1.1.1")
        .body(Body::empty())
        .unwrap();
    let response = app(&limiter).oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
}

#[tokio::test]
async fn a_mocked_peer_address_counts() {
    let limiter = Limiter::builder()
        .trusted_proxies(listed(ForwardedHeader::XForwardedFor))
        .build();
    let app = app(&limiter).layer(MockConnectInfo(SocketAddr::from(([10, 0, 0, 1], 80))));
    let request = Request::get("/")
        .header("x-forwarded-for", "203.0.113.7")
        .body(Body::empty())
        .unwrap();
    let response = app.oneshot(request).await.unwrap();
    let body = to_bytes(response.into_body(), 64).await.unwrap();
    assert_eq!(body, "203.0.113.7");
}

/// Serves `limiter` on a socket. Returns the address that it finds for these header lines.
async fn over_a_socket(limiter: &Limiter, lines: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = app(limiter).into_make_service_with_connect_info::<SocketAddr>();
    let server = tokio::spawn(async move { axum::serve(listener, service).await });
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{lines}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).await.unwrap();
    server.abort();
    let (_, body) = response.split_once("\r\n\r\n").unwrap();
    body.parse::<IpAddr>().unwrap().to_string()
}

#[tokio::test]
async fn over_a_socket_the_lines_arrive_in_their_order() {
    let behind_proxies = Limiter::builder()
        .trusted_proxies(TrustedProxies::new(["127.0.0.1", "10.0.0.0/8"]).unwrap())
        .build();
    let lines = "X-Forwarded-For: 1.1.1.1, \"\r\n\
                 Forwarded: for=2.2.2.2\r\n\
                 x-forwarded-for: 3.3.3.3, 203.0.113.7\r\n\
                 X-FORWARDED-FOR: 10.9.9.9:4711\r\n";
    assert_eq!(over_a_socket(&behind_proxies, lines).await, "203.0.113.7");
    assert_eq!(over_a_socket(&behind_proxies, "").await, "127.0.0.1");
    assert_eq!(over_a_socket(&Limiter::new(), lines).await, "127.0.0.1");
}
