//! Requests that functions of the handler's rules reject, counted in Redis.

use crate::calls::scripts;
use axum::{Extension, Router, body::Body, extract::ConnectInfo, routing::get};
use http::{Request, StatusCode};
use limit_runtime::{client_ip, rate_limit};
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};
use test_support::servers::{Server, patient};
use tower::ServiceExt;

type Lookups = Arc<AtomicUsize>;

fn account(Extension(lookups): Extension<Lookups>) -> Result<u64, StatusCode> {
    lookups.fetch_add(1, Ordering::Relaxed);
    Err(StatusCode::UNAUTHORIZED)
}

#[rate_limit("100/minute", key = account)]
#[rate_limit("5/minute", key = client_ip)]
async fn login() {}

#[tokio::test]
async fn no_lookup_is_made_for_a_client_whose_denial_is_cached() {
    let server = Server::redis();
    let limiter = patient(&server.url()).await;
    let lookups = Lookups::default();
    let router = Router::new()
        .route("/", get(login))
        .layer(Extension(lookups.clone()))
        .layer(limiter.layer());
    let before = scripts(&server);
    let start = Instant::now();
    let mut statuses = Vec::new();
    for _ in 0..50 {
        let mut request = Request::get("/").body(Body::empty()).unwrap();
        let peer = SocketAddr::from(([192, 0, 2, 1], 1234));
        request.extensions_mut().insert(ConnectInfo(peer));
        let response = router.clone().oneshot(request).await.unwrap();
        statuses.push(response.status().as_u16());
    }
    let mut expected = vec![401; 5];
    expected.resize(50, 429);
    assert_eq!(statuses, expected);
    // A denial is asked for again after a second.
    let asked = 5 + 1 + usize::try_from(start.elapsed().as_secs()).unwrap();
    let lookups = lookups.load(Ordering::Relaxed);
    assert!(lookups <= asked, "{lookups} lookups");
    // Each lookup came with one round trip. None was made for a refused client.
    let scripts = scripts(&server) - before;
    assert!(
        scripts <= lookups,
        "{scripts} scripts for {lookups} lookups"
    );
}
