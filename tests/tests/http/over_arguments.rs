//! Keys, scopes, limits and costs that are expressions over the handler's arguments.

use crate::app::{Answer, App};
use axum::{
    Json, Router,
    body::Body,
    extract::{ConnectInfo, Extension, FromRequestParts, Path, State},
    response::Response,
    routing::{get, post},
};
use http::{HeaderMap, Method, Request, StatusCode, request::Parts};
use limit_runtime::{
    IntoKey, Key, Limiter, Limits, RateLimit, bearer, client_ip, everyone, header, limits,
    rate_limit, route, store::Scope,
};
use serde::Deserialize;
use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

const OK: StatusCode = StatusCode::OK;
const LIMITED: StatusCode = StatusCode::TOO_MANY_REQUESTS;
const UNAUTHORIZED: StatusCode = StatusCode::UNAUTHORIZED;

#[derive(Deserialize)]
struct Login {
    email: String,
    #[serde(default)]
    tenant: Option<u32>,
}

fn login_of(email: &str) -> String {
    format!(r#"{{"email":"{email}"}}"#)
}

async fn send(app: &App, body: &str) -> StatusCode {
    let answer = app.send(Method::POST, "/", "192.0.2.1", body).await;
    answer.status
}

/// The statuses of requests with these bodies.
async fn statuses(app: &App, bodies: &[&str]) -> Vec<u16> {
    let mut statuses = Vec::new();
    for body in bodies {
        statuses.push(send(app, body).await.as_u16());
    }
    statuses
}

/// How often something has happened.
#[derive(Clone, Default)]
struct Count(Arc<AtomicUsize>);

impl Count {
    fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// A request with a body that counts how many of its frames are read.
fn counted(body: &str, peer: [u8; 4], frames: &Count) -> Request<Body> {
    let frames = frames.clone();
    let parts = body.as_bytes().chunks(8).map(<[u8]>::to_vec);
    let stream = futures_util::stream::iter(parts.collect::<Vec<_>>());
    let stream = futures_util::StreamExt::map(stream, move |chunk| {
        frames.add();
        Ok::<_, Infallible>(chunk)
    });
    let mut request = Request::post("/")
        .header("content-type", "application/json")
        .body(Body::from_stream(stream))
        .unwrap();
    let peer = SocketAddr::from((peer, 1234));
    request.extensions_mut().insert(ConnectInfo(peer));
    request
}

async fn call(app: &App, request: Request<Body>) -> Answer {
    app.call(request).await
}

#[tokio::test]
async fn the_key_is_a_field_of_the_body() {
    #[rate_limit("2/minute", key = login.email)]
    async fn handler(Json(login): Json<Login>) -> String {
        login.email
    }
    let app = App::new(Router::new().route("/", post(handler)));
    let (ann, ben) = (login_of("ann"), login_of("ben"));
    let found = statuses(&app, &[&ann, &ann, &ann, &ben, &ben, &ben]).await;
    assert_eq!(found, [200, 200, 429, 200, 200, 429]);
    // The budget is identified by the key as written, and counted by the value of the field.
    let scope = Scope::handler(concat!(module_path!(), "::handler"), "login.email");
    let check = app.limiter.check(&limits!("2/minute"), "ann").scope(scope);
    let decision = check.peek().await.unwrap();
    assert_eq!(decision.outcomes()[0].remaining(), 0);
    assert_eq!(app.limiter.reset_key(scope, "ann").await.unwrap(), 1);
    assert_eq!(send(&app, &ann).await, OK);
}

#[tokio::test]
async fn the_scope_is_a_field_of_the_body() {
    #[derive(Deserialize)]
    struct Chat {
        model: String,
    }
    #[rate_limit("2/minute", key = everyone, scope = request.model)]
    async fn handler(Json(request): Json<Chat>) -> String {
        request.model
    }
    #[rate_limit("2/minute", key = everyone, scope = request.model)]
    async fn shared(Json(request): Json<Chat>) -> String {
        request.model
    }
    let app = App::new(Router::new().route("/", post(handler).put(shared)));
    let (large, small) = (r#"{"model":"large"}"#, r#"{"model":"small"}"#);
    let found = statuses(&app, &[large, large, large, small]).await;
    assert_eq!(found, [200, 200, 429, 200]);
    let put = async |body| app.send(Method::PUT, "/", "192.0.2.1", body).await.status;
    assert_eq!(put(small).await, OK);
    assert_eq!(put(small).await, LIMITED);
    let scope = Scope::computed();
    assert_eq!(
        app.limiter.reset_key(scope, ("small", ())).await.unwrap(),
        1
    );
    assert_eq!(put(small).await, OK);
}

/// What keys may be: places of types that are keys by reference, by value or by `Clone`, and
/// whatever a key function may return.
#[tokio::test]
async fn keys_of_every_kind() {
    #[derive(Clone, Copy, Deserialize)]
    struct ById(u64);
    impl IntoKey for ById {
        fn into_key(self) -> Key {
            ("id", self.0).into_key()
        }
    }
    #[derive(Deserialize)]
    struct ByRef(String);
    impl IntoKey for &ByRef {
        fn into_key(self) -> Key {
            ("name", self.0.as_str()).into_key()
        }
    }
    #[derive(Deserialize)]
    struct User {
        id: u64,
        by_id: ById,
        by_ref: ByRef,
        names: Vec<String>,
        pair: (u32, bool),
        address: std::net::IpAddr,
    }
    async fn later(name: &str) -> Result<String, StatusCode> {
        tokio::task::yield_now().await;
        Ok(name.to_owned())
    }
    macro_rules! handlers {
        ($user:ident: $($key:expr),* $(,)?) => {{
            let mut apps = Vec::new();
            $({
                #[rate_limit("2/minute", key = $key)]
                async fn handler(Json($user): Json<User>) -> String {
                    $user.names.concat()
                }
                apps.push((stringify!($key), App::new(Router::new().route("/", post(handler)))));
            })*
            apps
        }};
    }
    let apps = handlers![user:
        user.id,
        user.by_id,
        user.by_ref,
        user.names[0],
        (user.names[0]),
        user.names[0].as_str(),
        user.names.first().ok_or(UNAUTHORIZED),
        user.pair.0,
        user.address,
        user.id + 1,
        format!("{}", user.id),
        (user.id, "v1"),
        (client_ip, user.id),
        ((everyone, user.by_ref), (user.pair.1, user.id)),
        later(&user.names[0]),
        (client_ip, later(&user.names[0])),
        async move { user.id },
        if user.id > 1 { "many" } else { "one" },
    ];
    for (key, app) in apps {
        let user = |id: u64| {
            let user = serde_json::json!({
                "id": id,
                "by_id": id,
                "by_ref": id.to_string(),
                "names": [id.to_string()],
                "pair": [id, id > 1],
                "address": format!("192.0.2.{id}"),
            });
            user.to_string()
        };
        let (one, two) = (user(1), user(2));
        let found = statuses(&app, &[&one, &one, &one, &two, &two, &two]).await;
        assert_eq!(found, [200, 200, 429, 200, 200, 429], "{key}");
    }
}

#[tokio::test]
async fn names_of_every_kind_of_pattern() {
    #[rate_limit("2/minute", key = user_id)]
    async fn by_path(Path(user_id): Path<u64>) -> String {
        user_id.to_string()
    }
    #[rate_limit("2/minute", key = (name, n, *first))]
    async fn by_patterns(
        Path((mut name, _)): Path<(String, u32)>,
        State(&n): State<&'static u32>,
        Extension((ref first, ..)): Extension<(u8, u8)>,
    ) -> String {
        name.push('x');
        format!("{name}{n}{first}")
    }
    let router = Router::new()
        .route("/path/{id}", get(by_path))
        .route("/patterns/{name}/{number}", get(by_patterns))
        .layer(Extension((1_u8, 2_u8)))
        .with_state(&7_u32);
    let app = App::new(router);
    for (one, other) in [("/path/1", "/path/2"), ("/patterns/a/1", "/patterns/b/1")] {
        for path in [one, other] {
            for status in [OK, OK, LIMITED] {
                assert_eq!(app.get(path).await.status, status, "{path}");
            }
        }
    }
}

#[tokio::test]
async fn limits_over_an_argument() {
    #[derive(Clone, Copy)]
    enum Plan {
        Free,
        Paid,
        Internal,
        Unknown,
    }
    impl Plan {
        fn limits(self) -> Result<Option<Limits>, StatusCode> {
            match self {
                Self::Free => Ok(Some(limits!("1/minute"))),
                Self::Paid => Ok(Some(limits!("3/minute"))),
                Self::Internal => Ok(None),
                Self::Unknown => Err(UNAUTHORIZED),
            }
        }
    }
    impl<S: Sync> FromRequestParts<S> for Plan {
        type Rejection = Infallible;
        async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
            Ok(match parts.uri.path() {
                "/free" => Self::Free,
                "/paid" => Self::Paid,
                "/internal" => Self::Internal,
                _ => Self::Unknown,
            })
        }
    }
    #[rate_limit(plan.limits(), key = everyone, scope = route)]
    async fn handler(plan: Plan) {
        let _ = plan;
    }
    let router = ["/free", "/paid", "/internal", "/unknown"]
        .into_iter()
        .fold(Router::new(), |router, path| {
            router.route(path, get(handler))
        });
    let app = App::new(router);
    for (path, expected) in [
        ("/free", [200, 429, 429, 429]),
        ("/paid", [200, 200, 200, 429]),
        ("/internal", [200; 4]),
        ("/unknown", [401; 4]),
    ] {
        for status in expected {
            assert_eq!(app.get(path).await.status, status, "{path}");
        }
    }
    let answer = app.get("/internal").await;
    assert_eq!(answer.header("ratelimit"), None);
}

#[tokio::test]
async fn a_rule_without_arguments_refuses_before_anything_is_extracted() {
    #[derive(Clone)]
    struct Seen;
    impl<S: Sync> FromRequestParts<S> for Seen {
        type Rejection = Infallible;
        async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
            parts.extensions.get::<Count>().unwrap().add();
            Ok(Self)
        }
    }
    #[rate_limit("1/minute", key = client_ip)]
    #[rate_limit("100/minute", key = login.email)]
    async fn handler(_: Seen, Json(login): Json<Login>) -> String {
        login.email
    }
    let (extracted, frames) = (Count::default(), Count::default());
    let router = Router::new().route("/", post(handler));
    let app = App::new(router.layer(Extension(extracted.clone())));
    let body = login_of("ann@example.org");
    let read = body.len().div_ceil(8);
    let answer = call(&app, counted(&body, [192, 0, 2, 1], &frames)).await;
    assert_eq!(
        (answer.status, extracted.get(), frames.get()),
        (OK, 1, read)
    );
    assert_eq!(answer.body, "ann@example.org");
    let answer = call(&app, counted(&body, [192, 0, 2, 1], &frames)).await;
    assert_eq!(
        (answer.status, extracted.get(), frames.get()),
        (LIMITED, 1, read)
    );
    assert!(answer.header("retry-after").is_some());
    // Nothing was consumed of the other rule.
    let scope = Scope::handler(concat!(module_path!(), "::handler"), "login.email");
    let check = app.limiter.check(&limits!("100/minute"), "ann@example.org");
    let decision = check.scope(scope).peek().await.unwrap();
    assert_eq!(decision.outcomes()[0].remaining(), 99);
}

/// The rules use the path alone, so the body of a refused request stays unread.
#[tokio::test]
async fn the_charge_comes_before_the_arguments_that_no_rule_uses() {
    #[rate_limit("1/minute", key = user_id)]
    async fn handler(
        Extension(order): Extension<Order>,
        Path(user_id): Path<u64>,
        _: Second,
        body: String,
    ) -> String {
        order.add("handler");
        format!("{user_id} {body}")
    }
    #[derive(Clone, Default)]
    struct Order(Arc<Mutex<Vec<&'static str>>>);
    impl Order {
        fn add(&self, step: &'static str) {
            self.0.lock().unwrap().push(step);
        }
    }
    struct Second;
    impl<S: Sync> FromRequestParts<S> for Second {
        type Rejection = StatusCode;
        async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, StatusCode> {
            parts.extensions.get::<Order>().unwrap().add("second");
            // The charge has been made.
            let limit = RateLimit::from_request_parts(parts, state).await;
            match limit.unwrap().remaining() {
                Some(0) => Ok(Self),
                other => panic!("{other:?}"),
            }
        }
    }
    let (order, frames) = (Order::default(), Count::default());
    let router = Router::new().route("/{id}", post(handler));
    let app = App::new(router.layer(Extension(order.clone())));
    let request = |path: &str| {
        let mut request = counted("0123456789", [192, 0, 2, 1], &frames);
        *request.uri_mut() = path.parse().unwrap();
        request
    };
    let answer = call(&app, request("/7")).await;
    assert_eq!((answer.status, answer.body.as_str()), (OK, "7 0123456789"));
    assert_eq!(frames.get(), 2);
    assert_eq!(call(&app, request("/7")).await.status, LIMITED);
    assert_eq!(frames.get(), 2);
    assert_eq!(*order.0.lock().unwrap(), ["second", "handler"]);
    assert_eq!(call(&app, request("/8")).await.status, OK);
    // Not a number: the rule is not resolved, and nothing counts.
    assert_eq!(call(&app, request("/x")).await.status, 400);
}

#[tokio::test]
async fn the_functions_of_a_rule_run_before_the_body_is_read() {
    #[rate_limit("2/minute", key = bearer, scope = login.email)]
    async fn handler(Json(login): Json<Login>) -> String {
        login.email
    }
    let app = App::new(Router::new().route("/", post(handler)));
    let frames = Count::default();
    let body = login_of("ann");
    let answer = call(&app, counted(&body, [192, 0, 2, 1], &frames)).await;
    assert_eq!((answer.status, frames.get()), (UNAUTHORIZED, 0));
    let authorized = |token: &str| {
        let mut request = counted(&body, [192, 0, 2, 1], &frames);
        let value = format!("Bearer {token}").parse().unwrap();
        request.headers_mut().insert("authorization", value);
        request
    };
    for (token, status) in [("a", OK), ("a", OK), ("a", LIMITED), ("b", OK)] {
        assert_eq!(call(&app, authorized(token)).await.status, status);
    }
}

#[tokio::test]
async fn rejections_count_on_the_rules_that_are_resolved() {
    fn tenant(login: &Login) -> Result<u32, StatusCode> {
        login.tenant.ok_or(UNAUTHORIZED)
    }
    #[rate_limit("3/minute", key = client_ip)]
    #[rate_limit("9/minute", key = login.email)]
    async fn by_argument(Json(login): Json<Login>) -> String {
        login.email
    }
    #[rate_limit("9/minute", key = tenant(login), name = "tenant")]
    #[rate_limit("3/minute", key = login.email)]
    async fn by_expression(Json(login): Json<Login>) -> String {
        login.email
    }
    #[rate_limit("9/minute", key = everyone, cost = tenant(login), name = "tenant")]
    #[rate_limit("3/minute", key = login.email)]
    async fn by_cost(Json(login): Json<Login>) -> String {
        login.email
    }
    let app = App::new(Router::new().route("/", post(by_argument)));
    let found = statuses(&app, &["{", "{", "{", "{", &login_of("ann")]).await;
    assert_eq!(found, [400, 400, 400, 429, 429]);
    let ann = login_of("ann");
    for router in [post(by_expression), post(by_cost)] {
        let app = App::new(Router::new().route("/", router));
        let found = statuses(&app, &[&ann, &ann, &ann, &ann]).await;
        assert_eq!(found, [401, 401, 401, 429]);
        let known = r#"{"email":"ben","tenant":1}"#;
        assert_eq!(send(&app, known).await, OK);
    }
}

#[tokio::test]
async fn a_rate_limit_is_that_of_all_rules_wherever_it_is_extracted() {
    #[rate_limit("9/minute", key = client_ip, name = "address")]
    #[rate_limit("5/minute", key = login.email, name = "email")]
    async fn handler(before: RateLimit, Json(login): Json<Login>) -> String {
        let left = before.remaining();
        before.only("email").unwrap().charge(2).await.unwrap();
        let email = before.only("email").unwrap().remaining();
        let address = before.only("address").unwrap().remaining();
        format!("{} {left:?} {email:?} {address:?}", login.email)
    }
    #[rate_limit("5/minute", key = user_id)]
    async fn between(before: RateLimit, Path(user_id): Path<u32>, after: RateLimit) -> String {
        before.charge(2).await.unwrap();
        format!("{user_id} {:?} {:?}", before.remaining(), after.remaining())
    }
    let router = Router::new()
        .route("/", post(handler))
        .route("/{id}", get(between));
    let app = App::new(router);
    let answer = app
        .send(Method::POST, "/", "192.0.2.1", &login_of("ann"))
        .await;
    assert_eq!(answer.body, "ann Some(4) Some(2) Some(8)");
    assert_eq!(answer.header("ratelimit"), Some("\"email\";r=2;t=60"));
    let answer = app.get("/7").await;
    assert_eq!(answer.body, "7 Some(2) Some(2)");
    assert!(answer.header("ratelimit").unwrap().contains("r=2;"));
}

/// A charge that an extractor makes before the rules are known is kept, and given back once.
#[tokio::test]
async fn charges_before_the_arguments_are_known_are_kept() {
    struct Eager(RateLimit);
    impl<S: Sync> FromRequestParts<S> for Eager {
        type Rejection = StatusCode;
        async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, StatusCode> {
            let limit = RateLimit::from_request_parts(parts, state).await;
            let limit = limit.map_err(|_| UNAUTHORIZED)?;
            limit.charge(3).await.map_err(|_| UNAUTHORIZED)?;
            Ok(Self(limit))
        }
    }
    #[rate_limit("7/minute", key = login.email, name = "first")]
    #[rate_limit("9/minute", key = client_ip, name = "second")]
    async fn handler(Eager(limit): Eager, Json(login): Json<Login>) -> String {
        let second = limit.only("second").unwrap();
        let before = second.remaining();
        limit.refund(100).await.unwrap();
        let first = limit.only("first").unwrap();
        format!(
            "{} {before:?} {:?} {:?}",
            login.email,
            second.remaining(),
            first.remaining()
        )
    }
    let app = App::new(Router::new().route("/", post(handler)));
    for _ in 0..2 {
        let answer = app
            .send(Method::POST, "/", "192.0.2.1", &login_of("ann"))
            .await;
        assert_eq!(answer.body, "ann Some(5) Some(9) Some(7)");
    }
}

#[tokio::test]
async fn rules_of_one_budget_are_merged_whether_or_not_they_use_arguments() {
    fn tenant(headers: &HeaderMap) -> String {
        headers["x-tenant"].to_str().unwrap().to_owned()
    }
    // For a request of the tenant "ann" both rules are one budget.
    #[rate_limit("3/minute", key = tenant, scope = "merged", name = "tenant")]
    #[rate_limit("2/minute", key = login.email, scope = "merged", cost = 1, name = "email")]
    async fn handler(Json(login): Json<Login>) -> String {
        login.email
    }
    let app = App::new(Router::new().route("/", post(handler)));
    let request = |email: &str| {
        let mut request = counted(&login_of(email), [192, 0, 2, 1], &Count::default());
        let value = "ann".parse().unwrap();
        request.headers_mut().insert("x-tenant", value);
        request
    };
    for (email, status) in [
        ("ann", OK),
        ("ann", OK),
        ("ann", LIMITED),
        ("ben", OK),
        ("ben", LIMITED),
    ] {
        assert_eq!(call(&app, request(email)).await.status, status, "{email}");
    }
}

#[tokio::test]
async fn methods_exempt_without_calling_the_expression() {
    fn never(_: &str) -> u32 {
        panic!("called for a request that the rule does not limit")
    }
    #[rate_limit("1/minute", key = never(body), methods = [POST], name = "posts")]
    #[rate_limit("9/minute", key = everyone, cost = never(body), methods = [POST], name = "costs")]
    #[rate_limit("2/minute", key = (everyone, body.len()), methods = [GET], name = "gets")]
    async fn handler(body: String) -> String {
        body
    }
    let app = App::new(Router::new().route("/", get(handler)));
    for (method, status) in [
        (Method::GET, OK),
        (Method::HEAD, OK),
        (Method::GET, LIMITED),
    ] {
        let answer = app.send(method, "/", "192.0.2.1", "").await;
        assert_eq!(answer.status, status);
    }
}

#[tokio::test]
async fn a_disabled_limiter_calls_no_expression() {
    fn never(_: &str) -> u32 {
        panic!("called by a disabled limiter")
    }
    #[rate_limit("1/minute", key = never(body))]
    async fn last(body: String) -> String {
        body
    }
    #[rate_limit("1/minute", key = never(name))]
    async fn first(Path(name): Path<String>, body: String) -> String {
        format!("{name}{body}")
    }
    let router = Router::new()
        .route("/", post(last))
        .route("/{name}", post(first));
    let app = App::with(router, Limiter::builder().enabled(false));
    for path in ["/", "/a"] {
        for _ in 0..3 {
            let answer = app.send(Method::POST, path, "192.0.2.1", "b").await;
            assert_eq!(answer.status, OK);
            assert_eq!(answer.header("ratelimit"), None);
        }
    }
}

#[tokio::test]
async fn dry_run_rules_are_asked_after_the_live_ones_have_admitted() {
    fn asked(login: &Login, count: &Count) -> String {
        count.add();
        login.email.clone()
    }
    #[rate_limit("2/minute", key = login.email)]
    #[rate_limit("1/minute", key = asked(login, count), dry_run, name = "trial")]
    #[rate_limit("9/minute", key = everyone, cost = login.email.len(), dry_run, name = "trial-costs")]
    async fn handler(Extension(count): Extension<Count>, Json(login): Json<Login>) -> String {
        login.email
    }
    #[rate_limit("2/minute", key = name)]
    #[rate_limit("1/minute", key = (everyone, *name), dry_run, name = "trial-early")]
    async fn early(Path(name): Path<u32>, _: String) -> String {
        name.to_string()
    }
    let count = Count::default();
    let router = Router::new()
        .route("/", post(handler))
        .route("/{n}", post(early));
    let app = App::new(router.layer(Extension(count.clone())));
    let ann = login_of("ann");
    assert_eq!(statuses(&app, &[&ann, &ann, &ann]).await, [200, 200, 429]);
    assert_eq!(count.get(), 2);
    for status in [OK, OK, LIMITED] {
        let answer = app.send(Method::POST, "/5", "192.0.2.1", "").await;
        assert_eq!(answer.status, status);
    }
    let stats = app.limiter.stats();
    let would = |name: &str| {
        let policy = stats.policies.iter().find(|policy| policy.policy == name);
        let requests = policy.unwrap().requests;
        (requests.allowed, requests.would_limit)
    };
    assert_eq!(would("trial"), (1, 1));
    assert_eq!(would("trial-costs"), (2, 0));
    assert_eq!(would("trial-early"), (1, 1));
}

#[tokio::test]
async fn count_when_and_wait_apply() {
    fn is_failure(response: &Response) -> bool {
        response.status() == UNAUTHORIZED
    }
    #[rate_limit("2/minute", key = login.email, count_when = is_failure)]
    async fn handler(Json(login): Json<Login>) -> StatusCode {
        match login.tenant {
            Some(_) => OK,
            None => UNAUTHORIZED,
        }
    }
    let app = App::new(Router::new().route("/", post(handler)));
    let (good, bad) = (r#"{"email":"ann","tenant":1}"#, login_of("ann"));
    let found = statuses(&app, &[good, good, good, &bad, &bad, &bad, good]).await;
    assert_eq!(found, [200, 200, 200, 401, 401, 429, 429]);
}

#[tokio::test]
async fn late_refusals_have_the_response_of_on_limited_and_the_head() {
    fn too_many(exceeded: &limit_runtime::Exceeded<'_>) -> (StatusCode, String) {
        let path = exceeded.parts().uri.path();
        (LIMITED, format!("{path} {}", exceeded.key_label()))
    }
    #[rate_limit("1/minute", key = login.email, on_limited = too_many)]
    async fn last(Json(login): Json<Login>) -> String {
        login.email
    }
    #[rate_limit("1/minute", key = name, on_limited = too_many)]
    async fn first(Path(name): Path<String>, _: String) -> String {
        name
    }
    let router = Router::new()
        .route("/", post(last))
        .route("/{name}", post(first));
    let app = App::new(router);
    for (path, expected) in [("/", "/ login.email"), ("/a", "/a name")] {
        let mut answers = Vec::new();
        for _ in 0..2 {
            answers.push(
                app.send(Method::POST, path, "192.0.2.1", &login_of("ann"))
                    .await,
            );
        }
        assert_eq!(answers[1].status, LIMITED);
        assert_eq!(answers[1].body, expected);
    }
}

#[tokio::test]
async fn the_list_of_policies_shows_expressions_as_written() {
    #[rate_limit("7/minute", key = (header("x-app"), login.email), scope = login.tenant.unwrap_or(0), name = "listed-over-arguments")]
    async fn handler(Json(login): Json<Login>) -> String {
        login.email
    }
    let _ = handler;
    let limiter = Limiter::new();
    let policies = limiter.policies();
    let policy = policies
        .iter()
        .find(|policy| policy.policy == "listed-over-arguments")
        .unwrap();
    assert_eq!(policy.key, "(header(\"x-app\"), login.email)");
    assert_eq!(policy.scope, "login.tenant.unwrap_or(0)");
}

/// Two budgets for one request: both or none.
#[tokio::test]
async fn all_rules_are_charged_or_none() {
    #[rate_limit("2/minute", key = login.email)]
    #[rate_limit("3/minute", key = everyone, name = "all")]
    async fn handler(Json(login): Json<Login>) -> String {
        login.email
    }
    let app = App::new(Router::new().route("/", post(handler)));
    let (ann, ben, cid) = (login_of("ann"), login_of("ben"), login_of("cid"));
    let found = statuses(&app, &[&ann, &ann, &ann, &ann, &ben, &cid]).await;
    assert_eq!(found, [200, 200, 429, 429, 200, 429]);
}
