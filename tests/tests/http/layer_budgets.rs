//! What identifies the budget of a layer.

use crate::layer_options::{app, free, statuses};
use axum::{Router, extract::Path, routing::get};
use http::StatusCode;
use limit_runtime::{
    IntoKey, Limiter, Limits, everyone, limits, rate_limit, route,
    store::{Charge, Scope},
};

const OK: StatusCode = StatusCode::OK;
const LIMITED: StatusCode = StatusCode::TOO_MANY_REQUESTS;

#[tokio::test]
async fn layers_of_one_helper_function_have_the_budgets_of_their_names() {
    fn guarded(name: &'static str, limiter: &Limiter, limits: Limits) -> Router {
        let layer = limiter.limit_layer(name, limits).key(everyone);
        Router::new()
            .route(&format!("/{name}"), get(free))
            .layer(layer)
    }
    let app = app(|limiter| {
        guarded("cheap", limiter, limits!("100/minute")).merge(guarded(
            "dear",
            limiter,
            limits!("5/minute"),
        ))
    });
    assert_eq!(statuses(&app, "/cheap").await, [OK; 6]);
    assert_eq!(statuses(&app, "/dear").await, [OK; 5]);
    assert_eq!(app.get("/dear").await.status, LIMITED);
}

#[tokio::test]
async fn layers_of_one_name_share_its_budget_wherever_they_are_made() {
    let app = app(|limiter| {
        let first = limiter
            .limit_layer("app", limits!("2/minute"))
            .key(everyone);
        let second = limiter
            .limit_layer("app", limits!("2/minute"))
            .key(everyone);
        let second = Router::new().route("/b", get(free)).layer(second);
        Router::new()
            .route("/a", get(free))
            .layer(first)
            .merge(second)
    });
    assert_eq!(statuses(&app, "/a").await, [OK]);
    assert_eq!(statuses(&app, "/b").await, [OK, LIMITED]);
    assert_eq!(statuses(&app, "/a").await, [LIMITED]);
}

#[tokio::test]
async fn the_budget_of_a_layer_is_never_that_of_something_else_with_its_name() {
    #[rate_limit("1/minute", scope = "app", key = everyone)]
    async fn scoped() {}

    let app = app(|limiter| {
        let layer = |name| limiter.limit_layer(name, limits!("1/minute")).key(everyone);
        let routed = Router::new()
            .route("/routed", get(free))
            .layer(layer("app").scope(route));
        Router::new()
            .route("/scoped", get(scoped))
            .route("/free", get(free))
            .layer(layer("app"))
            .merge(routed)
    });
    let limits = limits!("1/minute");
    assert_eq!(app.get("/scoped").await.status, OK);
    assert_eq!(app.get("/routed").await.status, OK);
    for scope in [
        Scope::handler("app", "everyone"),
        Scope::handler("app", "everyone").on_route("/routed"),
        Scope::shared("\u{1}layer"),
    ] {
        let decision = app
            .limiter
            .check(&limits, everyone().into_key())
            .scope(scope);
        assert!(decision.await.unwrap().is_allowed(), "{scope:?}");
    }
    // These are the ones that the requests have used.
    let key = everyone().into_key();
    for scope in [
        Scope::shared("app"),
        Scope::layer("app"),
        Scope::layer("app").on_route("/routed"),
    ] {
        let charge = Charge::new(scope, &key, &limits);
        let outcome = app.limiter.try_check(&charge).unwrap();
        assert!(!outcome.is_allowed(), "{scope:?}");
    }
}

#[tokio::test]
async fn the_budget_of_a_route_is_that_of_its_full_template() {
    let app = app(|limiter| {
        let layer = || {
            let layer = limiter.limit_layer("app", limits!("1/minute"));
            layer.key(everyone).scope(route)
        };
        let items = || Router::new().route("/items/{id}", get(free));
        Router::new()
            .nest("/a", items().fallback(free).layer(layer()))
            .nest("/b", items().layer(layer()))
            .nest_service("/c", items().layer(layer()))
    });
    for path in ["/a", "/b", "/c"] {
        assert_eq!(statuses(&app, &format!("{path}/items/1")).await, [OK]);
        assert_eq!(statuses(&app, &format!("{path}/items/2")).await, [LIMITED]);
    }
    // Where no route has matched, it is the layer's own, whatever the path.
    assert_eq!(statuses(&app, "/a/missing").await, [OK]);
    assert_eq!(statuses(&app, "/a/other").await, [LIMITED]);
}

#[tokio::test]
async fn a_scope_function_shares_the_budgets_of_handlers() {
    async fn model(Path(model): Path<String>) -> String {
        model
    }
    #[rate_limit("1/minute", scope = model, key = everyone)]
    async fn predict() {}

    let app = app(|limiter| {
        let layer = limiter.limit_layer("embed", limits!("1/minute"));
        Router::new()
            .route("/{model}/embed", get(free))
            .layer(layer.key(everyone).scope(model))
            .route("/{model}/predict", get(predict))
            .layer(limiter.layer())
    });
    assert_eq!(statuses(&app, "/iris/embed").await, [OK]);
    assert_eq!(statuses(&app, "/iris/predict").await, [LIMITED]);
    assert_eq!(statuses(&app, "/wine/predict").await, [OK]);
    assert_eq!(statuses(&app, "/wine/embed").await, [LIMITED]);
}
