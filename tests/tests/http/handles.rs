//! Handlers that look at their limits, charge more, and give back.

use crate::app::App;
use axum::{
    Json, Router,
    body::Body,
    extract::{FromRequestParts, Path, Request},
    response::Response,
    routing::{get, post},
};
use http::{HeaderMap, StatusCode, request::Parts};
use limit_runtime::{
    HeaderStyle, Limiter, Limits, RateLimit, RateLimitRejection, UnknownPolicy, client_ip,
    everyone, limits, rate_limit,
};
use std::time::Duration;
use tower::ServiceExt;

const OK: StatusCode = StatusCode::OK;
const LIMITED: StatusCode = StatusCode::TOO_MANY_REQUESTS;

#[rate_limit("10/minute")]
async fn charge(Path(more): Path<u32>, limit: RateLimit) -> Json<Option<u32>> {
    limit.charge(more).await.unwrap();
    Json(limit.remaining())
}

#[rate_limit("10/minute", cost = eight)]
async fn refund(Path(units): Path<u32>, limit: RateLimit) -> Json<Option<u32>> {
    limit.refund(units).await.unwrap();
    Json(limit.remaining())
}

fn eight() -> u32 {
    8
}

#[rate_limit("10/minute")]
async fn try_charge(Path(more): Path<u32>, limit: RateLimit) -> Json<bool> {
    Json(limit.try_charge(more).await.unwrap().is_allowed())
}

#[rate_limit("5/minute", name = "requests")]
#[rate_limit("100/minute", name = "tokens")]
async fn complete(Path(tokens): Path<u32>, limit: RateLimit) -> Json<[Option<u32>; 2]> {
    limit.only("tokens").unwrap().charge(tokens).await.unwrap();
    let error = limit.only("tokns").unwrap_err().to_string();
    assert_eq!(
        error,
        "no policy of the handler is named `tokns`; use one of `requests`, `tokens`"
    );
    let remaining = |policy| limit.only(policy).unwrap().remaining();
    Json([remaining("requests"), remaining("tokens")])
}

async fn unlimited(_: RateLimit) {}

async fn look(limit: RateLimit) -> Json<Option<u32>> {
    Json(limit.remaining())
}

fn app() -> App {
    let router = Router::new()
        .route("/charge/{more}", get(charge))
        .route("/refund/{units}", get(refund))
        .route("/try/{more}", get(try_charge))
        .route("/complete/{tokens}", get(complete))
        .route("/unlimited", get(unlimited));
    App::new(router)
}

#[tokio::test]
async fn a_charge_shows_in_the_headers_and_may_go_into_debt() {
    let app = app();
    let first = app.get("/charge/3").await;
    assert_eq!(
        (first.body.as_str(), first.header("ratelimit")),
        ("6", Some(r#""charge";r=6;t=60"#))
    );
    app.clock.advance(Duration::from_secs(10));
    let second = app.get("/charge/12").await;
    assert_eq!(
        (second.body.as_str(), second.header("ratelimit")),
        ("0", Some(r#""charge";r=0;t=60"#))
    );
    let refused = app.get("/charge/0").await;
    assert_eq!(refused.status, LIMITED);
    // 4 + 13 were taken: 9 or fewer are left in the window only once the 13 have gone.
    assert_eq!(refused.header("retry-after"), Some("60"));
}

#[tokio::test]
async fn no_more_is_given_back_than_was_taken() {
    let app = app();
    let first = app.get("/refund/5").await;
    assert_eq!(
        (first.body.as_str(), first.header("ratelimit")),
        ("7", Some(r#""refund";r=7;t=60"#))
    );
    let second = app.get_from("192.0.2.2", "/refund/4000000000").await;
    assert_eq!(
        (second.body.as_str(), second.header("ratelimit")),
        ("10", Some(r#""refund";r=10;t=0"#))
    );
}

#[tokio::test]
async fn what_does_not_fit_is_not_charged_on_trial() {
    let app = app();
    assert_eq!(app.get("/try/9").await.body, "true");
    let app = self::app();
    let tried = app.get("/try/10").await;
    assert_eq!(
        (tried.body.as_str(), tried.header("ratelimit")),
        ("false", Some(r#""try_charge";r=9;t=60"#))
    );
}

#[tokio::test]
async fn one_policy_of_several_is_charged_by_its_name() {
    let app = app();
    let answer = app.get("/complete/59").await;
    assert_eq!(answer.body, "[4,40]");
    let policies = r#""requests";q=5;w=60, "tokens";q=100;w=60"#;
    assert_eq!(answer.header("ratelimit-policy"), Some(policies));
    app.get("/complete/200").await;
    let refused = app.get("/complete/1").await;
    assert_eq!(refused.status, LIMITED);
    assert!(
        refused.body.contains(r#""violated-policies":["tokens"]"#),
        "{}",
        refused.body
    );
}

#[tokio::test]
async fn without_an_attribute_and_a_layer_there_is_nothing_to_look_at() {
    let router = Router::new().route("/", get(look));
    let request = Request::get("/").body(Body::empty()).unwrap();
    let response = router.oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
}

#[tokio::test]
async fn the_limits_of_a_layer_can_be_looked_at_from_below() {
    let (limiter, clock) = Limiter::for_test();
    let layer = limiter.limit_layer("app", limits!("3/minute"));
    let router = Router::new().route("/", get(look)).layer(layer);
    let app = App {
        router,
        clock,
        limiter,
    };
    assert_eq!(app.get("/").await.body, "2");
    assert_eq!(app.get("/").await.body, "1");
}

#[tokio::test]
async fn a_handle_of_an_exempt_request_is_empty() {
    fn none() -> Option<Limits> {
        None
    }
    #[rate_limit(none)]
    async fn exempt(limit: RateLimit) -> Json<usize> {
        limit.charge(7).await.unwrap();
        limit.refund(7).await.unwrap();
        Json(limit.outcomes().len())
    }
    let limiter = Limiter::builder().header_style(HeaderStyle::Both);
    let app = App::with(Router::new().route("/", get(exempt)), limiter);
    for _ in 0..3 {
        let answer = app.get("/").await;
        assert_eq!((answer.status, answer.body.as_str()), (OK, "0"));
        assert_eq!(answer.header("x-ratelimit-limit"), None);
    }
}

#[rate_limit("2/minute", key = everyone, name = "inner")]
async fn inner() {}

#[rate_limit("100/minute", key = everyone, name = "outer")]
async fn outer(_limit: RateLimit, request: Request) -> Response {
    let nested = Router::new().route("/", get(inner));
    nested.oneshot(request).await.unwrap()
}

/// Under the process's limiter: there is no layer that leaves another.
#[tokio::test]
async fn a_limited_handler_within_another_tells_of_both() {
    let router = Router::new().route("/", get(outer));
    for (status, state) in [
        (OK, "\"inner\";r=1;"),
        (OK, "\"inner\";r=0;"),
        (LIMITED, "\"inner\";r=0;"),
    ] {
        let request = Request::get("/").body(Body::empty()).unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), status);
        let told = response.headers()["ratelimit"].to_str().unwrap();
        assert!(told.starts_with(state), "{told}");
        let policies = &response.headers()["ratelimit-policy"];
        assert_eq!(policies, "\"inner\";q=2;w=60, \"outer\";q=100;w=60");
    }
}

/// An extractor of the user's that holds the handle, and does not tell.
struct Metered {
    limit: RateLimit,
    path: String,
}

impl<S: Send + Sync> FromRequestParts<S> for Metered {
    type Rejection = RateLimitRejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, RateLimitRejection> {
        // Not in the first poll.
        tokio::task::yield_now().await;
        Ok(Self {
            limit: RateLimit::from_request_parts(parts, state).await?,
            path: parts.uri.path().to_owned(),
        })
    }
}

#[derive(FromRequestParts)]
struct Derived {
    metered: Metered,
    _headers: HeaderMap,
}

#[tokio::test]
async fn a_handle_may_be_part_of_another_extractor() {
    #[rate_limit("10/minute")]
    async fn derived(Derived { metered, .. }: Derived, _body: String) -> String {
        metered.limit.charge(4).await.unwrap();
        format!("{} {:?}", metered.path, metered.limit.remaining())
    }
    #[rate_limit("10/minute")]
    async fn tuple((limit, _): (RateLimit, HeaderMap)) -> String {
        format!("{:?}", limit.remaining())
    }
    #[rate_limit("10/minute; 100/hour", cost = body.len())]
    async fn late((limit, _): (RateLimit, HeaderMap), body: String) -> String {
        format!("{} {:?}", body.len(), limit.remaining())
    }
    #[rate_limit("10/second; 20/minute")]
    #[rate_limit("30/minute", key = everyone)]
    async fn several(metered: Metered, again: RateLimit) -> String {
        again.charge(2).await.unwrap();
        format!("{:?}", metered.limit.remaining())
    }
    let router = Router::new()
        .route("/derived", post(derived))
        .route("/tuple", get(tuple))
        .route("/late", post(late))
        .route("/several", get(several));
    let app = App::new(router);
    let post = |path| app.send(http::Method::POST, path, "192.0.2.1", "four");
    let answer = post("/derived").await;
    assert_eq!(answer.body, "/derived Some(5)");
    let left = answer.header("ratelimit").unwrap();
    assert!(left.starts_with("\"derived\";r=5;"), "{left}");
    assert_eq!(app.get("/tuple").await.body, "Some(9)");
    assert_eq!(post("/late").await.body, "4 Some(6)");
    assert_eq!(app.get("/several").await.body, "Some(7)");
}

#[tokio::test]
async fn a_handle_that_was_asked_for_is_refundable() {
    #[rate_limit("1/minute", key = everyone)]
    async fn free((limit, _): (RateLimit, HeaderMap)) {
        limit.refund(1).await.unwrap();
    }
    let app = App::new(Router::new().route("/", get(free)));
    for _ in 0..3 {
        let answer = app.get("/").await;
        assert_eq!(answer.status, OK);
        assert!(answer.header("ratelimit").unwrap().contains("r=1;"));
    }
}

#[tokio::test]
async fn where_no_limit_applies_the_handle_is_empty() {
    fn none() -> Option<Limits> {
        None
    }
    async fn empty(limit: RateLimit) -> String {
        limit.charge(7).await.unwrap();
        limit.refund(7).await.unwrap();
        format!("{:?}", limit.remaining())
    }
    #[rate_limit(none)]
    async fn exempt(limit: RateLimit) -> String {
        empty(limit).await
    }
    #[rate_limit("1/minute", methods = [POST])]
    async fn not_this_method((limit, _): (RateLimit, HeaderMap)) -> String {
        empty(limit).await
    }
    #[rate_limit("1/minute")]
    async fn limited(limit: RateLimit) -> String {
        empty(limit).await
    }
    let off = || Limiter::builder().enabled(false).build();
    let on = Limiter::new();
    let everywhere = |limiter: &Limiter| {
        limiter
            .limit_layer("layer", limits!("1/minute"))
            .key(everyone)
    };
    for (name, router) in [
        ("exempt", get(exempt).layer(on.layer())),
        ("method", get(not_this_method).layer(on.layer())),
        ("off", get(limited).layer(off().layer())),
        ("off, in a layer", get(empty).layer(everywhere(&off()))),
        (
            "skipped",
            get(limited).layer(Limiter::builder().skip_when(|_| true).build().layer()),
        ),
        (
            "exempt in a layer",
            get(empty).layer(on.limit_layer("layer", none).key(everyone)),
        ),
        (
            "excepted from a layer",
            get(empty).layer(everywhere(&on).except("/")),
        ),
        ("under a limiter alone", get(empty).layer(on.layer())),
    ] {
        let app = App {
            router: Router::new().route("/", router),
            ..App::new(Router::new())
        };
        for _ in 0..3 {
            let answer = app.get("/").await;
            assert_eq!(
                (answer.status, answer.body.as_str()),
                (OK, "None"),
                "{name}"
            );
            assert_eq!(answer.header("ratelimit"), None, "{name}");
        }
    }
}

#[tokio::test]
async fn an_optional_handle_is_none_only_where_neither_attribute_nor_layer_is() {
    async fn look(limit: Option<RateLimit>) -> String {
        format!("{:?}", limit.map(|limit| limit.remaining()))
    }
    #[rate_limit("10/minute", key = everyone)]
    async fn limited(limit: Option<RateLimit>) -> String {
        look(limit).await
    }
    let limiter = Limiter::new();
    let layer = limiter
        .limit_layer("layer", limits!("5/minute"))
        .key(everyone);
    for (expected, router) in [
        ("None", get(look)),
        ("Some(Some(9))", get(limited)),
        ("Some(None)", get(look).layer(limiter.layer())),
        ("Some(Some(4))", get(look).layer(layer)),
    ] {
        let app = App {
            router: Router::new().route("/", router),
            ..App::new(Router::new())
        };
        assert_eq!(app.get("/").await.body, expected);
    }
}

#[tokio::test]
async fn a_policy_that_exempts_the_request_is_known_by_its_name() {
    fn internal(headers: &HeaderMap) -> Option<Limits> {
        headers.get("x-external").map(|_| limits!("100/minute"))
    }
    #[rate_limit("5/minute", key = everyone, name = "requests")]
    #[rate_limit(internal, key = everyone, name = "tokens")]
    async fn complete(limit: RateLimit) -> Result<String, UnknownPolicy> {
        let tokens = limit.only("tokens")?;
        tokens.charge(50).await.unwrap();
        assert!(limit.only("tokenz").is_err());
        Ok(format!("{:?} {:?}", tokens.remaining(), limit.remaining()))
    }
    let app = App::new(Router::new().route("/", get(complete)));
    let answer = app.get("/").await;
    assert_eq!((answer.status, answer.body.as_str()), (OK, "None Some(4)"));
}

/// The handle is of the request whose arguments are extracted, wherever the future is polled next.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_on_all_threads_have_handles_of_their_own() {
    #[rate_limit("1_000/minute", key = client_ip, cost = 1)]
    async fn own(metered: Metered, Path(cost): Path<u32>) -> String {
        metered.limit.charge(cost).await.unwrap();
        format!("{:?}", metered.limit.remaining())
    }
    let app = App::new(Router::new().route("/{cost}", get(own)));
    let app = std::sync::Arc::new(app);
    let tasks: Vec<_> = (0..200_u32)
        .map(|number| {
            let app = app.clone();
            tokio::spawn(async move {
                let address = format!("10.0.0.{number}");
                let answer = app.get_from(&address, &format!("/{number}")).await;
                assert_eq!(answer.body, format!("Some({})", 999 - number));
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

/// An extractor that calls a limited handler of another router.
#[tokio::test]
async fn a_handler_that_is_called_by_an_extractor_has_limits_of_its_own() {
    struct Profile;
    impl<S: Sync> FromRequestParts<S> for Profile {
        type Rejection = StatusCode;
        async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, StatusCode> {
            #[rate_limit("50/minute")]
            #[rate_limit("60/minute", key = everyone)]
            async fn profile() {}
            let mut request = Request::new(Body::empty());
            *request.extensions_mut() = parts.extensions.clone();
            let router: Router = Router::new().route("/", get(profile));
            assert_eq!(router.oneshot(request).await.unwrap().status(), OK);
            Ok(Self)
        }
    }
    #[rate_limit("10/minute")]
    async fn outer(_: Profile, limit: RateLimit) -> Json<Option<u32>> {
        Json(limit.remaining())
    }
    let app = App::new(Router::new().route("/", get(outer)));
    let answer = app.get("/").await;
    assert_eq!(answer.body, "9");
    assert_eq!(answer.header("ratelimit"), Some(r#""outer";r=9;t=60"#));
}

/// An extractor that blocks the thread on the handle would wait for itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handle_that_is_blocked_on_is_an_error_and_no_standstill() {
    use tokio::{runtime::Handle, task::block_in_place};

    struct Blocking;
    impl<S: Sync> FromRequestParts<S> for Blocking {
        type Rejection = RateLimitRejection;
        async fn from_request_parts(
            parts: &mut Parts,
            state: &S,
        ) -> Result<Self, RateLimitRejection> {
            let limit = RateLimit::from_request_parts(parts, state);
            block_in_place(|| Handle::current().block_on(limit)).map(|_| Self)
        }
    }
    #[rate_limit("10/minute")]
    async fn handler(_: Blocking) {}
    let app = App::new(Router::new().route("/", get(handler)));
    let answer = app.get("/").await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
}

/// The charge goes to the limiter of the request, whatever head the extractor asks with.
#[tokio::test]
async fn a_handle_is_of_the_limiter_that_admitted_the_request() {
    struct Blind(RateLimit);
    impl<S: Send + Sync> FromRequestParts<S> for Blind {
        type Rejection = RateLimitRejection;
        async fn from_request_parts(_: &mut Parts, state: &S) -> Result<Self, RateLimitRejection> {
            let (mut parts, ()) = http::Request::new(()).into_parts();
            Ok(Self(
                RateLimit::from_request_parts(&mut parts, state).await?,
            ))
        }
    }
    #[rate_limit("10/minute", key = everyone)]
    async fn blind(Blind(limit): Blind) {
        limit.charge(3).await.unwrap();
    }
    let app = App::new(Router::new().route("/", get(blind)));
    for left in ["r=6;", "r=2;"] {
        let answer = app.get("/").await;
        let found = answer.header("ratelimit").unwrap();
        assert!(found.contains(left), "{found}");
    }
}
