//! What a limit costs a request, beside tower_governor and an empty middleware:
//! `cargo bench -p limit-benches --bench requests`.
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
    middleware::{Next, from_fn},
    response::Response,
    routing::get,
};
use limit_benches::{
    ready,
    rounds::{Contender, Rounds},
};
use limit_runtime::{HeaderStyle, Limiter, rate_limit};
use std::{net::SocketAddr, sync::Arc};
use tower::Service;
use tower_governor::{GovernorLayer, governor::GovernorConfigBuilder};

async fn bare() -> &'static str {
    "hello"
}

#[rate_limit("4000000000/day")]
async fn limited() -> &'static str {
    "hello"
}

#[rate_limit("1/day")]
async fn refused() -> &'static str {
    "hello"
}

async fn pass(request: Request, next: Next) -> Response {
    next.run(request).await
}

fn call(mut router: Router) -> impl FnMut(u64) {
    let address = SocketAddr::from(([192, 0, 2, 1], 40_000));
    move |times| {
        for _ in 0..times {
            let mut request = Request::get("/").body(Body::empty()).unwrap();
            request.extensions_mut().insert(ConnectInfo(address));
            drop(ready(router.call(request)).unwrap());
        }
    }
}

fn main() {
    let quiet = Limiter::builder().header_style(HeaderStyle::Off).build();
    let mut roomy = GovernorConfigBuilder::default();
    let roomy = roomy
        .per_nanosecond(1)
        .burst_size(u32::MAX)
        .finish()
        .unwrap();
    let mut tight = GovernorConfigBuilder::default();
    let tight = tight.per_second(86_400).burst_size(1).finish().unwrap();
    let router = |route| Router::new().route("/", route);
    let mut contenders = [
        Contender::new("bare", call(router(get(bare)))),
        Contender::new("limited", call(router(get(limited)))),
        Contender::new(
            "limited, no headers",
            call(router(get(limited)).layer(quiet.layer())),
        ),
        Contender::new(
            "limiter's layer alone",
            call(router(get(bare)).layer(quiet.layer())),
        ),
        Contender::new("refused", call(router(get(refused)))),
        Contender::new("from_fn", call(router(get(bare)).layer(from_fn(pass)))),
        Contender::new(
            "tower_governor",
            call(router(get(bare)).layer(GovernorLayer::new(Arc::new(roomy)))),
        ),
        Contender::new(
            "tower_governor refused",
            call(router(get(bare)).layer(GovernorLayer::new(Arc::new(tight)))),
        ),
    ];
    let rounds = Rounds::of(11, 100_000, &mut contenders);
    println!(
        "{:<24} {:>8} {:>12} {:>8}",
        "ns per request", "", "above bare", "ratio"
    );
    for (index, contender) in contenders.iter().enumerate() {
        println!(
            "{:<24} {:>8.0} {:>12.0} {:>8.2}",
            contender.name,
            rounds.nanos(index),
            rounds.nanos(index) - rounds.nanos(0),
            rounds.ratio(index, 0),
        );
    }
}
