//! The decision hook, and log lines of refusals.

use crate::app::App;
use axum::{Router, routing::get};
use http::{Method, StatusCode};
use limit_runtime::{
    DecisionEvent, Limiter, LimiterBuilder, client_ip, everyone, limits,
    observe::Reason,
    rate_limit,
    store::{CustomStore, Fallback},
};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use test_support::check_only::CheckOnly;

type Seen = Arc<Mutex<Vec<(String, Option<String>, Reason, bool)>>>;

fn observed(builder: LimiterBuilder) -> (LimiterBuilder, Seen) {
    let seen = Seen::default();
    let events = seen.clone();
    let builder = builder.on_decision(move |event| {
        events.lock().unwrap().push((
            event.policy.to_owned(),
            event.route.map(str::to_owned),
            event.reason,
            event.is_allowed(),
        ));
    });
    (builder, seen)
}

fn take(seen: &Seen) -> Vec<(String, Option<String>, Reason, bool)> {
    std::mem::take(&mut seen.lock().unwrap())
}

fn event(policy: &str, route: &str, reason: Reason) -> (String, Option<String>, Reason, bool) {
    let is_allowed = !matches!(
        reason,
        Reason::Limited | Reason::ExceedsCapacity | Reason::StoreError
    );
    (
        policy.to_owned(),
        Some(route.to_owned()),
        reason,
        is_allowed,
    )
}

#[rate_limit("1/minute", key = client_ip, name = "events-single")]
async fn single() {}

#[rate_limit("1/minute", key = everyone, name = "events-a")]
#[rate_limit("9/minute", key = everyone, name = "events-b")]
async fn double() {}

#[rate_limit("5/minute", key = everyone, cost = body.len(), name = "events-late")]
async fn late(body: String) -> String {
    body
}

fn router() -> Router {
    Router::new()
        .route("/single/{id}", get(single))
        .route("/double", get(double))
        .route("/late", get(late))
}

#[tokio::test]
async fn the_hook_gets_refusals_of_each_policy_that_refuses() {
    let (builder, seen) = observed(Limiter::builder());
    let app = App::with(router(), builder);
    for path in ["/single/1", "/double"] {
        app.get(path).await;
    }
    assert_eq!(take(&seen), []);
    app.get("/single/2").await;
    assert_eq!(
        take(&seen),
        [event("events-single", "/single/{id}", Reason::Limited)]
    );
    app.get("/double").await;
    assert_eq!(take(&seen), [event("events-a", "/double", Reason::Limited)]);
    app.send(Method::GET, "/late", "192.0.2.1", "123456").await;
    assert_eq!(
        take(&seen),
        [event("events-late", "/late", Reason::ExceedsCapacity)]
    );
}

#[tokio::test]
async fn the_hook_gets_all_decisions_if_asked() {
    let (builder, seen) = observed(Limiter::builder().all_decisions(true));
    let app = App::with(router(), builder);
    app.get("/single/1").await;
    assert_eq!(
        take(&seen),
        [event("events-single", "/single/{id}", Reason::Allowed)]
    );
    app.get("/double").await;
    app.get("/double").await;
    let double = |policy, reason| event(policy, "/double", reason);
    assert_eq!(
        take(&seen),
        [
            double("events-a", Reason::Allowed),
            double("events-b", Reason::Allowed),
            double("events-a", Reason::Limited),
            double("events-b", Reason::Allowed),
        ]
    );
    app.send(Method::GET, "/late", "192.0.2.1", "12").await;
    assert_eq!(
        take(&seen),
        [event("events-late", "/late", Reason::Allowed)]
    );
}

#[tokio::test]
async fn an_event_has_the_outcomes_the_wait_the_request_and_no_raw_key() {
    let text = Arc::new(Mutex::new(String::new()));
    let written = text.clone();
    let check = move |event: &DecisionEvent<'_>| {
        assert_eq!(event.retry_after, Some(Duration::from_secs(60)));
        assert_eq!(event.outcomes[0].remaining(), 0);
        assert_eq!((event.cost, event.key_label), (1, "client_ip"));
        assert_eq!(event.parts.unwrap().uri.path(), "/single/7");
        *written.lock().unwrap() = format!("{event:?} {}", event.key.unwrap());
    };
    let app = App::with(router(), Limiter::builder().on_decision(check));
    app.get("/single/7").await;
    app.get("/single/7").await;
    let text = text.lock().unwrap();
    assert!(
        text.contains("events-single") && !text.contains("192.0.2.1"),
        "{text}"
    );
}

#[tokio::test]
async fn a_late_refusal_has_the_request_too() {
    let paths = Arc::new(Mutex::new(Vec::new()));
    let seen = paths.clone();
    let app = App::with(
        router(),
        Limiter::builder().on_decision(move |event| {
            let path = event.parts.map(|parts| parts.uri.path().to_owned());
            seen.lock().unwrap().push(path);
        }),
    );
    app.send(Method::GET, "/late", "192.0.2.1", "123456").await;
    assert_eq!(*paths.lock().unwrap(), [Some("/late".to_owned())]);
}

#[rate_limit("9/minute", key = everyone, name = "events-live")]
#[rate_limit("9/minute", key = everyone, dry_run, name = "events-dry")]
async fn beside_dry_run() {}

#[tokio::test]
async fn all_decisions_have_the_request_beside_a_dry_run() {
    let heads = Arc::new(Mutex::new(Vec::new()));
    let seen = heads.clone();
    let builder = Limiter::builder().all_decisions(true);
    let builder = builder.on_decision(move |event| {
        let path = event.parts.map(|parts| parts.uri.path().to_owned());
        seen.lock().unwrap().push((event.policy.to_owned(), path));
    });
    let app = App::with(Router::new().route("/", get(beside_dry_run)), builder);
    app.get("/").await;
    let path = || Some("/".to_owned());
    let expected = [
        ("events-live".to_owned(), path()),
        ("events-dry".to_owned(), path()),
    ];
    assert_eq!(*heads.lock().unwrap(), expected);
}

#[tokio::test]
async fn an_exempt_request_of_a_layer_in_dry_run_says_so() {
    let modes = Arc::new(Mutex::new(Vec::new()));
    let seen = modes.clone();
    let builder = Limiter::builder().all_decisions(true);
    let limiter = builder
        .on_decision(move |event| seen.lock().unwrap().push((event.reason, event.is_dry_run)))
        .build();
    let layer = limiter.limit_layer("events-layer", limits!("9/minute"));
    let layer = layer.key(everyone).except("/").dry_run();
    let router = Router::new().route("/", get(async || {})).layer(layer);
    let request = http::Request::get("/").body(axum::body::Body::empty());
    test_support::requests::send(&router, request.unwrap()).await;
    assert_eq!(*modes.lock().unwrap(), [(Reason::Exempt, true)]);
}

#[tokio::test]
async fn a_panic_of_the_hook_does_not_replace_the_refusal() {
    let builder = Limiter::builder().on_decision(|_| panic!("the hook of a test"));
    let app = App::with(router(), builder);
    assert_eq!(app.get("/single/1").await.status, StatusCode::OK);
    for _ in 0..2 {
        let answer = app.get("/single/1").await;
        assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
        assert!(answer.header("ratelimit").is_some());
    }
}

#[tokio::test]
async fn the_hook_gets_refusals_for_want_of_the_store() {
    let store = CustomStore::new(CheckOnly::UNREACHABLE).fallback(Fallback::Deny);
    let (builder, seen) = observed(Limiter::builder().store(store));
    let app = App::with(router(), builder);
    app.get("/single/1").await;
    assert_eq!(
        take(&seen),
        [event("events-single", "/single/{id}", Reason::StoreError)]
    );
}

#[tokio::test]
async fn a_digest_is_the_same_in_events_and_numbers() {
    let digests = Arc::new(Mutex::new(Vec::new()));
    let seen = digests.clone();
    let builder = Limiter::builder().stats(true).on_decision(move |event| {
        seen.lock().unwrap().push(event.key.unwrap());
    });
    let app = App::with(router(), builder);
    for _ in 0..2 {
        app.get("/single/1").await;
    }
    let digest = digests.lock().unwrap()[0];
    let busiest = crate::policy(&app.limiter, "events-single")
        .busiest
        .unwrap();
    assert_eq!(busiest[0].key, digest);
}
