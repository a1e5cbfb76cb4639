//! Handlers that take a `RateLimit`: they look at their limits, charge more and refund.

use crate::app::App;
use axum::{
    Json, Router,
    body::Body,
    extract::{Path, Request},
    response::Response,
    routing::get,
};
use http::{HeaderMap, StatusCode};
use limit_runtime::{
    HeaderStyle, Limiter, Limits, RateLimit, UnknownPolicy, everyone, limits, rate_limit,
};
use std::time::Duration;
use tower::ServiceExt;

const OK: StatusCode = StatusCode::OK;
const LIMITED: StatusCode = StatusCode::TOO_MANY_REQUESTS;

#[rate_limit("10/minute")]
async fn charge(Path(more): Path<u64>, limit: RateLimit) -> Json<Option<u64>> {
    limit.charge(more).await.unwrap();
    Json(limit.remaining())
}

#[rate_limit("10/minute", cost = eight)]
async fn refund(Path(units): Path<u64>, limit: RateLimit) -> Json<Option<u64>> {
    limit.refund(units).await.unwrap();
    Json(limit.remaining())
}

fn eight() -> u64 {
    8
}

#[rate_limit("10/minute")]
async fn try_charge(Path(more): Path<u64>, limit: RateLimit) -> Json<bool> {
    Json(limit.try_charge(more).await.unwrap().is_allowed())
}

#[rate_limit("5/minute", name = "requests")]
#[rate_limit("100/minute", name = "tokens")]
async fn complete(Path(tokens): Path<u64>, limit: RateLimit) -> Json<[Option<u64>; 2]> {
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

async fn look(limit: RateLimit) -> Json<Option<u64>> {
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
async fn a_charge_shows_in_the_headers_and_may_exceed_the_limit() {
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
async fn no_more_is_refunded_than_was_charged() {
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
async fn try_charge_takes_nothing_when_the_cost_does_not_fit() {
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
async fn extracting_a_rate_limit_without_attribute_and_layer_is_a_500() {
    let router = Router::new().route("/", get(look));
    let request = Request::get("/").body(Body::empty()).unwrap();
    let response = router.oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
}

#[tokio::test]
async fn a_handler_can_extract_the_limits_of_its_layer() {
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
async fn a_rate_limit_of_an_exempt_request_is_empty() {
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
async fn a_limited_handler_inside_another_shows_both_policies() {
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

#[tokio::test]
async fn a_rate_limit_is_empty_where_no_limit_applies() {
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
async fn an_optional_rate_limit_is_none_only_without_attribute_and_layer() {
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
