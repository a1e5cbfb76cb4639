//! Rules in dry run on handlers.

use crate::{
    app::{Answer, App},
    endpoint, policy, requests,
};
use axum::{Router, routing::get};
use http::{HeaderMap, StatusCode};
use limit_runtime::{
    Limiter, RateLimit, everyone, limits,
    observe::Reason,
    rate_limit,
    store::{CustomStore, Fallback, Scope},
};
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use test_support::check_only::CheckOnly;

const OK: StatusCode = StatusCode::OK;
const LIMITED: StatusCode = StatusCode::TOO_MANY_REQUESTS;

/// Total, allowed and would-be refused requests of a policy.
fn of(app: &App, name: &str) -> (u64, u64, u64) {
    let counts = requests(&app.limiter, name);
    (counts.total, counts.allowed, counts.would_limit)
}

fn assert_no_headers(answer: &Answer) {
    assert_eq!(answer.header("ratelimit"), None);
    assert_eq!(answer.header("ratelimit-policy"), None);
}

#[rate_limit("1/minute", key = everyone, dry_run, name = "dry-alone")]
async fn alone() {}

#[tokio::test]
async fn a_rule_in_dry_run_refuses_nothing_sends_no_headers_and_is_counted() {
    let events = Arc::new(Mutex::new(Vec::new()));
    let seen = events.clone();
    let builder = Limiter::builder().on_decision(move |event| {
        assert!(event.is_dry_run && event.is_allowed() && event.parts.is_some());
        seen.lock().unwrap().push(event.reason);
    });
    let app = App::with(Router::new().route("/", get(alone)), builder);
    for _ in 0..3 {
        let answer = app.get("/").await;
        assert_eq!(answer.status, OK);
        assert_no_headers(&answer);
    }
    assert_eq!(of(&app, "dry-alone"), (3, 1, 2));
    assert_eq!(endpoint(&app.limiter, "/"), (3, 0));
    assert!(policy(&app.limiter, "dry-alone").is_dry_run);
    assert_eq!(*events.lock().unwrap(), [Reason::WouldLimit; 2]);
}

#[rate_limit("4/minute", key = everyone, name = "trial-live")]
#[rate_limit("2/minute", key = everyone, dry_run, name = "trial-dry")]
async fn on_trial(limit: RateLimit) -> String {
    assert!(limit.only("trial-dry").unwrap().outcomes().is_empty());
    format!("{:?}", limit.remaining())
}

#[tokio::test]
async fn a_stricter_rule_on_trial_takes_no_part_in_the_live_check() {
    let app = App::new(Router::new().route("/", get(on_trial)));
    for remaining in [3, 2, 1, 0] {
        let answer = app.get("/").await;
        assert_eq!(answer.status, OK);
        assert_eq!(answer.body, format!("Some({remaining})"));
        assert_eq!(
            answer.header("ratelimit-policy"),
            Some("\"trial-live\";q=4;w=60")
        );
    }
    assert_eq!(app.get("/").await.status, LIMITED);
    assert_eq!(of(&app, "trial-live"), (5, 4, 0));
    // The request that the live rule refused has not reached it.
    assert_eq!(of(&app, "trial-dry"), (4, 2, 2));
    assert_eq!(endpoint(&app.limiter, "/"), (5, 1));
}

static CALLS: AtomicUsize = AtomicUsize::new(0);

fn counted_key() -> &'static str {
    CALLS.fetch_add(1, Ordering::Relaxed);
    "k"
}

#[rate_limit("9/minute", key = counted_key, dry_run, name = "order-dry")]
#[rate_limit("1/minute", key = everyone, name = "order-live")]
async fn ordered() {}

#[tokio::test]
async fn its_functions_run_after_the_live_rules_have_admitted() {
    let app = App::new(Router::new().route("/", get(ordered)));
    assert_eq!(app.get("/").await.status, OK);
    assert_eq!(CALLS.load(Ordering::Relaxed), 1);
    assert_eq!(app.get("/").await.status, LIMITED);
    assert_eq!(
        CALLS.load(Ordering::Relaxed),
        1,
        "the request was refused before"
    );
}

async fn api_key(headers: HeaderMap) -> Result<String, StatusCode> {
    let key = headers.get("x-api-key").ok_or(StatusCode::UNAUTHORIZED)?;
    Ok(key.to_str().unwrap().to_owned())
}

#[rate_limit("9/minute", key = everyone, name = "rejected-live")]
#[rate_limit("9/minute", key = api_key, dry_run, name = "rejected-dry")]
async fn rejected() {}

#[tokio::test]
async fn a_rejection_by_its_function_is_counted_and_ignored() {
    let app = App::new(Router::new().route("/", get(rejected)));
    assert_eq!(app.get("/").await.status, OK);
    let counts = requests(&app.limiter, "rejected-dry");
    assert_eq!((counts.total, counts.rejected), (1, 1));
    assert_eq!(of(&app, "rejected-live"), (1, 1, 0));
}

#[rate_limit("9/minute", key = everyone, dry_run, on_store_error = deny, name = "outage-dry")]
async fn outage() {}

#[tokio::test]
async fn an_error_of_the_store_is_counted_and_ignored() {
    let store = CustomStore::new(CheckOnly::UNREACHABLE).fallback(Fallback::Deny);
    let app = App::with(
        Router::new().route("/", get(outage)),
        Limiter::builder().store(store),
    );
    assert_eq!(app.get("/").await.status, OK);
    let counts = requests(&app.limiter, "outage-dry");
    assert_eq!((counts.total, counts.store_errors), (1, 1));
}

#[rate_limit("2/minute", key = everyone, name = "switched")]
async fn switched() {}

/// The budget of a dry run is its own: the live one is as it was before.
#[tokio::test]
async fn a_policy_is_switched_at_run_time_and_counts_in_budgets_of_their_own() {
    let app = App::new(Router::new().route("/", get(switched)));
    assert_eq!(app.get("/").await.status, OK);
    app.limiter.set_dry_run("switched", true).unwrap();
    for _ in 0..3 {
        assert_no_headers(&app.get("/").await);
    }
    assert_eq!(of(&app, "switched"), (4, 3, 1));
    app.limiter.set_dry_run("switched", false).unwrap();
    assert_eq!(app.get("/").await.status, OK);
    assert_eq!(app.get("/").await.status, LIMITED);
    assert_eq!(requests(&app.limiter, "switched").limited, 1);

    let other = App::new(Router::new().route("/", get(switched)));
    app.limiter.set_dry_run("switched", true).unwrap();
    assert!(
        other.get("/").await.header("ratelimit").is_some(),
        "another limiter"
    );
}

#[tokio::test]
async fn a_rule_in_dry_run_becomes_live_with_an_empty_budget() {
    let app = App::new(Router::new().route("/", get(alone)));
    for _ in 0..5 {
        app.get("/").await;
    }
    app.limiter.set_dry_run("dry-alone", false).unwrap();
    assert_eq!(app.get("/").await.status, OK);
    assert_eq!(app.get("/").await.status, LIMITED);
}

#[tokio::test]
async fn the_name_of_no_policy_is_an_error_with_all_names() {
    let error = Limiter::new().set_dry_run("no-such", true).unwrap_err();
    let text = error.to_string();
    assert!(
        text.starts_with("no policy is named `no-such`: the policies are `"),
        "{text}"
    );
    assert!(text.contains("`switched`"), "{text}");
    assert!(error.known().any(|name| name == "dry-alone"));
}

#[tokio::test]
async fn a_limiter_in_dry_run_refuses_nothing() {
    let builder = Limiter::builder().dry_run(true);
    let app = App::with(Router::new().route("/", get(on_trial_twice)), builder);
    for _ in 0..4 {
        let answer = app.get("/").await;
        assert_eq!(answer.status, OK);
        assert_no_headers(&answer);
    }
    assert_eq!(of(&app, "all-a"), (4, 1, 3));
    assert_eq!(of(&app, "all-b"), (4, 3, 1));
    assert_eq!(endpoint(&app.limiter, "/"), (4, 0));
}

#[tokio::test]
async fn a_policy_becomes_live_under_a_limiter_in_dry_run() {
    let builder = Limiter::builder().dry_run(true);
    let app = App::with(Router::new().route("/", get(on_trial_twice)), builder);
    app.limiter.set_dry_run("all-b", false).unwrap();
    assert!(!policy(&app.limiter, "all-b").is_dry_run);
    assert!(policy(&app.limiter, "all-a").is_dry_run);
    for expected in [OK, OK, OK, LIMITED] {
        let answer = app.get("/").await;
        assert_eq!(answer.status, expected);
        assert!(answer.header("ratelimit-policy").unwrap().contains("all-b"));
    }
    assert_eq!(of(&app, "all-a"), (3, 1, 2));
    app.limiter.set_dry_run("all-b", true).unwrap();
    assert_eq!(app.get("/").await.status, OK);

    // A layer as well.
    let (limiter, clock) = {
        let clock = limit_runtime::testing::TestClock::new();
        let builder = Limiter::builder().clock(clock.clone()).dry_run(true);
        (builder.build(), clock)
    };
    let layer = limiter
        .limit_layer("all-layer", limits!("1/minute"))
        .key(everyone);
    let router = Router::new().route("/", get(|| async {})).layer(layer);
    let app = App {
        router,
        clock,
        limiter,
    };
    for _ in 0..2 {
        assert_eq!(app.get("/").await.status, OK);
    }
    app.limiter.set_dry_run("all-layer", false).unwrap();
    assert_eq!(app.get("/").await.status, OK);
    assert_eq!(app.get("/").await.status, LIMITED);
}

fn ten() -> u32 {
    10
}

#[rate_limit("9/minute", key = everyone, cost = ten, dry_run, name = "dry-too-large")]
async fn too_large() {}

#[tokio::test]
async fn a_cost_that_can_never_fit_is_seen_in_dry_run() {
    let events = Arc::new(Mutex::new(Vec::new()));
    let seen = events.clone();
    let builder = Limiter::builder().on_decision(move |event| {
        let found = (event.reason, event.exceeds_capacity(), event.retry_after);
        seen.lock().unwrap().push(found);
    });
    let router = Router::new()
        .route("/", get(too_large))
        .route("/alone", get(alone));
    let app = App::with(router, builder);
    for path in ["/", "/alone", "/alone"] {
        assert_eq!(app.get(path).await.status, OK);
    }
    assert_eq!(
        *events.lock().unwrap(),
        [
            (Reason::WouldLimit, true, None),
            (Reason::WouldLimit, false, Some(Duration::from_secs(60))),
        ]
    );
}

#[rate_limit("1/minute", key = everyone, name = "all-a")]
#[rate_limit("3/minute", key = everyone, name = "all-b")]
async fn on_trial_twice() {}

#[tokio::test]
async fn its_budget_refills_and_is_apart_from_that_of_its_scope() {
    #[rate_limit("1/minute", key = everyone, scope = "dry-shared", dry_run, name = "shared-dry")]
    async fn handler() {}
    let app = App::new(Router::new().route("/", get(handler)));
    app.get("/").await;
    assert_eq!(
        app.limiter
            .reset_key(Scope::shared("dry-shared"), ())
            .await
            .unwrap(),
        0
    );
    app.get("/").await;
    app.clock.advance(Duration::from_secs(60));
    app.get("/").await;
    assert_eq!(of(&app, "shared-dry"), (3, 2, 1));
}
