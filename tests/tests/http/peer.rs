//! Whom a request is counted for, by its peer's address.

use crate::app::App;
use axum::{Router, body::Body, routing::get};
use http::{Request, StatusCode};
use limit_runtime::rate_limit;

const OK: StatusCode = StatusCode::OK;
const LIMITED: StatusCode = StatusCode::TOO_MANY_REQUESTS;

#[rate_limit("1/minute")]
async fn once() {}

fn app() -> App {
    App::new(Router::new().route("/", get(once)))
}

#[tokio::test]
async fn an_ipv4_mapped_address_is_the_ipv4_address() {
    let app = app();
    assert_eq!(app.get_from("::ffff:192.0.2.1", "/").await.status, OK);
    assert_eq!(app.get_from("192.0.2.1", "/").await.status, LIMITED);
}

#[tokio::test]
async fn ipv6_is_counted_by_64() {
    let app = app();
    assert_eq!(app.get_from("2001:db8::1", "/").await.status, OK);
    assert_eq!(app.get_from("2001:db8::2:3", "/").await.status, LIMITED);
    assert_eq!(app.get_from("2001:db8:0:1::1", "/").await.status, OK);
}

#[tokio::test]
async fn without_connect_info_nobody_gets_through() {
    let app = app();
    for _ in 0..3 {
        let answer = app.call(Request::new(Body::empty())).await;
        assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(
            answer.header("content-type"),
            Some("application/problem+json")
        );
    }
}
