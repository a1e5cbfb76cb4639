//! `RateLimit` as a part of other extractors, on any thread and in nested handlers.

use crate::app::App;
use axum::{
    Json, Router,
    body::Body,
    extract::{FromRequestParts, Path, Request},
    routing::{get, post},
};
use http::{HeaderMap, StatusCode, request::Parts};
use limit_runtime::{RateLimit, RateLimitRejection, client_ip, everyone, rate_limit};
use tower::ServiceExt;

const OK: StatusCode = StatusCode::OK;

/// An extractor of the application that holds a `RateLimit` unseen by the attribute.
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
async fn a_rate_limit_may_be_part_of_another_extractor() {
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
async fn an_extracted_rate_limit_can_refund() {
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

/// The `RateLimit` is of the request whose arguments are extracted, on whatever thread its future
/// is polled next.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_requests_have_rate_limits_of_their_own() {
    #[rate_limit("1_000/minute", key = client_ip, cost = 1)]
    async fn own(metered: Metered, Path(cost): Path<u64>) -> String {
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
    async fn outer(_: Profile, limit: RateLimit) -> Json<Option<u64>> {
        Json(limit.remaining())
    }
    let app = App::new(Router::new().route("/", get(outer)));
    let answer = app.get("/").await;
    assert_eq!(answer.body, "9");
    assert_eq!(answer.header("ratelimit"), Some(r#""outer";r=9;t=60"#));
}

/// An extractor that blocks the thread on the handle would wait for itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blocking_on_the_extraction_of_a_rate_limit_is_an_error_and_no_deadlock() {
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
async fn a_rate_limit_belongs_to_the_limiter_that_admitted_the_request() {
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
