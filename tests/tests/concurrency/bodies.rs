//! When a permit is released: with the end of the response's body, however that comes.

use crate::Server;
use axum::{
    Router,
    body::{Body, Bytes, HttpBody},
    response::Response,
    routing::get,
};
use futures_util::{StreamExt, stream};
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use limit_runtime::{Limiter, everyone, rate_limit};
use std::{convert::Infallible, io, time::Duration};
use tower::ServiceExt;

fn endless() -> Body {
    let frames = stream::repeat(Ok::<_, Infallible>(Bytes::from_static(b"token ")));
    Body::from_stream(frames)
}

#[rate_limit(concurrency = 1, key = everyone)]
async fn streamed() -> Body {
    let frames = [b"one ".as_slice(), b"two"].map(|text| Ok::<_, Infallible>(Bytes::from(text)));
    Body::from_stream(stream::iter(frames))
}

#[rate_limit(concurrency = 1, key = everyone)]
async fn unending() -> Body {
    endless()
}

#[rate_limit(concurrency = 1, key = everyone)]
async fn failing() -> Body {
    let frames = [
        Ok(Bytes::from_static(b"one")),
        Err(io::Error::other("broken")),
    ];
    Body::from_stream(stream::iter(frames).chain(stream::pending()))
}

#[rate_limit(concurrency = 1, key = everyone)]
async fn whole() -> &'static str {
    "hello"
}

#[rate_limit(concurrency = 1, key = everyone)]
async fn empty() {}

#[rate_limit(concurrency = 1, key = everyone)]
async fn trailing() -> Response {
    let mut trailers = HeaderMap::new();
    trailers.insert("x-usage", HeaderValue::from_static("7"));
    let frames = [
        Frame::data(Bytes::from_static(b"data")),
        Frame::trailers(trailers),
    ];
    let frames = stream::iter(frames.map(Ok::<_, Infallible>));
    Response::new(Body::new(StreamBody::new(frames)))
}

#[rate_limit(concurrency = 1, key = everyone)]
async fn panicking() -> &'static str {
    panic!("the handler is broken")
}

#[rate_limit(concurrency = 1, hold_at_most = "10m", key = everyone)]
async fn bounded() -> Body {
    let frames = stream::unfold(0, |count| async move {
        tokio::time::sleep(Duration::from_secs(60)).await;
        Some((
            Ok::<_, Infallible>(Bytes::from_static(b"token ")),
            count + 1,
        ))
    });
    Body::from_stream(frames)
}

struct App {
    limiter: Limiter,
    router: Router,
}

impl App {
    fn new() -> Self {
        let limiter = Limiter::builder().build();
        let router = Router::new()
            .route("/streamed", get(streamed))
            .route("/unending", get(unending))
            .route("/failing", get(failing))
            .route("/whole", get(whole))
            .route("/empty", get(empty))
            .route("/trailing", get(trailing))
            .route("/panicking", get(panicking))
            .route("/bounded", get(bounded))
            .layer(limiter.layer());
        Self { limiter, router }
    }

    async fn call(&self, method: &str, path: &str) -> Response {
        let request = Request::builder().method(method).uri(path);
        let request = request.body(Body::empty()).unwrap();
        self.router.clone().oneshot(request).await.unwrap()
    }

    async fn get(&self, path: &str) -> Response {
        self.call("GET", path).await
    }

    fn in_flight(&self) -> u64 {
        self.limiter.usage().unwrap().permits
    }
}

#[tokio::test]
async fn a_permit_is_held_until_the_end_of_a_stream() {
    let app = App::new();
    let mut body = app.get("/streamed").await.into_body();
    assert_eq!(app.in_flight(), 1);
    assert_eq!(
        app.get("/streamed").await.status(),
        StatusCode::TOO_MANY_REQUESTS
    );
    assert_eq!(
        body.frame().await.unwrap().unwrap().into_data().unwrap(),
        "one "
    );
    assert_eq!(
        body.frame().await.unwrap().unwrap().into_data().unwrap(),
        "two"
    );
    assert_eq!(app.in_flight(), 1);
    assert!(body.frame().await.is_none());
    assert_eq!(app.in_flight(), 0);
    // A body that is polled after its end ends again.
    assert!(body.frame().await.is_none());
    assert_eq!(app.in_flight(), 0);
    assert_eq!(app.get("/streamed").await.status(), StatusCode::OK);
}

#[tokio::test]
async fn the_last_frame_of_a_body_of_known_length_ends_it() {
    let app = App::new();
    let mut body = app.get("/whole").await.into_body();
    assert_eq!(body.size_hint().exact(), Some(5));
    assert!(!body.is_end_stream());
    assert_eq!(app.in_flight(), 1);
    body.frame().await.unwrap().unwrap();
    assert_eq!(app.in_flight(), 0);
    assert!(body.is_end_stream());
}

#[tokio::test]
async fn a_body_that_is_dropped_or_never_polled_releases_its_permit() {
    let app = App::new();
    let response = app.get("/unending").await;
    assert_eq!(app.in_flight(), 1);
    drop(response);
    assert_eq!(app.in_flight(), 0);
    let mut body = app.get("/unending").await.into_body();
    for _ in 0..3 {
        body.frame().await.unwrap().unwrap();
    }
    assert_eq!(app.in_flight(), 1);
    drop(body);
    assert_eq!(app.in_flight(), 0);
}

#[tokio::test]
async fn an_error_in_the_body_releases_its_permit() {
    let app = App::new();
    let mut body = app.get("/failing").await.into_body();
    body.frame().await.unwrap().unwrap();
    assert_eq!(app.in_flight(), 1);
    let error = body.frame().await.unwrap().unwrap_err();
    assert_eq!(error.to_string(), "broken");
    assert_eq!(app.in_flight(), 0);
}

#[tokio::test]
async fn a_response_without_a_body_holds_no_permit() {
    let app = App::new();
    let response = app.get("/empty").await;
    assert_eq!(app.in_flight(), 0);
    assert!(response.body().is_end_stream());
    // The body of a response to HEAD is dropped.
    let response = app.call("HEAD", "/whole").await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(app.in_flight(), 0);
    let response = app.call("HEAD", "/unending").await;
    assert_eq!(app.in_flight(), 0);
    drop(response);
}

#[tokio::test]
async fn trailers_pass_and_come_before_the_release() {
    let app = App::new();
    let mut body = app.get("/trailing").await.into_body();
    body.frame().await.unwrap().unwrap().into_data().unwrap();
    let trailers = body
        .frame()
        .await
        .unwrap()
        .unwrap()
        .into_trailers()
        .unwrap();
    assert_eq!(trailers["x-usage"], "7");
    assert_eq!(app.in_flight(), 1);
    assert!(body.frame().await.is_none());
    assert_eq!(app.in_flight(), 0);
}

#[tokio::test]
async fn a_server_sends_the_content_length_and_frees_the_permit() {
    let app = App::new();
    let server = Server::start(app.router.clone()).await;
    let client = reqwest::Client::new();
    for _ in 0..10 {
        let response = client.get(server.url("/whole")).send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-length"], "5");
        assert_eq!(response.text().await.unwrap(), "hello");
        let response = client.head(server.url("/whole")).send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-length"], "5");
    }
}

#[tokio::test]
async fn a_panic_releases_the_permit() {
    let app = App::new();
    for _ in 0..3 {
        let call = tokio::spawn({
            let router = app.router.clone();
            let request = Request::get("/panicking").body(Body::empty()).unwrap();
            async move { router.oneshot(request).await }
        });
        assert!(call.await.unwrap_err().is_panic());
        assert_eq!(app.in_flight(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn hold_at_most_ends_the_body_of_a_client_that_reads() {
    let app = App::new();
    let started = tokio::time::Instant::now();
    let mut body = app.get("/bounded").await.into_body();
    let mut frames = 0;
    let error = loop {
        match body.frame().await.unwrap() {
            Ok(_) => frames += 1,
            Err(error) => break error,
        }
        assert_eq!(app.in_flight(), 1);
    };
    assert!((9..=10).contains(&frames), "{frames}");
    assert_eq!(started.elapsed().as_secs(), 600);
    assert_eq!(
        error.to_string(),
        "the response has held its permit for 600s, which is its `hold_at_most`, and is ended"
    );
    assert_eq!(app.in_flight(), 0);
    assert!(body.frame().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn hold_at_most_ends_the_body_of_a_client_that_reads_nothing() {
    let app = App::new();
    let mut body = app.get("/bounded").await.into_body();
    tokio::time::sleep(Duration::from_secs(599)).await;
    assert_eq!(app.in_flight(), 1);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(app.in_flight(), 0);
    assert_eq!(app.get("/bounded").await.status(), StatusCode::OK);
    assert!(body.frame().await.unwrap().is_err());
}
