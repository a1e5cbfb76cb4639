//! Utilisation, check times and the busiest keys.

use crate::{app::App, policy};
use axum::{Router, routing::get};
use limit_runtime::{
    Decision, Limiter, Outcome, Receipt, Verdict, client_ip, everyone, limits, observe::Bucket,
    rate_limit,
};
use std::time::Duration;
use test_support::check_only::CheckOnly;

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
    // A block of 64 may have begun before, and one may not have ended.
    assert!((9..=11).contains(&times.count()), "{times:?}");
    assert!(times.quantile(50).unwrap() > 0);
    assert!(times.quantile(50) <= times.quantile(99));
}

/// A remote store that admits every request, after a while.
const REMOTE: CheckOnly = CheckOnly(|charges| {
    let limit = limits!("9/minute").first();
    let outcome = Outcome::new(limit, 4, Duration::from_secs(60), Verdict::Allowed);
    let decision = Decision::new(charges.iter().map(|_| outcome));
    let decision = decision.with_receipts(charges.iter().map(|_| Receipt::new(7)));
    Box::pin(async move {
        tokio::task::yield_now().await;
        Ok(decision)
    })
});

#[rate_limit("9/minute", key = everyone, name = "details-dry", dry_run)]
async fn in_dry_run() {}

/// Requests that take turns, in memory and in a remote store, by one rule, by several and in dry
/// run: one check in 64 of each is timed, or nearly so.
#[tokio::test]
async fn checks_of_every_kind_are_timed_also_if_they_take_turns() {
    for builder in [Limiter::builder(), Limiter::builder().store(REMOTE)] {
        let router = Router::new()
            .route("/one", get(detailed))
            .route("/two", get(both))
            .route("/dry", get(in_dry_run))
            .route("/four", get(fullest));
        let app = App::with(router, builder.stats(true));
        for _ in 0..640 {
            for path in ["/one", "/two", "/dry", "/four"] {
                app.get(path).await;
            }
        }
        let timed = |name| {
            let times = policy(&app.limiter, name).check_time_ns.unwrap();
            times.count()
        };
        let names = ["details", "details-a", "details-dry", "details-fullest"];
        let counts = names.map(timed);
        assert!(counts.iter().all(|&count| count > 4), "{counts:?}");
        let sum = counts.iter().sum::<u64>();
        assert!((39..=41).contains(&sum), "{counts:?}");
        assert_eq!(timed("details-a"), timed("details-b"));
    }
}

#[rate_limit("4/second; 10/minute", key = everyone, name = "details-fullest")]
#[rate_limit("1_000/hour", key = everyone, name = "details-beside")]
async fn fullest() {}

#[tokio::test]
async fn of_several_limits_the_utilisation_is_that_of_the_fullest() {
    let app = App::with(
        Router::new().route("/", get(fullest)),
        Limiter::builder().stats(true),
    );
    for _ in 0..6 {
        app.get("/").await;
        app.clock.advance(Duration::from_secs(2));
    }
    let stats = policy(&app.limiter, "details-fullest");
    // One of 4 a second are 25 percent. From the third request on, more of 10 a minute are used.
    let expected = [(30, 3), (40, 1), (50, 1), (60, 1)];
    assert_eq!(
        buckets(&stats.utilization_percent.unwrap().buckets),
        expected
    );
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
