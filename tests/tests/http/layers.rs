//! Limits on routers, beside those of handlers.

use crate::app::App;
use axum::{
    Router,
    routing::{get, post},
};
use http::{Method, StatusCode};
use limit_runtime::{HeaderStyle, Limiter, client_ip, everyone, limits, rate_limit, route};
use std::convert::Infallible;
use tower::{Layer, ServiceExt, service_fn};

const OK: StatusCode = StatusCode::OK;
const LIMITED: StatusCode = StatusCode::TOO_MANY_REQUESTS;

#[rate_limit("3/minute")]
async fn thrice() {}

async fn free() {}

fn router() -> Router {
    Router::new()
        .route("/free", get(free).post(free))
        .route("/thrice", get(thrice))
        .route("/health", get(free))
        .route("/items/{id}", get(free))
}

/// The router under a layer of the same limiter.
fn app(layered: impl FnOnce(Router, &Limiter) -> Router) -> App {
    let (limiter, clock) = Limiter::for_test();
    App {
        router: layered(router(), &limiter),
        clock,
        limiter,
    }
}

#[tokio::test]
async fn a_layer_gives_all_routes_below_one_budget_per_client() {
    let app = app(|router, limiter| {
        router.layer(
            limiter
                .limit_layer("app", limits!("2/minute"))
                .key(client_ip),
        )
    });
    assert_eq!(app.get("/free").await.status, OK);
    assert_eq!(app.get("/health").await.status, OK);
    assert_eq!(app.get("/items/1").await.status, LIMITED);
    assert_eq!(app.get_from("192.0.2.2", "/free").await.status, OK);
}

#[tokio::test]
async fn the_scope_route_gives_each_route_its_own() {
    let app = app(|router, limiter| {
        router.layer(limiter.limit_layer("app", limits!("1/minute")).scope(route))
    });
    assert_eq!(app.get("/free").await.status, OK);
    assert_eq!(app.get("/items/1").await.status, OK);
    assert_eq!(app.get("/items/2").await.status, LIMITED);
    assert_eq!(app.get("/free").await.status, LIMITED);
}

#[tokio::test]
async fn an_excepted_request_is_not_limited_and_has_no_headers() {
    let app = app(|router, limiter| {
        router.layer(
            limiter
                .limit_layer("app", limits!("1/minute"))
                .except("/health")
                .except("/items/{id}")
                .skip_when(|parts| parts.headers.contains_key("x-internal")),
        )
    });
    for path in ["/health", "/items/1", "/items/2", "/health"] {
        let answer = app.get(path).await;
        assert_eq!(answer.status, OK, "{path}");
        assert_eq!(answer.header("ratelimit"), None);
    }
    assert_eq!(app.get("/free").await.status, OK);
    assert_eq!(app.get("/free").await.status, LIMITED);
}

#[tokio::test]
async fn methods_chooses_what_is_limited() {
    let app = app(|router, limiter| {
        router.layer(
            limiter
                .limit_layer("app", limits!("1/minute"))
                .methods([Method::POST]),
        )
    });
    for _ in 0..3 {
        assert_eq!(app.get("/free").await.status, OK);
    }
    let send = || app.send(Method::POST, "/free", "192.0.2.1", "");
    assert_eq!(send().await.status, OK);
    assert_eq!(send().await.status, LIMITED);
}

#[tokio::test]
async fn headers_show_the_layer_and_the_handler_once() {
    let app =
        app(|router, limiter| router.layer(limiter.limit_layer("everything", limits!("5/minute"))));
    let policies = r#""thrice";q=3;w=60, "everything";q=5;w=60"#;
    let first = app.get("/thrice").await;
    assert_eq!(first.header("ratelimit-policy"), Some(policies));
    assert_eq!(first.header("ratelimit"), Some(r#""thrice";r=2;t=60"#));
    assert_eq!(first.headers.get_all("ratelimit").iter().count(), 1);
    for _ in 0..3 {
        app.get("/free").await;
    }
    // One is left of the handler's three, and none of the layer's five.
    let fifth = app.get("/thrice").await;
    assert_eq!(fifth.status, OK);
    assert_eq!(fifth.header("ratelimit"), Some(r#""everything";r=0;t=60"#));
}

#[tokio::test]
async fn a_refusal_of_the_handler_shows_the_policy_of_the_layer_too() {
    let app =
        app(|router, limiter| router.layer(limiter.limit_layer("everything", limits!("9/minute"))));
    for _ in 0..3 {
        assert_eq!(app.get("/thrice").await.status, OK);
    }
    let refused = app.get("/thrice").await;
    assert_eq!(refused.status, LIMITED);
    let policies = r#""thrice";q=3;w=60, "everything";q=9;w=60"#;
    assert_eq!(refused.header("ratelimit-policy"), Some(policies));
    assert_eq!(refused.header("ratelimit"), Some(r#""thrice";r=0;t=60"#));
    assert!(refused.body.contains(r#""violated-policies":["thrice"]"#));
}

#[tokio::test]
async fn layers_and_handlers_can_share_a_budget() {
    #[rate_limit("4/minute", scope = "models", key = everyone)]
    async fn predict() {}

    let app = app(|router, limiter| {
        let layer = limiter
            .limit_layer("free", limits!("4/minute"))
            .key(everyone);
        router
            .route_layer(layer.scope("models"))
            .route("/predict", post(predict))
            .layer(limiter.layer())
    });
    for _ in 0..3 {
        assert_eq!(app.get("/free").await.status, OK);
    }
    let send = || app.send(Method::POST, "/predict", "192.0.2.9", "");
    assert_eq!(send().await.status, OK);
    assert_eq!(send().await.status, LIMITED);
    assert_eq!(app.get("/free").await.status, LIMITED);
}

#[tokio::test]
async fn a_layer_goes_around_any_service() {
    let limiter = Limiter::builder().header_style(HeaderStyle::Off).build();
    let hello = service_fn(|_: http::Request<String>| async {
        Ok::<_, Infallible>(http::Response::new("hello".to_owned()))
    });
    let layer = limiter
        .limit_layer("app", limits!("1/minute"))
        .key(everyone);
    let service = layer.except("/free").layer(hello);
    for (path, status) in [("/", OK), ("/", LIMITED), ("/free", OK)] {
        let request = http::Request::get(path).body(String::new()).unwrap();
        let response = service.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), status);
        assert!(!response.headers().contains_key("ratelimit"));
    }
}

#[tokio::test]
async fn limits_of_a_layer_may_be_a_function_that_exempts() {
    use http::HeaderMap;
    use limit_runtime::Limits;

    fn tier(headers: &HeaderMap) -> Option<Limits> {
        match headers.get("x-tier")?.to_str() {
            Ok("free") => Some(limits!("1/minute")),
            _ => Some(limits!("2/minute")),
        }
    }
    let app = app(|router, limiter| router.layer(limiter.limit_layer("tier", tier).key(everyone)));
    let send = |tier: Option<&str>| {
        let mut request = http::Request::get("/free");
        if let Some(tier) = tier {
            request = request.header("x-tier", tier);
        }
        app.call(request.body(axum::body::Body::empty()).unwrap())
    };
    assert_eq!(send(Some("free")).await.status, OK);
    assert_eq!(send(Some("free")).await.status, LIMITED);
    assert_eq!(send(Some("paid")).await.status, OK);
    assert_eq!(send(Some("paid")).await.status, LIMITED);
    assert_eq!(send(None).await.status, OK);
}

#[tokio::test]
async fn layers_share_the_budget_of_a_text_scope_whatever_their_names() {
    let app = app(|router, limiter| {
        let first = limiter
            .limit_layer("first", limits!("1/minute"))
            .scope("shared");
        let second = limiter.limit_layer("second", limits!("1/minute"));
        router.route_layer(first).merge(
            Router::new()
                .route("/other", get(free))
                .route_layer(second.scope(String::from("shared"))),
        )
    });
    let answer = app.get("/free").await;
    assert_eq!(answer.header("ratelimit"), Some(r#""first";r=0;t=60"#));
    let refused = app.get("/other").await;
    assert_eq!(refused.status, LIMITED);
    assert_eq!(refused.header("ratelimit"), Some(r#""second";r=0;t=60"#));
}

#[tokio::test]
async fn layers_of_different_names_have_budgets_of_their_own() {
    let app = app(|router, limiter| {
        let one = limiter.limit_layer("one", limits!("1/minute"));
        let other = limiter.limit_layer("other", limits!("1/minute"));
        let others = Router::new().route("/other", get(free)).route_layer(other);
        router.route_layer(one).merge(others)
    });
    assert_eq!(app.get("/free").await.status, OK);
    assert_eq!(app.get("/other").await.status, OK);
    assert_eq!(app.get("/free").await.status, LIMITED);
}

#[tokio::test]
async fn a_rate_limit_inside_another_extractor_is_never_that_of_a_layer() {
    #[rate_limit("10/minute")]
    async fn wrapped((limit, _): (limit_runtime::RateLimit, http::HeaderMap)) -> String {
        format!("{:?}", limit.remaining())
    }
    let app = app(|router, limiter| {
        let layer = limiter.limit_layer("app", limits!("5/minute"));
        router.route("/wrapped", get(wrapped)).route_layer(layer)
    });
    assert_eq!(app.get("/wrapped").await.body, "Some(9)");
}
