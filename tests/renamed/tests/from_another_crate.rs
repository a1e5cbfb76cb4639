//! Handlers that a macro of another crate makes: there, and not here, `$crate` knows the limiter.

#![forbid(unsafe_code)]

use axum::body::Body;
use axum::http::{HeaderMap, Request};
use axum::routing::get;
use axum::Router;
use renamed_tests::limited;
use tower::ServiceExt;

/// Another crate of that name, which `$crate` is not.
mod limiting {}

fn key(_: &HeaderMap) -> &'static str {
    "all"
}

fn limits() -> renamed_tests::limiting::Limits {
    renamed_tests::limiting::limits!("1/minute")
}

limited!(plain);
limited!("1/minute", key, 1, by_function);
limited!(
    "1/minute",
    |_: HeaderMap| "all",
    |_: HeaderMap| 1_u32,
    by_closure
);
limited!(limits, (key, "v1"), u32::from(1_u8), by_limits);

#[tokio::test]
async fn are_limited() {
    for handler in [
        get(plain),
        get(by_function),
        get(by_closure),
        get(by_limits),
    ] {
        let limiter = renamed_tests::limiting::Limiter::new();
        let router = Router::new().route("/", handler).layer(limiter.layer());
        for status in [200, 429] {
            let request = Request::builder().uri("/").body(Body::empty()).unwrap();
            let response = router.clone().oneshot(request).await.unwrap();
            assert_eq!(response.status().as_u16(), status);
        }
    }
}

/// Although both crates forbid unsafe code, which the list of the program is made with.
#[test]
fn are_listed_with_those_of_the_other_crate() {
    let policies = renamed_tests::limiting::Limiter::new().policies();
    let handlers: Vec<_> = policies
        .iter()
        .filter_map(|policy| policy.handler)
        .collect();
    for handler in [
        "from_another_crate::plain",
        "from_another_crate::by_limits",
        "renamed_tests::everything",
    ] {
        assert!(handlers.contains(&handler), "no {handler} in {handlers:?}");
    }
}
