//! Options of the attribute that change what counts, when, and what is answered.

use crate::app::App;
use axum::{
    Json, Router,
    extract::Path,
    response::Response,
    routing::{any, get},
};
use http::{HeaderMap, Method, StatusCode, Uri};
use limit_runtime::{Exceeded, Limiter, clock::Clock, everyone, rate_limit};
use std::{sync::Arc, time::Duration};
use tokio::sync::Barrier;

const OK: StatusCode = StatusCode::OK;
const LIMITED: StatusCode = StatusCode::TOO_MANY_REQUESTS;

#[tokio::test]
async fn a_charge_that_the_answer_does_not_count_for_is_given_back() {
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
async fn who_shares_a_budget_shows_its_name() {
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
async fn a_handler_answers_in_its_own_words_before_the_limiter_does() {
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
            r#""Rate limit exceeded: 1 per 1 minute""#,
        ),
        ("/closure", OK, "client_ip"),
        ("/other", StatusCode::IM_A_TEAPOT, ""),
    ] {
        assert_eq!(app.get(path).await.status, OK);
        let refused = app.get(path).await;
        assert_eq!((refused.status, &*refused.body), (status, body), "{path}");
        assert_eq!(refused.header("retry-after"), Some("60"), "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_handler_lets_requests_wait() {
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
        let cleared = limiter.clear("models", "alice").await;
        cleared.map_or(StatusCode::INTERNAL_SERVER_ERROR, |()| OK)
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
async fn reset_forgets_everybody() {
    #[rate_limit("1/minute")]
    async fn once() {}
    let app = App::new(Router::new().route("/", get(once)));
    for address in ["192.0.2.1", "192.0.2.2"] {
        assert_eq!(app.get_from(address, "/").await.status, OK);
        assert_eq!(app.get_from(address, "/").await.status, LIMITED);
    }
    app.limiter.reset().await.unwrap();
    for address in ["192.0.2.1", "192.0.2.2"] {
        assert_eq!(app.get_from(address, "/").await.status, OK);
    }
}
