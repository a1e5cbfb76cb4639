//! Options of the attribute that change what counts, when, and what is answered.

use crate::app::App;
use axum::{
    Json, Router,
    extract::Path,
    response::Response,
    routing::{any, get, post},
};
use http::{HeaderMap, Method, StatusCode, Uri};
use limit_runtime::{Exceeded, Limiter, clock::Clock, everyone, header, limits, rate_limit};
use std::{sync::Arc, time::Duration};
use tokio::sync::Barrier;

const OK: StatusCode = StatusCode::OK;
const LIMITED: StatusCode = StatusCode::TOO_MANY_REQUESTS;

#[tokio::test]
async fn a_charge_is_refunded_when_the_response_does_not_count() {
    #[rate_limit("2/minute", count_when = |response: &Response| response.status() == StatusCode::UNAUTHORIZED)]
    async fn login(Path(password): Path<String>) -> StatusCode {
        if password == "right" {
            OK
        } else {
            StatusCode::UNAUTHORIZED
        }
    }
    let app = App::new(Router::new().route("/{password}", get(login)));
    for _ in 0..5 {
        let answer = app.get("/right").await;
        assert_eq!(answer.status, OK);
        assert_eq!(answer.header("ratelimit"), Some(r#""login";r=2;t=0"#));
    }
    let failed = app.get("/wrong").await;
    assert_eq!(failed.status, StatusCode::UNAUTHORIZED);
    assert_eq!(failed.header("ratelimit"), Some(r#""login";r=1;t=60"#));
    assert_eq!(app.get("/wrong").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(app.get("/right").await.status, LIMITED);
    app.clock.advance(Duration::from_secs(60));
    assert_eq!(app.get("/right").await.status, OK);
}

#[tokio::test]
async fn parallel_requests_cannot_pass_a_limit_on_failures() {
    #[rate_limit("1/minute", count_when = failed)]
    async fn login(axum::Extension(all_inside): axum::Extension<Arc<Barrier>>) -> StatusCode {
        all_inside.wait().await;
        StatusCode::UNAUTHORIZED
    }
    fn failed(response: &Response) -> bool {
        response.status().is_client_error()
    }
    let inside = Arc::new(Barrier::new(2));
    let router = Router::new().route("/", get(login));
    let app = App::new(router.layer(axum::Extension(inside.clone())));
    let first = app.get("/");
    let others = async {
        // One request is in the handler, and has not failed yet.
        let mut refused = 0;
        for _ in 0..20 {
            refused += usize::from(app.get("/").await.status == LIMITED);
        }
        inside.wait().await;
        refused
    };
    let (first, refused) = tokio::join!(first, others);
    assert_eq!(first.status, StatusCode::UNAUTHORIZED);
    assert_eq!(refused, 20);
}

#[tokio::test]
async fn methods_limits_those_alone_and_head_as_get() {
    #[rate_limit("1/minute", methods = [GET, POST])]
    async fn handler() {}
    let app = App::new(Router::new().route("/", any(handler)));
    let send = |method| app.send(method, "/", "192.0.2.1", "");
    for _ in 0..3 {
        let answer = send(Method::DELETE).await;
        assert_eq!((answer.status, answer.header("ratelimit")), (OK, None));
    }
    assert_eq!(send(Method::HEAD).await.status, OK);
    assert_eq!(send(Method::POST).await.status, LIMITED);
    assert_eq!(send(Method::GET).await.status, LIMITED);
    assert_eq!(send(Method::DELETE).await.status, OK);
}

#[tokio::test]
async fn a_scope_may_be_a_function_of_extractors() {
    fn tenant(uri: &Uri) -> &str {
        uri.path().split('/').nth(1).unwrap_or_default()
    }
    #[rate_limit("2/minute", scope = tenant, key = everyone)]
    async fn read() {}
    #[rate_limit("2/minute", scope = tenant, key = everyone)]
    async fn write() {}
    let app = App::new(
        Router::new()
            .route("/{tenant}/read", get(read))
            .route("/{tenant}/write", get(write)),
    );
    assert_eq!(app.get("/a/read").await.status, OK);
    assert_eq!(app.get("/a/write").await.status, OK);
    assert_eq!(app.get("/a/read").await.status, LIMITED);
    assert_eq!(app.get("/b/read").await.status, OK);
}

#[tokio::test]
async fn a_rule_in_a_shared_scope_shows_the_name_of_the_scope() {
    #[rate_limit("5/minute", scope = "models")]
    async fn small() {}
    #[rate_limit("5/minute", scope = "models")]
    async fn large() {}
    let app = App::new(
        Router::new()
            .route("/small", get(small))
            .route("/large", get(large)),
    );
    for number in 0..10 {
        let answer = app.get("/small").await;
        assert_eq!(answer.status, if number < 5 { OK } else { LIMITED });
        assert_eq!(
            answer.header("ratelimit-policy"),
            Some(r#""models";q=5;w=60"#)
        );
    }
    assert_eq!(app.get("/large").await.status, LIMITED);
}

#[tokio::test]
async fn on_limited_of_a_handler_takes_precedence_over_that_of_the_limiter() {
    fn too_many(exceeded: &Exceeded<'_>) -> (StatusCode, Json<String>) {
        (StatusCode::FORBIDDEN, Json(exceeded.to_string()))
    }
    #[rate_limit("1/minute", on_limited = too_many)]
    async fn own() {}
    #[rate_limit("1/minute", on_limited = |exceeded: &Exceeded<'_>| exceeded.key_label())]
    async fn closure() {}
    #[rate_limit("1/minute")]
    async fn other() {}
    let router = Router::new()
        .route("/own", get(own))
        .route("/closure", get(closure))
        .route("/other", get(other));
    let limiter = Limiter::builder().on_limited(|_: &Exceeded<'_>| StatusCode::IM_A_TEAPOT);
    let app = App::with(router, limiter);
    for (path, status, body) in [
        (
            "/own",
            StatusCode::FORBIDDEN,
            r#""Rate limit exceeded: 1 per minute""#,
        ),
        ("/closure", LIMITED, "client_ip"),
        ("/other", StatusCode::IM_A_TEAPOT, ""),
    ] {
        assert_eq!(app.get(path).await.status, OK);
        let refused = app.get(path).await;
        assert_eq!((refused.status, &*refused.body), (status, body), "{path}");
        assert_eq!(refused.header("retry-after"), Some("60"), "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn requests_wait_for_a_handler_with_a_wait() {
    #[rate_limit("1/second", key = everyone, wait = "2s")]
    async fn patient() {}
    let app = App::with(Router::new().route("/", get(patient)), Limiter::builder());
    let router = Router::new().route("/", get(patient));
    let limiter = Limiter::builder().clock(Clock::tokio()).build();
    let app = App {
        router: router.layer(limiter.layer()),
        clock: app.clock,
        limiter,
    };
    let start = tokio::time::Instant::now();
    let requests = [app.get("/"), app.get("/"), app.get("/"), app.get("/")];
    let [a, b, c, d] = requests;
    let (a, b, c, d) = tokio::join!(a, b, c, d);
    assert_eq!(
        [a.status, b.status, c.status, d.status],
        [OK, OK, OK, LIMITED]
    );
    assert_eq!(start.elapsed(), Duration::from_secs(2));
}

#[tokio::test]
async fn the_limiter_in_effect_is_an_extractor() {
    async fn upgrade(limiter: Limiter) -> StatusCode {
        let cleared = limiter.reset_key("models", "alice").await;
        match cleared {
            Ok(1) => OK,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
    fn user(headers: &HeaderMap) -> &str {
        let user = headers.get("x-user").map(|user| user.to_str());
        user.and_then(Result::ok).unwrap_or("alice")
    }
    #[rate_limit("1/minute", scope = "models", key = user)]
    async fn predict() {}
    let app = App::new(
        Router::new()
            .route("/", get(predict))
            .route("/upgrade", get(upgrade)),
    );
    assert_eq!(app.get("/").await.status, OK);
    assert_eq!(app.get("/").await.status, LIMITED);
    assert_eq!(app.get("/upgrade").await.status, OK);
    assert_eq!(app.get("/").await.status, OK);
}

#[tokio::test]
async fn a_reset_clears_the_budgets_of_all_keys() {
    #[rate_limit("1/minute")]
    async fn once() {}
    let app = App::new(Router::new().route("/", get(once)));
    for address in ["192.0.2.1", "192.0.2.2"] {
        assert_eq!(app.get_from(address, "/").await.status, OK);
        assert_eq!(app.get_from(address, "/").await.status, LIMITED);
    }
    app.limiter.reset_all().await.unwrap();
    for address in ["192.0.2.1", "192.0.2.2"] {
        assert_eq!(app.get_from(address, "/").await.status, OK);
    }
}

#[tokio::test]
async fn a_failed_extraction_counts_even_if_the_cost_depends_on_the_arguments() {
    #[rate_limit("3/minute", cost = inputs.len())]
    async fn batch(Json(inputs): Json<Vec<u8>>) -> String {
        inputs.len().to_string()
    }
    for body in ["]", "[]", "[7]"] {
        let app = App::new(Router::new().route("/", post(batch)));
        for number in 0..6 {
            let answer = app.send(Method::POST, "/", "192.0.2.1", body).await;
            assert_eq!(answer.status == LIMITED, number >= 3, "{body}: {number}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_charge_that_comes_after_the_arguments_waits_too() {
    #[rate_limit("2/second", key = everyone, cost = inputs.len(), wait = "5s")]
    async fn batch(Json(inputs): Json<Vec<u8>>) -> String {
        inputs.len().to_string()
    }
    let limiter = Limiter::builder().clock(Clock::tokio()).build();
    let app = App {
        router: Router::new().route("/", post(batch)).layer(limiter.layer()),
        ..App::new(Router::new())
    };
    let start = tokio::time::Instant::now();
    for seconds in [0, 1, 2] {
        let answer = app.send(Method::POST, "/", "192.0.2.1", "[1, 2]").await;
        assert_eq!((answer.status, start.elapsed().as_secs()), (OK, seconds));
    }
    // It never fits. While nothing is left, the client is refused like any other.
    for (wait, seconds) in [(Some("1"), 0), (None, 1)] {
        tokio::time::advance(Duration::from_secs(seconds)).await;
        let answer = app.send(Method::POST, "/", "192.0.2.1", "[1, 2, 3]").await;
        assert_eq!(
            (answer.status, answer.header("retry-after")),
            (LIMITED, wait)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn requests_wait_only_for_policies_with_a_wait() {
    #[rate_limit("1/second", key = everyone, wait = "5s")]
    #[rate_limit("2/day", key = everyone, name = "daily")]
    async fn both() {}
    let limiter = Limiter::builder().clock(Clock::tokio()).build();
    let app = App {
        router: Router::new().route("/", get(both)).layer(limiter.layer()),
        ..App::new(Router::new())
    };
    let start = tokio::time::Instant::now();
    for (status, seconds) in [(OK, 0), (OK, 1), (LIMITED, 1)] {
        let answer = app.get("/").await;
        assert_eq!(
            (answer.status, start.elapsed().as_secs()),
            (status, seconds)
        );
    }
}

#[tokio::test]
async fn the_policy_that_refused_answers() {
    #[rate_limit("100/minute", on_limited = |_: &Exceeded<'_>| StatusCode::IM_A_TEAPOT)]
    #[rate_limit("1/minute", name = "slow", on_limited = |_: &Exceeded<'_>| StatusCode::FORBIDDEN)]
    async fn both() {}
    let app = App::new(Router::new().route("/", get(both)));
    let first = app.get("/").await;
    let policies = r#""both";q=100;w=60, "slow";q=1;w=60"#;
    assert_eq!(first.header("ratelimit-policy"), Some(policies));
    assert_eq!(app.get("/").await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_disabled_limiter_resolves_no_key_and_allows_every_check() {
    #[rate_limit("1/minute", key = header("x-api-key"))]
    async fn keyed() {}
    #[rate_limit("1/minute")]
    async fn by_address() {}
    let limiter = Limiter::builder().enabled(false).build();
    let router = Router::new()
        .route("/keyed", get(keyed))
        .route("/", get(by_address));
    let app = App {
        router: router.layer(limiter.layer()),
        ..App::new(Router::new())
    };
    for path in ["/keyed", "/", "/keyed", "/"] {
        let request = http::Request::get(path).body(axum::body::Body::empty());
        assert_eq!(app.call(request.unwrap()).await.status, OK, "{path}");
    }
    for _ in 0..3 {
        let decision = limiter.check(&limits!("1/minute"), "alice").await.unwrap();
        assert!(decision.is_allowed());
        assert_eq!(decision.outcomes()[0].remaining(), 1);
    }
}

#[tokio::test]
async fn a_header_is_one_key_with_its_text() {
    #[rate_limit("1/minute", scope = "models", key = header("x-api-key"))]
    async fn keyed() {}
    let app = App::new(Router::new().route("/", get(keyed)));
    let send = || {
        let request = http::Request::get("/").header("x-api-key", "sk-1");
        app.call(request.body(axum::body::Body::empty()).unwrap())
    };
    assert_eq!(send().await.status, OK);
    assert_eq!(send().await.status, LIMITED);
    app.limiter.reset_key("models", "sk-1").await.unwrap();
    assert_eq!(send().await.status, OK);
}
