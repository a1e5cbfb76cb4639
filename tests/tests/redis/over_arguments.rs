//! Keys, scopes and costs from the body, counted in Redis.

use axum::{Json, Router, body::Body, extract::ConnectInfo, routing::post};
use http::Request;
use limit_runtime::{client_ip, rate_limit};
use serde::Deserialize;
use std::net::SocketAddr;
use test_support::servers::{Server, patient};
use tower::ServiceExt;

#[derive(Deserialize)]
struct Login {
    email: String,
    #[serde(default)]
    units: usize,
}

#[rate_limit("20/hour", key = client_ip, cost = login.units)]
#[rate_limit("3/hour", key = login.email)]
async fn log_in(Json(login): Json<Login>) -> String {
    login.email
}

#[tokio::test]
async fn all_processes_share_the_budgets() {
    let server = Server::redis();
    let mut routers = Vec::new();
    for _ in 0..2 {
        let limiter = patient(&server.url()).await;
        routers.push(
            Router::new()
                .route("/", post(log_in))
                .layer(limiter.layer()),
        );
    }
    let status = async |router: usize, body: &str, address: u8| {
        let mut request = Request::post("/")
            .header("content-type", "application/json")
            .body(Body::from(body.to_owned()))
            .unwrap();
        let peer = SocketAddr::from(([192, 0, 2, address], 1234));
        request.extensions_mut().insert(ConnectInfo(peer));
        let response = routers[router].clone().oneshot(request).await.unwrap();
        response.status().as_u16()
    };
    let ann = r#"{"email":"ann"}"#;
    for (router, address, expected) in [(0, 1, 200), (1, 2, 200), (0, 3, 200), (1, 4, 429)] {
        assert_eq!(status(router, ann, address).await, expected);
    }
    // The refused request has consumed nothing: 20 are left for the fourth address.
    let ben = r#"{"email":"ben","units":20}"#;
    assert_eq!(status(0, ben, 4).await, 200);
    assert_eq!(status(1, ben, 4).await, 429);
    // A body that is no login counts 1 on the rule by address.
    for _ in 0..20 {
        assert_eq!(status(0, "{", 5).await, 400);
    }
    assert_eq!(status(1, r#"{"email":"cid"}"#, 5).await, 429);
}
