//! What a limit costs a request, beside `tower_governor` and an empty middleware:
//! `cargo bench -p limit-benches --bench requests`.
//!
//! Processor time of `Router::call`, including the construction of the request, in short
//! interleaved turns.
#![allow(
    clippy::unwrap_used,
    clippy::float_arithmetic,
    missing_docs,
    reason = "these are measurements"
)]

use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, Request},
    http::StatusCode,
    middleware::{Next, from_fn},
    response::Response,
    routing::get,
};
use limit_benches::{
    handlers::{annotated, bare, refused, tower_governor, two_headers, two_limits},
    ready,
    turns::{Contender, Turns},
};
use limit_runtime::{HeaderStyle, Limiter};
use std::net::SocketAddr;
use tower::Service;

async fn pass(request: Request, next: Next) -> Response {
    next.run(request).await
}

fn call(router: &mut Router) -> Response {
    let address = SocketAddr::from(([192, 0, 2, 1], 40_000));
    let mut request = Request::get("/").body(Body::empty()).unwrap();
    request.extensions_mut().insert(ConnectInfo(address));
    ready(router.call(request)).unwrap()
}

/// Requests that are all answered alike.
fn contender(name: &str, status: StatusCode, mut router: Router) -> Contender<'static> {
    // The first request is allowed by each limit.
    call(&mut router);
    assert_eq!(call(&mut router).status(), status, "{name}");
    Contender::new(name, move |times| {
        (0..times).for_each(|_| drop(call(&mut router)));
    })
}

fn main() {
    let quiet = Limiter::builder().header_style(HeaderStyle::Off).build();
    let router = |route| Router::new().route("/", route);
    let ok = |name, router| contender(name, StatusCode::OK, router);
    let too_many = |name, router| contender(name, StatusCode::TOO_MANY_REQUESTS, router);
    let mut contenders = [
        ok("bare", router(get(bare))),
        ok("two constant headers", router(get(two_headers))),
        ok("annotated", router(get(annotated))),
        ok("two limits", router(get(two_limits))),
        too_many("429", router(get(refused))),
        ok(
            "annotated, no headers",
            router(get(annotated)).layer(quiet.layer()),
        ),
        ok(
            "limiter's layer alone",
            router(get(bare)).layer(quiet.layer()),
        ),
        ok("from_fn", router(get(bare)).layer(from_fn(pass))),
        ok(
            "tower_governor",
            router(get(bare)).layer(tower_governor(u32::MAX, 1)),
        ),
        too_many(
            "tower_governor 429",
            router(get(bare)).layer(tower_governor(1, 86_400)),
        ),
    ];
    let turns = Turns::run(201, 1_000, &mut contenders);
    println!(
        "{:<24} {:>8} {:>12} {:>14}",
        "ns per request", "", "above bare", "share of bare"
    );
    for (index, contender) in contenders.iter().enumerate() {
        let (nanos, above) = (turns.nanos(index), turns.ratio(index, 0) - 1.0);
        println!(
            "{:<24} {nanos:>8.0} {:>12.0} {:>12.0} %",
            contender.name,
            above * turns.nanos(0),
            above * 100.0,
        );
    }
}
