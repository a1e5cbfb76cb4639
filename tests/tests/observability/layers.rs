//! Layers of one name, and layers in dry run beside other limits.

use crate::{app::App, endpoint, requests};
use axum::{Router, routing::get};
use http::{HeaderMap, StatusCode};
use limit_runtime::layer::RateLimitLayer;
use limit_runtime::{Limiter, Limits, RateLimit, everyone, limits, rate_limit};

const OK: StatusCode = StatusCode::OK;
const LIMITED: StatusCode = StatusCode::TOO_MANY_REQUESTS;

async fn unlimited() {}

fn layer(limiter: &Limiter, name: &'static str, limits: Limits) -> RateLimitLayer {
    limiter.limit_layer(name, limits).key(everyone)
}

#[rate_limit("99/minute", key = everyone, name = "layers-other")]
async fn other() {}

/// Sets another policy live, so that the limiter has policies with a changed mode.
fn change_another_policy(limiter: &Limiter) {
    let _ = other;
    limiter.set_dry_run("layers-other", false).unwrap();
}

/// The labels and limits of the layers.
fn listed(limiter: &Limiter) -> Vec<(String, String)> {
    let policies = limiter.policies();
    let layers = policies.iter().filter(|policy| policy.handler.is_none());
    layers
        .map(|policy| (policy.policy.clone(), policy.limits.clone()))
        .collect()
}

#[tokio::test]
async fn a_layer_in_dry_run_stays_so_beside_a_live_one_of_its_name() {
    let (limiter, clock) = Limiter::for_test();
    let live = layer(&limiter, "api", limits!("100/minute"));
    let trial = layer(&limiter, "api", limits!("1/minute")).dry_run();
    let router = Router::new().route("/", get(unlimited));
    let app = App {
        router: router.layer(live).layer(trial),
        clock,
        limiter,
    };
    for _ in 0..3 {
        assert_eq!(app.get("/").await.status, OK);
    }
    change_another_policy(&app.limiter);
    for _ in 0..3 {
        assert_eq!(app.get("/").await.status, OK, "the layer on trial refuses");
    }
    assert_eq!(requests(&app.limiter, "api").allowed, 6);
    assert_eq!(requests(&app.limiter, "api#2").would_limit, 5);
}

#[tokio::test]
async fn a_live_layer_stays_so_beside_one_in_dry_run_of_its_name() {
    let (limiter, clock) = Limiter::for_test();
    let live = layer(&limiter, "api", limits!("2/minute"));
    let trial = layer(&limiter, "api", limits!("1/minute")).dry_run();
    let router = Router::new().route("/", get(unlimited));
    let app = App {
        router: router.layer(trial).layer(live),
        clock,
        limiter,
    };
    for status in [OK, OK, LIMITED] {
        assert_eq!(app.get("/").await.status, status);
    }
    change_another_policy(&app.limiter);
    assert_eq!(app.get("/").await.status, LIMITED, "the live layer is off");
    app.limiter.set_dry_run("api#2", true).unwrap();
    assert_eq!(app.get("/").await.status, OK, "it was named");
}

#[tokio::test]
async fn layers_of_one_name_and_two_scopes_are_two_policies() {
    let (limiter, clock) = Limiter::for_test();
    let a = layer(&limiter, "api", limits!("5/minute")).scope("layers-a");
    let b = layer(&limiter, "api", limits!("7/minute")).scope("layers-b");
    let route = |path, layer: &RateLimitLayer| {
        let router = Router::new().route(path, get(unlimited));
        router.layer(layer.clone())
    };
    let router = route("/a", &a)
        .merge(route("/b", &b))
        .merge(route("/also-a", &a));
    let app = App {
        router,
        clock,
        limiter,
    };
    for path in ["/a", "/b", "/also-a"] {
        app.get(path).await;
    }
    let entry = |name: &str, limits: &str| (name.to_owned(), limits.to_owned());
    let expected = [entry("api", "5 per minute"), entry("api#2", "7 per minute")];
    assert_eq!(listed(&app.limiter), expected);
    assert_eq!(requests(&app.limiter, "api").total, 2);
}

async fn charging(limit: RateLimit) {
    limit.charge(20).await.unwrap();
}

#[tokio::test]
async fn a_layer_set_to_dry_run_moves_no_charge_to_the_layer_outside() {
    let (limiter, clock) = Limiter::for_test();
    let outer = layer(&limiter, "layers-requests", limits!("10/minute"));
    let inner = layer(&limiter, "layers-tokens", limits!("1_000/minute"));
    let router = Router::new().route("/", get(charging));
    let app = App {
        router: router.layer(inner).layer(outer),
        clock,
        limiter,
    };
    for _ in 0..3 {
        assert_eq!(app.get("/").await.status, OK);
    }
    app.limiter.set_dry_run("layers-tokens", true).unwrap();
    for _ in 0..3 {
        let answer = app.get("/").await;
        assert_eq!(answer.status, OK, "the layer outside refuses");
        let policy = Some("\"layers-requests\";q=10;w=60");
        assert_eq!(answer.header("ratelimit-policy"), policy);
    }
    assert_eq!(endpoint(&app.limiter, "/"), (6, 0));
}

#[tokio::test]
async fn what_a_handler_charges_counts_in_the_layer_in_dry_run() {
    let (limiter, clock) = Limiter::for_test();
    let layer = layer(&limiter, "layers-dry-tokens", limits!("30/minute")).dry_run();
    let app = App {
        router: Router::new().route("/", get(charging)).layer(layer),
        clock,
        limiter,
    };
    for _ in 0..4 {
        assert_eq!(app.get("/").await.status, OK);
    }
    let counts = requests(&app.limiter, "layers-dry-tokens");
    assert_eq!((counts.allowed, counts.would_limit), (2, 2));
}

#[tokio::test]
async fn a_layer_in_dry_run_counts_the_request_for_its_route_once() {
    for is_handler_limited in [false, true] {
        let (_, clock) = Limiter::for_test();
        let limiter = Limiter::builder()
            .clock(clock.clone())
            .dry_run(true)
            .build();
        let inner = layer(&limiter, "layers-inner", limits!("1/minute"));
        let outer = layer(&limiter, "layers-outer", limits!("2/minute"));
        let router = match is_handler_limited {
            true => Router::new().route("/", get(other)),
            false => Router::new().route("/", get(unlimited)),
        };
        let app = App {
            router: router.layer(inner).layer(outer),
            clock,
            limiter,
        };
        for _ in 0..3 {
            let answer = app.get("/").await;
            assert_eq!(answer.header("ratelimit"), None);
        }
        assert_eq!(requests(&app.limiter, "layers-inner").would_limit, 2);
        assert_eq!(requests(&app.limiter, "layers-outer").would_limit, 1);
        assert_eq!(endpoint(&app.limiter, "/"), (3, 0));
        assert_eq!(app.limiter.stats().totals.total, 3);
    }
}

#[tokio::test]
async fn a_layer_that_rejects_or_exempts_counts_the_request_for_its_route_once() {
    let by_key = |headers: HeaderMap| {
        let key = headers.get("x-api-key").map(|_| "k");
        key.ok_or(StatusCode::UNAUTHORIZED)
    };
    let (limiter, clock) = Limiter::for_test();
    let rejecting = limiter
        .limit_layer("layers-rejecting", limits!("9/minute"))
        .key(by_key);
    let exempting = limiter
        .limit_layer("layers-exempting", |_: &HeaderMap| None::<Limits>)
        .key(everyone);
    let rejected = Router::new().route("/rejected", get(other));
    let exempt = Router::new()
        .route("/exempt", get(other))
        .route("/unlimited", get(unlimited));
    let app = App {
        router: rejected.layer(rejecting).merge(exempt.layer(exempting)),
        clock,
        limiter,
    };
    assert_eq!(app.get("/rejected").await.status, StatusCode::UNAUTHORIZED);
    for path in ["/exempt", "/unlimited"] {
        assert_eq!(app.get(path).await.status, OK);
    }
    assert_eq!(requests(&app.limiter, "layers-rejecting").rejected, 1);
    assert_eq!(requests(&app.limiter, "layers-exempting").exempt, 2);
    for path in ["/rejected", "/exempt", "/unlimited"] {
        assert_eq!(endpoint(&app.limiter, path), (1, 0), "{path}");
    }
}
