//! How often the server is called.

use axum::{Router, body::Body, extract::Path, routing::get};
use http::Request;
use limit_runtime::{RateLimit, everyone, rate_limit};
use test_support::servers::{Server, ask, patient};
use tower::ServiceExt;

/// How many scripts the server has run by their hash.
pub(crate) fn scripts(server: &Server) -> usize {
    let info = ask(server.port(), "INFO commandstats").unwrap();
    let calls = |line: &str| -> Option<usize> {
        let calls = line.strip_prefix("cmdstat_evalsha:calls=")?;
        calls.split(',').next()?.parse().ok()
    };
    info.lines().find_map(calls).unwrap_or(0)
}

#[rate_limit("9/minute; 99/hour", key = everyone, name = "requests")]
#[rate_limit("100000/minute; 200000/hour", key = everyone, name = "tokens")]
async fn generate(Path(tokens): Path<u64>, limit: RateLimit) {
    let limit = limit.only("tokens").unwrap();
    for _ in 0..tokens {
        limit.charge(1).await.unwrap();
    }
}

#[tokio::test]
async fn a_charge_of_a_handler_is_one_script() {
    let server = Server::redis();
    let limiter = patient(&server.url()).await;
    let router = Router::new()
        .route("/{tokens}", get(generate))
        .layer(limiter.layer());
    let mut seen = Vec::new();
    // The first request also sends the text of the scripts.
    for tokens in [1, 0, 100] {
        let before = scripts(&server);
        let request = Request::get(format!("/{tokens}")).body(Body::empty());
        let response = router.clone().oneshot(request.unwrap()).await.unwrap();
        assert_eq!(response.status(), 200);
        seen.push(scripts(&server) - before);
    }
    assert_eq!(seen[1..], [1, 101]);
}
