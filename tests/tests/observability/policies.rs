//! The list of all limits.

use crate::app::App;
use axum::{Router, routing::get};
use futures_util::FutureExt;
use limit_runtime::{
    HeaderStyle, Limiter, client_ip, everyone, header, limits,
    observe::{Policies, PolicyDescription},
    rate_limit,
    testing::assert_limited,
};
use std::panic::AssertUnwindSafe;

#[rate_limit(
    "10/second; 100/minute",
    key = (client_ip, header("x-api-key")),
    cost = 5,
    strategy = fixed_window,
    methods = [GET, POST],
    scope = "list-models",
    name = "list-full",
)]
async fn full() {}

mod other {
    use super::*;

    #[rate_limit("1/minute", key = everyone)]
    pub(super) async fn listed() {}
}

#[rate_limit("2/minute", dry_run)]
async fn listed() {}

#[rate_limit("1/minute", name = "list-line")]
#[limit_runtime::rate_limit("2/minute", name = "list-line-2")]
#[rate_limit("3/minute", name = "list-line-4")]
async fn on_lines() {}

#[test]
fn each_attribute_has_its_own_line() {
    let policies = Limiter::new().policies();
    let _ = on_lines;
    let line = |name| {
        let location = &find(&policies, name).location;
        let (file, line) = location.rsplit_once(':').unwrap();
        assert_eq!(file, "tests/tests/observability/policies.rs");
        line.parse::<u32>().unwrap()
    };
    let first = line("list-line");
    assert_eq!(line("list-line-2"), first + 1);
    assert_eq!(line("list-line-4"), first + 2);
}

#[rate_limit("7/minute", name = "list-generic")]
async fn generic<const N: usize>() -> String {
    N.to_string()
}

fn find<'a>(policies: &'a Policies, name: &str) -> &'a PolicyDescription {
    policies
        .iter()
        .find(|policy| policy.policy == name)
        .unwrap()
}

#[test]
fn every_attribute_is_listed_before_a_request_has_met_it() {
    let policies = Limiter::new().policies();
    let _ = (full, listed);
    let full = find(&policies, "list-full");
    assert_eq!(full.handler, Some("observability::policies::full"));
    let line = full
        .location
        .strip_prefix("tests/tests/observability/policies.rs:");
    assert!(line.unwrap().parse::<u32>().is_ok(), "{}", full.location);
    assert_eq!(full.limits, "10 per second; 100 per minute");
    assert_eq!(full.key, "(client_ip, header(\"x-api-key\"))");
    assert_eq!((&*full.cost, &*full.strategy), ("5", "fixed_window"));
    assert_eq!(
        (&*full.methods, &*full.scope),
        ("GET, POST", "\"list-models\"")
    );
    assert!(full.routes.is_empty() && !full.is_dry_run);
    let generic = policies
        .iter()
        .filter(|policy| policy.policy == "list-generic");
    assert_eq!(generic.count(), 1);
}

#[test]
fn a_second_policy_of_one_name_has_its_module_in_front() {
    let policies = Limiter::new().policies();
    let handler = |name| find(&policies, name).handler.unwrap();
    let names = ["listed", "observability::policies::listed"];
    let handlers = names.map(handler);
    assert_eq!(handlers[0], "observability::policies::other::listed");
    assert_eq!(handlers[1], "observability::policies::listed");
    assert!(find(&policies, names[1]).is_dry_run);
}

#[tokio::test]
async fn routes_join_as_they_are_hit_and_layers_as_they_are_used() {
    let (limiter, clock) = Limiter::for_test();
    let layer = limiter
        .limit_layer("list-layer", limits!("60/minute"))
        .key(everyone)
        .scope("list-scope");
    let app = App {
        router: Router::new()
            .route("/b/{id}", get(generic::<1>))
            .route("/a", get(generic::<2>))
            .layer(layer),
        clock,
        limiter: limiter.clone(),
    };
    for path in ["/b/1", "/b/2", "/a"] {
        app.get(path).await;
    }
    let policies = limiter.policies();
    assert_eq!(find(&policies, "list-generic").routes, ["/a", "/b/{id}"]);
    let layer = find(&policies, "list-layer");
    assert_eq!((layer.handler, &*layer.limits), (None, "60 per minute"));
    assert_eq!((layer.key, &*layer.scope), ("key", "\"list-scope\""));
    assert!(
        layer.location.contains("policies.rs:"),
        "{}",
        layer.location
    );
    let others = Limiter::new().policies();
    assert!(others.iter().all(|policy| policy.policy != "list-layer"));
}

#[test]
fn the_list_is_shown_as_a_table() {
    let table = Limiter::new().policies().to_string();
    let title = table.lines().next().unwrap();
    assert!(title.starts_with("policy "), "{table}");
    let row = table
        .lines()
        .find(|line| line.starts_with("list-full "))
        .unwrap();
    let limits = title.find("limits").unwrap();
    assert!(
        row[limits..].starts_with("10 per second; 100 per minute  fixed_window"),
        "{table}"
    );
    assert!(
        table.contains("observability::policies::listed (dry run)"),
        "{table}"
    );
}

#[tokio::test]
async fn routes_are_asserted_to_be_limited() {
    let router = || {
        Router::new()
            .route("/generic", get(generic::<3>))
            .route("/post", axum::routing::post(other::listed))
            .route("/free", get(|| async {}))
    };
    let styles = [
        HeaderStyle::Ietf,
        HeaderStyle::XRateLimit,
        HeaderStyle::OpenAi,
        HeaderStyle::Both,
    ];
    for style in styles {
        let app = App::with(router(), Limiter::builder().header_style(style));
        assert_limited(&app.router, ["/generic", "/post"]).await;
        // A refused request has the headers, too.
        assert_limited(&app.router, ["/post"]).await;
    }
    let limiter = Limiter::new();
    let layer = limiter
        .limit_layer("around", limits!("9/minute"))
        .key(everyone);
    let around = router().layer(layer);
    let misspelt = AssertUnwindSafe(assert_limited(&around, ["/free", "/fre"]));
    let panic = misspelt.catch_unwind().await.unwrap_err();
    let text = panic.downcast_ref::<String>().unwrap();
    let expected = "responses without rate-limit headers: `/fre` (status 404), asserted at ";
    assert!(text.starts_with(expected), "{text}");
    let app = App::new(router());
    let asserted = AssertUnwindSafe(assert_limited(&app.router, ["/generic", "/free", "/none"]));
    let panic = asserted.catch_unwind().await.unwrap_err();
    let text = panic.downcast_ref::<String>().unwrap();
    let expected = "responses without rate-limit headers: `/free` (status 200), `/none` (status \
                    404), asserted at tests/tests/observability/policies.rs:";
    assert!(text.starts_with(expected), "{text}");
    let dry = App::with(router(), Limiter::builder().dry_run(true));
    let off = App::with(router(), Limiter::builder().header_style(HeaderStyle::Off));
    for app in [dry, off] {
        let asserted = AssertUnwindSafe(assert_limited(&app.router, ["/generic"]));
        let panic = asserted.catch_unwind().await.unwrap_err();
        let text = panic.downcast_ref::<String>().unwrap();
        for cause in ["it is in dry run", "`HeaderStyle::Off`"] {
            assert!(text.contains(cause), "{text}");
        }
    }
}
