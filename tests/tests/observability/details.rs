//! Utilisation, check times and the busiest keys.

use crate::{app::App, policy};
use axum::{Router, routing::get};
use limit_runtime::{Limiter, client_ip, everyone, observe::Bucket, rate_limit};

#[rate_limit("4/minute", key = client_ip, name = "details")]
async fn detailed() {}

#[rate_limit("4/minute", key = client_ip, name = "details-a")]
#[rate_limit("1000/hour", key = everyone, name = "details-b")]
async fn both() {}

fn buckets(buckets: &[Bucket]) -> Vec<(u64, u64)> {
    buckets
        .iter()
        .map(|bucket| (bucket.le, bucket.count))
        .collect()
}

#[tokio::test]
async fn without_details_there_are_none() {
    let app = App::new(Router::new().route("/", get(detailed)));
    app.get("/").await;
    let stats = policy(&app.limiter, "details");
    assert!(stats.utilization_percent.is_none());
    assert!(stats.check_time_ns.is_none() && stats.busiest.is_none());
}

#[tokio::test]
async fn the_share_of_a_limit_in_use_is_recorded_at_each_check() {
    let router = Router::new()
        .route("/", get(detailed))
        .route("/both", get(both));
    let app = App::with(router, Limiter::builder().stats(true));
    for _ in 0..6 {
        app.get("/").await;
    }
    let stats = policy(&app.limiter, "details");
    let utilization = stats.utilization_percent.unwrap();
    // 1 to 4 of 4, and two refused.
    assert_eq!(
        buckets(&utilization.buckets),
        [(30, 1), (50, 1), (80, 1), (100, 3)]
    );
    for _ in 0..2 {
        app.get("/both").await;
    }
    let of = |name| {
        policy(&app.limiter, name)
            .utilization_percent
            .unwrap()
            .buckets
    };
    assert_eq!(buckets(&of("details-a")), [(30, 1), (50, 1)]);
    assert_eq!(buckets(&of("details-b")), [(10, 2)]);
}

#[tokio::test]
async fn one_check_of_64_is_timed() {
    let app = App::with(
        Router::new().route("/", get(detailed)),
        Limiter::builder().stats(true),
    );
    for _ in 0..640 {
        app.get("/").await;
    }
    let times = policy(&app.limiter, "details").check_time_ns.unwrap();
    assert_eq!(times.count(), 10);
    assert!(times.quantile(50).unwrap() > 0);
    assert!(times.quantile(50) <= times.quantile(99));
}

#[tokio::test]
async fn the_keys_that_are_refused_most_often_are_known_by_their_digests() {
    let app = App::with(
        Router::new().route("/", get(detailed)),
        Limiter::builder().stats(true),
    );
    for _ in 0..24 {
        app.get_from("192.0.2.7", "/").await;
    }
    for _ in 0..6 {
        app.get_from("192.0.2.8", "/").await;
    }
    app.get_from("192.0.2.9", "/").await;
    let busiest = policy(&app.limiter, "details").busiest.unwrap();
    let refusals: Vec<_> = busiest
        .iter()
        .map(|busy| (busy.limited, busy.error))
        .collect();
    assert_eq!(refusals, [(20, 0), (2, 0)]);
    assert_ne!(busiest[0].key, busiest[1].key);
    let text = busiest[0].key.to_string();
    assert!(
        text.len() == 16 && text.chars().all(|c| c.is_ascii_hexdigit()),
        "{text}"
    );
}
