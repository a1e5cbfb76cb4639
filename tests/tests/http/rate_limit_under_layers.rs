//! The `RateLimit` that a handler takes under a layer.

use crate::app::App;
use crate::layer_options::{app, statuses};
use axum::{Json, Router, body::Body, routing::get};
use http::{HeaderMap, StatusCode};
use limit_runtime::{Limiter, Limits, RateLimit, everyone, limits, rate_limit};

const OK: StatusCode = StatusCode::OK;
const LIMITED: StatusCode = StatusCode::TOO_MANY_REQUESTS;

/// Looks at its limits, charges and refunds: what is left, and how many outcomes there are.
async fn look(limit: RateLimit) -> Json<(Option<u64>, usize)> {
    limit.charge(7).await.unwrap();
    limit.refund(7).await.unwrap();
    assert!(limit.only("app").is_ok());
    Json((limit.remaining(), limit.outcomes().len()))
}

#[tokio::test]
async fn a_rate_limit_is_empty_where_the_layer_does_not_apply() {
    fn unlimited() -> Option<Limits> {
        None
    }
    let (limiter, clock) = Limiter::for_test();
    let disabled = Limiter::builder().enabled(false).build();
    let layer = || limiter.limit_layer("app", limits!("1/minute"));
    for layer in [
        disabled.limit_layer("app", limits!("1/minute")),
        limiter.limit_layer("app", unlimited),
        layer().except("/"),
        layer().methods([http::Method::POST]),
        layer().skip_when(|_| true),
    ] {
        let app = App {
            router: Router::new().route("/", get(look)).layer(layer.clone()),
            clock: clock.clone(),
            limiter: limiter.clone(),
        };
        for _ in 0..3 {
            let answer = app.get("/").await;
            let found = (answer.status, answer.body.as_str());
            assert_eq!(found, (OK, "[null,0]"), "{layer:?}");
        }
    }
}

#[tokio::test]
async fn the_outer_layer_is_extracted_where_the_inner_one_does_not_apply() {
    let app = app(|limiter| {
        let inner = limiter
            .limit_layer("inner", limits!("1/minute"))
            .except("/");
        let outer = limiter.limit_layer("app", limits!("9/minute"));
        Router::new()
            .route("/", get(look))
            .layer(inner)
            .layer(outer)
    });
    assert_eq!(app.get("/").await.body, "[8,1]");
    assert_eq!(app.get("/").await.body, "[7,1]");
}

/// A handler that charges the layer for tokens is used with clients that this layer exempts.
#[tokio::test]
async fn an_inner_layer_that_exempts_is_known_by_its_name_and_hides_the_outer_one() {
    async fn complete(limit: RateLimit) -> Json<Option<u64>> {
        let tokens = limit.only("tokens").unwrap();
        tokens.charge(7).await.unwrap();
        Json(tokens.remaining())
    }
    async fn charge(limit: RateLimit) -> Json<Option<u64>> {
        limit.charge(7).await.unwrap();
        Json(limit.remaining())
    }
    let tier = |headers: &HeaderMap| match headers.get("x-internal") {
        Some(_) => None,
        None => Some(limits!("100/minute")),
    };
    let app = app(|limiter| {
        let inner = limiter.limit_layer("tokens", tier).key(everyone);
        let outer = limiter
            .limit_layer("requests", limits!("9/minute"))
            .key(everyone);
        let skipping = inner
            .clone()
            .skip_when(|parts| parts.headers.contains_key("x-internal"));
        Router::new()
            .route("/complete", get(complete))
            .route("/charge", get(charge))
            .layer(inner)
            .route("/skip", get(complete).layer(skipping))
            .layer(outer)
    });
    for (path, header, body, left) in [
        ("/complete", "x-other", "92", 8),
        ("/complete", "x-internal", "null", 7),
        ("/charge", "x-internal", "null", 6),
        ("/skip", "x-internal", "null", 5),
    ] {
        let request = http::Request::get(path).header(header, "1");
        let answer = app.call(request.body(Body::empty()).unwrap()).await;
        assert_eq!((answer.status, answer.body.as_str()), (OK, body), "{path}");
        // That of the outer layer is the strictest.
        let found = answer.header("ratelimit").unwrap();
        let expected = format!("\"requests\";r={left};");
        assert!(found.starts_with(&expected), "{path} {header}: {found}");
    }
}

#[tokio::test]
async fn an_exempt_layer_changes_nothing_for_a_handler_with_limits() {
    #[rate_limit("2/minute")]
    async fn own(limit: RateLimit) -> Json<Option<u64>> {
        Json(limit.remaining())
    }
    let app = app(|limiter| {
        let layer = limiter.limit_layer("app", limits!("1/minute"));
        Router::new().route("/", get(own)).layer(layer.except("/"))
    });
    let first = app.get("/").await;
    assert_eq!(first.body, "1");
    assert_eq!(first.header("ratelimit"), Some(r#""own";r=1;t=60"#));
    assert_eq!(statuses(&app, "/").await, [OK, LIMITED]);
}
