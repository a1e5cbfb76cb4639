//! The router's state: none, the handler's, a part of it, or named in the attribute.

use crate::common::{get, limited, third_of_router_is_429};
use axum::extract::{FromRef, FromRequest, FromRequestParts, Request, State};
use axum::{Router, routing};
use http::HeaderMap;
use http::request::Parts;
use limit_runtime::{Limits, everyone, limits, rate_limit};
use std::convert::Infallible;
use std::sync::Arc;

#[derive(Clone)]
struct Db(&'static str);

#[derive(Clone)]
struct AppState {
    db: Db,
    limits: Limits,
}

impl FromRef<AppState> for Db {
    fn from_ref(state: &AppState) -> Self {
        state.db.clone()
    }
}

impl FromRef<AppState> for Limits {
    fn from_ref(state: &AppState) -> Self {
        state.limits
    }
}

const STATE: AppState = AppState {
    db: Db("main"),
    limits: limits!("2/minute"),
};

fn by_db(State(db): State<Db>) -> &'static str {
    db.0
}

async fn configured(State(limits): State<Limits>, _: &HeaderMap) -> Limits {
    limits
}

async fn check(router: Router<AppState>) {
    third_of_router_is_429(&limited(router.with_state(STATE)), get).await;
}

#[tokio::test]
async fn a_key_from_a_state_that_the_handler_takes() {
    #[rate_limit("2/minute", key = by_db)]
    async fn first(State(_): State<Db>, _: HeaderMap) {}
    #[rate_limit("2/minute", key = by_db)]
    async fn last(_: HeaderMap, State(_): State<Db>) {}
    check(Router::new().route("/", routing::get(first))).await;
    check(Router::new().route("/", routing::get(last))).await;
}

#[tokio::test]
async fn a_closure_says_which_state_it_takes() {
    #[rate_limit("2/minute", key = |State(db): State<Db>, _: &HeaderMap| db.0)]
    async fn handler() {}
    #[rate_limit(|State(limits): State<Limits>| limits, key = |state: State<Db>| by_db(state))]
    async fn both() {}
    check(Router::new().route("/", routing::get(handler))).await;
    check(Router::new().route("/", routing::get(both))).await;
}

#[tokio::test]
async fn the_attribute_says_which_state_the_router_has() {
    #[rate_limit(configured, key = by_db, state = AppState)]
    async fn handler() {}
    check(Router::new().route("/", routing::get(handler))).await;
}

#[tokio::test]
async fn an_extractor_that_needs_state() {
    struct Tenant(&'static str);
    impl<S: Sync> FromRequestParts<S> for Tenant
    where
        Db: FromRef<S>,
    {
        type Rejection = Infallible;
        async fn from_request_parts(_: &mut Parts, state: &S) -> Result<Self, Infallible> {
            Ok(Self(Db::from_ref(state).0))
        }
    }
    #[rate_limit("2/minute", key = |tenant: Tenant| tenant.0)]
    async fn handler(_: Tenant) {}
    check(Router::new().route("/", routing::get(handler))).await;
}

/// The client, as the router's state names it.
struct Claims(&'static str);

impl<S: Sync> FromRequestParts<S> for Claims
where
    Db: FromRef<S>,
{
    type Rejection = Infallible;
    async fn from_request_parts(_: &mut Parts, state: &S) -> Result<Self, Infallible> {
        Ok(Self(Db::from_ref(state).0))
    }
}

/// An extractor of the body, as its name does not say.
struct Payload(String);

impl<S: Send + Sync> FromRequest<S> for Payload {
    type Rejection = axum::extract::rejection::StringRejection;
    async fn from_request(request: Request, state: &S) -> Result<Self, Self::Rejection> {
        Ok(Self(String::from_request(request, state).await?))
    }
}

fn by_claims(Claims(name): Claims) -> &'static str {
    name
}

async fn limits_of_claims(claims: Claims, _: &HeaderMap) -> Limits {
    assert_eq!(claims.0, "main");
    limits!("2/minute")
}

fn by_header(headers: &HeaderMap) -> usize {
    headers.len()
}

#[tokio::test]
async fn a_function_may_take_the_handlers_last_argument_too() {
    #[rate_limit("2/minute", key = by_claims)]
    async fn me(claims: Claims) -> &'static str {
        claims.0
    }
    #[rate_limit(limits_of_claims, key = (everyone, by_claims), scope = by_claims, cost = |_: &HeaderMap| 1)]
    async fn everything(_: HeaderMap, claims: Claims) -> &'static str {
        claims.0
    }
    #[rate_limit("2/minute", key = by_claims)]
    async fn among(claims: Claims, body: String) -> String {
        format!("{}{body}", claims.0)
    }
    #[rate_limit("2/minute", key = by_claims, cost = claims.0.len() - 3)]
    async fn cost(claims: Claims) -> &'static str {
        claims.0
    }
    check(Router::new().route("/", routing::get(me))).await;
    check(Router::new().route("/", routing::get(everything))).await;
    check(Router::new().route("/", routing::get(among))).await;
    check(Router::new().route("/", routing::get(cost))).await;
}

#[tokio::test]
async fn a_last_argument_of_any_kind_leaves_functions_as_they_are() {
    #[rate_limit("2/minute", key = by_header)]
    async fn body(Payload(text): Payload) -> String {
        text
    }
    #[rate_limit(|_: &HeaderMap| limits!("2/minute"), key = (everyone, by_header))]
    async fn optional(text: Option<Claims2>) -> String {
        text.is_some().to_string()
    }
    #[rate_limit("2/minute", key = by_db, cost = text.len())]
    async fn with_state(State(_): State<Db>, Payload(text): Payload) -> String {
        text
    }
    check(Router::new().route("/", routing::get(body))).await;
    check(Router::new().route("/", routing::get(optional))).await;
    check(Router::new().route("/", routing::get(with_state))).await;
    third_of_router_is_429(&limited(Router::new().route("/", routing::get(body))), get).await;
}

/// An extractor that may be absent.
struct Claims2;

impl<S: Sync> axum::extract::OptionalFromRequestParts<S> for Claims2 {
    type Rejection = Infallible;
    async fn from_request_parts(_: &mut Parts, _: &S) -> Result<Option<Self>, Infallible> {
        Ok(None)
    }
}

#[tokio::test]
async fn a_scope_from_state() {
    #[rate_limit("2/minute", scope = by_db)]
    async fn taken(State(_): State<Db>) {}
    #[rate_limit("2/minute", scope = |State(db): State<Db>| db.0)]
    async fn closure() {}
    #[rate_limit("2/minute", scope = by_db, state = AppState)]
    async fn named() {}
    check(Router::new().route("/", routing::get(taken))).await;
    check(Router::new().route("/", routing::get(closure))).await;
    check(Router::new().route("/", routing::get(named))).await;
}

#[tokio::test]
async fn a_trait_object() {
    trait Model: Send + Sync {
        fn name(&self) -> &'static str;
    }
    impl Model for Db {
        fn name(&self) -> &'static str {
            self.0
        }
    }
    #[rate_limit("2/minute", key = |State(model): State<Arc<dyn Model>>| model.name())]
    async fn handler(State(model): State<Arc<dyn Model>>) -> &'static str {
        model.name()
    }
    let router = Router::new().route("/", routing::get(handler));
    let router = router.with_state(Arc::new(Db("main")) as Arc<dyn Model>);
    third_of_router_is_429(&limited(router), get).await;
}

#[tokio::test]
async fn state_with_a_lifetime_that_is_left_out() {
    #[rate_limit("2/minute", key = |_: &HeaderMap| "all")]
    async fn first(State(name): State<&str>, _: HeaderMap) -> String {
        name.to_owned()
    }
    #[rate_limit("2/minute", key = |State(name): State<&'static str>| name)]
    async fn last(State(name): State<&str>) -> String {
        name.to_owned()
    }
    #[rate_limit("2/minute", key = everyone)]
    async fn inner(State(name): State<std::borrow::Cow<'_, str>>) -> String {
        name.into_owned()
    }
    for route in [routing::get(first), routing::get(last)] {
        let router = Router::new().route("/", route).with_state("text");
        third_of_router_is_429(&limited(router), get).await;
    }
    let router = Router::new().route("/", routing::get(inner));
    let router = router.with_state(std::borrow::Cow::Borrowed("text"));
    third_of_router_is_429(&limited(router), get).await;
}

#[tokio::test]
async fn one_handler_under_three_states() {
    #[rate_limit("2/minute", key = |_: HeaderMap| "all")]
    async fn handler(_: HeaderMap) {}
    let route = || routing::get(handler);
    third_of_router_is_429(&limited(Router::new().route("/", route())), get).await;
    check(Router::new().route("/", routing::get(handler))).await;
    let router = Router::new()
        .route("/", routing::get(handler))
        .with_state(7_u32);
    third_of_router_is_429(&limited(router), get).await;
}

#[tokio::test]
async fn nested_and_merged() {
    #[rate_limit("2/minute", key = by_db)]
    async fn handler(State(_): State<Db>) {}
    let inner = Router::new()
        .route("/{id}", routing::get(handler))
        .with_state(STATE);
    let router = || Router::new().nest("/a", inner.clone()).merge(inner.clone());
    for path in ["/a/1", "/1"] {
        let request = || crate::common::request("GET", path, "");
        third_of_router_is_429(&limited(router()), request).await;
    }
}
