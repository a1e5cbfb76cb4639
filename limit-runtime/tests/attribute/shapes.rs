use crate::common::{request, two_then_429};
use axum::extract::{Path, State};
use axum::{
    Json, Router,
    routing::{get, post},
};
use limit_runtime::{client_ip, rate_limit};

#[tokio::test]
async fn no_arguments_and_no_key() {
    #[rate_limit("2/minute")]
    async fn handler() -> &'static str {
        "ok"
    }
    two_then_429(Router::new().route("/", get(handler)), || {
        request("GET", "/", "")
    })
    .await;
}

#[tokio::test]
async fn state_path_and_json() {
    #[rate_limit("2/minute", key = client_ip)]
    async fn handler(
        State(n): State<u32>,
        Path(m): Path<u32>,
        Json(input): Json<u32>,
    ) -> Json<u32> {
        Json(n + m + input)
    }
    let router = Router::new().route("/{m}", post(handler)).with_state(1);
    two_then_429(router, || {
        let mut request = request("POST", "/2", "3");
        request
            .headers_mut()
            .insert("content-type", "application/json".parse().unwrap());
        request
    })
    .await;
}
