//! Requests that a key, limits, scope or cost function rejects: they count, in any order of rules,
//! and no lookup is made for a client that is refused without it.

use crate::app::App;
use axum::{
    Extension, Router,
    extract::FromRequestParts,
    response::Response,
    routing::{get, post},
};
use http::{HeaderMap, Method, Request, StatusCode, request::Parts};
use limit_runtime::{
    Limiter, Limits, client_ip, everyone, header, limits, rate_limit, store::Scope,
};
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

const OK: StatusCode = StatusCode::OK;
const LIMITED: StatusCode = StatusCode::TOO_MANY_REQUESTS;
const UNAUTHORIZED: StatusCode = StatusCode::UNAUTHORIZED;
const FORBIDDEN: StatusCode = StatusCode::FORBIDDEN;
const BAD_REQUEST: StatusCode = StatusCode::BAD_REQUEST;

/// How often a lookup was made: each test has its own.
#[derive(Clone, Default)]
struct Lookups(Arc<AtomicUsize>);

impl Lookups {
    fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

fn account(Extension(lookups): Extension<Lookups>, headers: &HeaderMap) -> Result<u64, StatusCode> {
    lookups.0.fetch_add(1, Ordering::Relaxed);
    match headers.get("x-key").map(|key| key.as_bytes()) {
        Some(b"good") => Ok(7),
        _ => Err(UNAUTHORIZED),
    }
}

fn tier(headers: &HeaderMap) -> Result<Limits, StatusCode> {
    match headers.get("x-tier") {
        Some(_) => Ok(limits!("100/minute")),
        None => Err(FORBIDDEN),
    }
}

fn app(router: Router) -> (App, Lookups) {
    let lookups = Lookups::default();
    (App::new(router.layer(Extension(lookups.clone()))), lookups)
}

async fn statuses(app: &App, count: usize) -> Vec<u16> {
    let mut statuses = Vec::new();
    for _ in 0..count {
        statuses.push(app.get("/").await.status.as_u16());
    }
    statuses
}

fn first_then(count: usize, first: u16, then: u16) -> Vec<u16> {
    (0..100)
        .map(|i| if i < count { first } else { then })
        .collect()
}

#[tokio::test]
async fn a_rejection_by_one_rule_counts_on_the_others_in_any_order() {
    #[rate_limit("10/minute", key = client_ip)]
    #[rate_limit("100/minute", key = account)]
    async fn login() {}
    #[rate_limit("100/minute", key = account)]
    #[rate_limit("10/minute", key = client_ip)]
    async fn reversed() {}
    for router in [
        Router::new().route("/", get(login)),
        Router::new().route("/", get(reversed)),
    ] {
        let (app, lookups) = app(router);
        assert_eq!(statuses(&app, 100).await, first_then(10, 401, 429));
        // Nothing is looked up for a client that its address refuses.
        assert_eq!(lookups.count(), 10);
    }
}

#[tokio::test]
async fn a_rejection_has_the_headers_of_the_rules_that_count() {
    #[rate_limit("10/minute", key = client_ip)]
    #[rate_limit("100/minute", key = account)]
    async fn login() {}
    let (app, _) = app(Router::new().route("/", get(login)));
    let answer = app.get("/").await;
    assert_eq!(answer.status, UNAUTHORIZED);
    assert_eq!(
        answer.header("ratelimit-policy"),
        Some("\"login\";q=10;w=60")
    );
    let left = answer.header("ratelimit").unwrap();
    assert!(left.starts_with("\"login\";r=9;"), "{left}");
    assert_eq!(answer.header("retry-after"), None);
}

#[tokio::test]
async fn every_kind_of_rejection_counts() {
    struct Claims;
    impl<S: Sync> FromRequestParts<S> for Claims {
        type Rejection = StatusCode;
        async fn from_request_parts(_: &mut Parts, _: &S) -> Result<Self, StatusCode> {
            Err(UNAUTHORIZED)
        }
    }
    async fn of_claims(_: Claims) -> u64 {
        7
    }
    async fn later(headers: HeaderMap) -> Result<u64, StatusCode> {
        tokio::task::yield_now().await;
        headers.get("x-key").map(|_| 7).ok_or(UNAUTHORIZED)
    }
    fn dear(headers: &HeaderMap) -> Result<u32, StatusCode> {
        headers.get("x-size").map(|_| 3).ok_or(BAD_REQUEST)
    }
    fn tenant(headers: &HeaderMap) -> Result<&str, StatusCode> {
        let tenant = headers
            .get("x-tenant")
            .and_then(|tenant| tenant.to_str().ok());
        tenant.ok_or(FORBIDDEN)
    }
    #[rate_limit("3/minute")]
    #[rate_limit("100/minute", key = header("x-api-key"))]
    async fn missing_header() {}
    #[rate_limit("3/minute")]
    #[rate_limit(tier, key = everyone)]
    async fn by_limits() {}
    #[rate_limit("3/minute")]
    #[rate_limit("100/minute", key = of_claims)]
    async fn by_extractor() {}
    #[rate_limit("3/minute")]
    #[rate_limit("100/minute", key = later)]
    async fn by_future() {}
    #[rate_limit("3/minute")]
    #[rate_limit("100/minute", key = everyone, scope = tenant)]
    async fn by_scope() {}
    #[rate_limit("3/minute")]
    #[rate_limit("100/minute", key = (everyone, later))]
    async fn by_tuple() {}
    #[rate_limit("3/minute", cost = dear)]
    async fn by_cost() {}
    #[rate_limit("3/minute", cost = body.len())]
    #[rate_limit(tier, key = everyone)]
    async fn before_the_body(body: String) {
        drop(body);
    }
    for (path, router, rejection) in [
        ("header", get(missing_header), 400),
        ("limits", get(by_limits), 403),
        ("extractor", get(by_extractor), 401),
        ("future", get(by_future), 401),
        ("scope", get(by_scope), 403),
        ("tuple", get(by_tuple), 401),
        ("cost", get(by_cost), 400),
        ("body", get(before_the_body), 403),
    ] {
        let app = App::new(Router::new().route("/", router));
        let expected = [rejection, rejection, rejection, 429, 429];
        assert_eq!(statuses(&app, 5).await, expected, "{path}");
    }
}

#[tokio::test]
async fn of_several_rejections_the_first_declared_answers_and_all_functions_ran() {
    fn first(Extension(lookups): Extension<Lookups>) -> Result<u64, StatusCode> {
        lookups.0.fetch_add(1, Ordering::Relaxed);
        Err(UNAUTHORIZED)
    }
    fn second(Extension(lookups): Extension<Lookups>) -> Result<Limits, StatusCode> {
        lookups.0.fetch_add(10, Ordering::Relaxed);
        Err(FORBIDDEN)
    }
    fn cost(Extension(lookups): Extension<Lookups>) -> u32 {
        lookups.0.fetch_add(100, Ordering::Relaxed);
        1
    }
    #[rate_limit("9/minute", key = first, cost = cost)]
    #[rate_limit(second, key = everyone)]
    async fn key_first() {}
    #[rate_limit(second, key = everyone)]
    #[rate_limit("9/minute", key = first, cost = cost)]
    async fn limits_first() {}
    // The header is looked at before the functions, and answers in its place all the same.
    #[rate_limit("9/minute", key = first, cost = cost)]
    #[rate_limit("9/minute", key = header("x-api-key"))]
    async fn header_last() {}
    for (router, status, ran) in [
        (get(key_first), UNAUTHORIZED, 111),
        (get(limits_first), FORBIDDEN, 111),
        (get(header_last), UNAUTHORIZED, 101),
    ] {
        let (app, lookups) = app(Router::new().route("/", router));
        assert_eq!(app.get("/").await.status, status);
        assert_eq!(lookups.count(), ran);
    }
}

#[tokio::test]
async fn a_rejected_request_takes_the_known_costs_and_1_for_the_others() {
    fn fails() -> Result<u32, StatusCode> {
        Err(BAD_REQUEST)
    }
    #[rate_limit("100/minute", key = everyone, name = "five", cost = 5)]
    #[rate_limit("100/minute", key = everyone, name = "fails", cost = fails)]
    #[rate_limit("100/minute", key = everyone, name = "body", cost = body.len())]
    async fn handler(body: String) {
        drop(body);
    }
    let app = App::new(Router::new().route("/", post(handler)));
    let answer = app.send(Method::POST, "/", "192.0.2.1", "four").await;
    assert_eq!(answer.status, BAD_REQUEST);
    let path = concat!(module_path!(), "::handler");
    let limits = limits!("100/minute");
    for (rule, left) in [("five", 95), ("fails", 99), ("body", 99)] {
        let check = app
            .limiter
            .check(&limits, ())
            .scope(Scope::handler(path, rule));
        let decision = check.peek().await.unwrap();
        assert_eq!(decision.outcomes()[0].remaining(), left, "{rule}");
    }
}

#[tokio::test]
async fn count_when_receives_the_rejection() {
    fn key(headers: &HeaderMap) -> Result<u64, StatusCode> {
        headers.get("x-key").map(|_| 7).ok_or(UNAUTHORIZED)
    }
    fn is_unauthorized(response: &Response) -> bool {
        response.status() == UNAUTHORIZED
    }
    fn is_server_error(response: &Response) -> bool {
        response.status().is_server_error()
    }
    #[rate_limit("3/minute", count_when = is_unauthorized)]
    #[rate_limit("100/minute", key = key)]
    async fn failures() {}
    #[rate_limit("3/minute", count_when = is_server_error)]
    #[rate_limit("100/minute", key = key)]
    async fn errors() {}
    let failing = App::new(Router::new().route("/", get(failures)));
    assert_eq!(statuses(&failing, 5).await, [401, 401, 401, 429, 429]);
    let other = App::new(Router::new().route("/", get(errors)));
    assert_eq!(statuses(&other, 5).await, [401; 5]);
}

#[tokio::test(start_paused = true)]
async fn a_rejected_request_does_not_wait_for_room() {
    #[rate_limit("2/hour", key = everyone, wait = "2h")]
    #[rate_limit("100/minute", key = header("x-api-key"))]
    async fn patient() {}
    let app = App::new(Router::new().route("/", get(patient)));
    let start = tokio::time::Instant::now();
    assert_eq!(statuses(&app, 4).await, [400, 400, 429, 429]);
    assert!(start.elapsed().is_zero());
}

#[tokio::test]
async fn a_layer_counts_a_request_whose_cost_is_rejected() {
    fn cost(headers: &HeaderMap) -> Result<u32, StatusCode> {
        headers.get("x-size").map(|_| 1).ok_or(BAD_REQUEST)
    }
    let limiter = Limiter::new();
    let layer = limiter
        .limit_layer("layer", limits!("3/minute"))
        .key(everyone)
        .cost(cost);
    let router = Router::new().route("/", get(|| async {})).layer(layer);
    let app = App::new(router);
    assert_eq!(statuses(&app, 5).await, [400, 400, 400, 429, 429]);
}

#[tokio::test]
async fn a_cheap_rule_is_recognised_by_its_type_and_not_its_spelling() {
    mod keys {
        use super::*;
        use limit_runtime::ClientIp;

        /// Called as ours, and returns what ours returns.
        pub(super) fn client_ip(parts: &Parts) -> ClientIp {
            let lookups = parts.extensions.get::<Lookups>().unwrap();
            lookups.0.fetch_add(1, Ordering::Relaxed);
            limit_runtime::client_ip(parts).unwrap()
        }
    }
    use limit_runtime::client_ip as address;
    #[rate_limit("2/minute", key = keys::client_ip, name = "theirs")]
    #[rate_limit("1/minute", key = address, name = "ours")]
    async fn both() {}
    let lookups = Lookups::default();
    let mut app = App::new(Router::new().route("/", get(both)));
    let shared = lookups.clone();
    app.router = app.router.layer(axum::middleware::from_fn(
        move |mut request: axum::extract::Request, next: axum::middleware::Next| {
            request.extensions_mut().insert(shared.clone());
            next.run(request)
        },
    ));
    assert_eq!(statuses(&app, 4).await, [200, 429, 429, 429]);
    assert_eq!(lookups.count(), 1);
}

#[tokio::test]
async fn a_default_key_is_cheap_only_if_it_is_built_in() {
    #[rate_limit("1/minute", name = "default")]
    #[rate_limit("100/minute", key = account, name = "account")]
    async fn handler() {}
    fn mine(Extension(lookups): Extension<Lookups>) -> u64 {
        lookups.0.fetch_add(1, Ordering::Relaxed);
        1
    }
    for (builder, lookups_made) in [
        (Limiter::builder(), 1),
        (Limiter::builder().default_key(everyone), 1),
        (Limiter::builder().default_key(mine), 6),
    ] {
        let lookups = Lookups::default();
        let router = Router::new().route("/", get(handler));
        let app = App::with(router.layer(Extension(lookups.clone())), builder);
        assert_eq!(statuses(&app, 3).await, [401, 429, 429]);
        assert_eq!(lookups.count(), lookups_made);
    }
}

#[tokio::test]
async fn cheap_rules_are_charged_once() {
    #[rate_limit("3/minute", key = client_ip)]
    #[rate_limit("100/minute", key = account)]
    async fn login() {}
    let (app, _) = app(Router::new().route("/", get(login)));
    let get = || async {
        let mut request = Request::get("/").body(axum::body::Body::empty()).unwrap();
        request
            .headers_mut()
            .insert("x-key", "good".parse().unwrap());
        let peer = std::net::SocketAddr::from(([192, 0, 2, 1], 1));
        request
            .extensions_mut()
            .insert(axum::extract::ConnectInfo(peer));
        app.call(request).await
    };
    for left in ["r=2", "r=1", "r=0"] {
        let answer = get().await;
        assert_eq!(answer.status, OK);
        assert!(answer.header("ratelimit").unwrap().contains(left));
        let policies = "\"login\";q=3;w=60, \"login-2\";q=100;w=60";
        assert_eq!(answer.header("ratelimit-policy"), Some(policies));
    }
    assert_eq!(get().await.status, LIMITED);
}

#[tokio::test]
async fn a_request_that_a_rule_exempts_needs_no_key_for_it() {
    fn internal(headers: &HeaderMap) -> Option<Limits> {
        headers.get("x-external").map(|_| limits!("2/minute"))
    }
    #[rate_limit(internal, key = header("x-api-key"))]
    async fn exempting() {}
    let app = App::new(Router::new().route("/", get(exempting)));
    assert_eq!(statuses(&app, 3).await, [200; 3]);
    let mut external = Request::new(axum::body::Body::empty());
    let one = http::HeaderValue::from_static("1");
    external.headers_mut().insert("x-external", one);
    assert_eq!(app.call(external).await.status, BAD_REQUEST);
}
