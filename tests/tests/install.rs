//! A limiter for the whole process. One test in a process of its own: it is installed once.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use axum::{Router, http::StatusCode, routing::get};
use limit_runtime::{InstallError, Limiter, everyone, limits, rate_limit};
use std::time::Duration;
use test_support::{log::Log, requests::get_status};

#[rate_limit("1/minute", key = everyone)]
async fn once() {}

#[tokio::test]
async fn an_installed_limiter_checks_the_requests_that_no_layer_covers() {
    let log = Log::capture();

    let (limiter, clock) = Limiter::for_test();
    // Layers neither use the process-wide limiter nor are in its way, whenever they are made.
    let router: Router = Router::new()
        .route("/covered", get(once))
        .layer(
            Limiter::new()
                .limit_layer("app", limits!("9/minute"))
                .key(everyone),
        )
        .route("/outside", get(once));
    assert_eq!(get_status(&router, "/covered").await, StatusCode::OK);
    let exempt = Limiter::builder().enabled(false).build();
    let disabled: Router = Router::new().route("/", get(once)).layer(exempt.layer());
    assert_eq!(get_status(&disabled, "/").await, StatusCode::OK);

    limiter.install().unwrap();
    for again in [&limiter, &Limiter::new()] {
        assert_eq!(again.install(), Err(InstallError::AlreadyInstalled));
    }

    assert_eq!(get_status(&router, "/outside").await, StatusCode::OK);
    assert_eq!(
        get_status(&router, "/outside").await,
        StatusCode::TOO_MANY_REQUESTS
    );
    clock.advance(Duration::from_secs(60));
    assert_eq!(get_status(&router, "/outside").await, StatusCode::OK);
    assert_eq!(limiter.usage().unwrap().keys, 1);
    assert_eq!(Limiter::global().usage().unwrap().keys, 1);

    let log = log.lines().join("\n");
    assert!(!log.contains("LIMIT"), "{log}");
}
