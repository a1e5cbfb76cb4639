//! Bodies and streams that are metered.

use axum::{
    Router,
    body::{Body, Bytes, HttpBody},
    extract::State,
    response::Response,
    routing::get,
};
use futures_util::{Stream, StreamExt, stream};
use http::HeaderMap;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use limit_runtime::{Limiter, Reservation, everyone, rate_limit, usage};
use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};
use test_support::requests::{remaining, request, send};

type Upstream = Arc<Mutex<Option<Response>>>;

#[rate_limit("1000/minute", key = everyone, scope = "tokens", cost = 100)]
async fn openai(State(upstream): State<Upstream>, reservation: Reservation) -> Response {
    let response = upstream.lock().unwrap().take().unwrap();
    reservation.meter_response(response, usage::openai())
}

#[rate_limit("1000/minute", key = everyone, scope = "tokens", cost = 100)]
async fn anthropic(State(upstream): State<Upstream>, reservation: Reservation) -> Response {
    let response = upstream.lock().unwrap().take().unwrap();
    reservation.meter_response(response, usage::anthropic())
}

#[rate_limit("1000/minute", key = everyone, scope = "tokens", cost = 0)]
async fn left() {}

struct Gateway {
    router: Router,
    upstream: Upstream,
}

impl Gateway {
    fn new() -> Self {
        let upstream = Upstream::default();
        let router = Router::new()
            .route("/openai", get(openai))
            .route("/anthropic", get(anthropic))
            .route("/left", get(left))
            .with_state(upstream.clone())
            .layer(Limiter::new().layer());
        Self { router, upstream }
    }

    async fn send(&self, method: &str, path: &str, upstream: Response) -> Response {
        *self.upstream.lock().unwrap() = Some(upstream);
        send(&self.router, request(method, path, "")).await
    }

    async fn charged(&self) -> u64 {
        let response = send(&self.router, request("GET", "/left", "")).await;
        1_000 - remaining(&response)
    }
}

fn whole(text: &str) -> Response {
    Response::new(Body::from(text.to_owned()))
}

/// A body of these frames.
fn chunks(chunks: Vec<Bytes>) -> Response {
    let chunks = chunks.into_iter().map(Ok::<_, Infallible>);
    Response::new(Body::from_stream(stream::iter(chunks)))
}

const OPENAI: &str = concat!(
    "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}],\"usage\":null}\n\n",
    ": keep-alive\n\n",
    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":5,\"total_tokens\":12}}\n\n",
    "data: [DONE]\n\n",
);

const ANTHROPIC: &str = concat!(
    "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":25,\"output_tokens\":1}}}\n\n",
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"delta\":{\"text\":\"a\"}}\n\n",
    "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{},\"usage\":{\"output_tokens\":15}}\n\n",
);

#[tokio::test]
async fn the_usage_in_a_stream_settles_it_wherever_the_stream_is_cut_into_frames() {
    for (path, text, used) in [("/openai", OPENAI, 12), ("/anthropic", ANTHROPIC, 40)] {
        for cut in 0..=text.len() {
            let gateway = Gateway::new();
            let (first, second) = text.split_at(cut);
            let frames = [first, second].map(|text| Bytes::from(text.to_owned()));
            let response = gateway.send("GET", path, chunks(frames.into())).await;
            let body = response.into_body().collect().await.unwrap().to_bytes();
            assert_eq!(body, text);
            assert_eq!(gateway.charged().await, used, "{path} at {cut}");
        }
    }
}

#[tokio::test]
async fn a_stream_that_ends_before_its_usage_keeps_the_estimate() {
    for (path, text) in [("/openai", OPENAI), ("/anthropic", ANTHROPIC)] {
        let last = text.rfind("}}").unwrap();
        for end in (0..=last).step_by(7) {
            let gateway = Gateway::new();
            let upstream = whole(&text[..end]);
            let response = gateway.send("GET", path, upstream).await;
            response.into_body().collect().await.unwrap();
            assert_eq!(gateway.charged().await, 100, "{path} ends at {end}");
        }
    }
}

#[tokio::test]
async fn length_trailers_and_head_are_as_without_a_meter() {
    let gateway = Gateway::new();
    let response = gateway.send("GET", "/openai", whole(OPENAI)).await;
    assert_eq!(
        response.body().size_hint().exact(),
        Some(OPENAI.len() as u64)
    );
    assert!(!response.body().is_end_stream());
    let empty = gateway.send("GET", "/openai", whole("")).await;
    assert!(empty.body().is_end_stream());
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", "0".parse().unwrap());
    let frames = [
        Frame::data(Bytes::from_static(OPENAI.as_bytes())),
        Frame::trailers(trailers.clone()),
    ];
    let body = StreamBody::new(stream::iter(frames.map(Ok::<_, Infallible>)));
    let response = gateway
        .send("GET", "/openai", Response::new(Body::new(body)))
        .await;
    let collected = response.into_body().collect().await.unwrap();
    assert_eq!(collected.trailers(), Some(&trailers));
    // Two bodies were dropped without their usage, and this one was read.
    drop((empty, gateway.send("HEAD", "/openai", whole(OPENAI)).await));
}

#[tokio::test]
async fn a_body_is_settled_at_its_last_frame_at_its_end_and_when_it_is_dropped() {
    // A body that says with its last frame that it has ended is not polled again.
    let gateway = Gateway::new();
    let response = gateway.send("GET", "/openai", whole(OPENAI)).await;
    let mut body = response.into_body();
    body.frame().await.unwrap().unwrap();
    assert!(body.is_end_stream());
    assert_eq!(gateway.charged().await, 12);
    assert!(body.frame().await.is_none());
    // One that does not.
    let gateway = Gateway::new();
    let upstream = chunks(vec![Bytes::from_static(OPENAI.as_bytes())]);
    let mut body = gateway.send("GET", "/openai", upstream).await.into_body();
    body.frame().await.unwrap().unwrap();
    assert_eq!(gateway.charged().await, 100);
    assert!(body.frame().await.is_none());
    assert_eq!(gateway.charged().await, 12);
    assert!(body.frame().await.is_none(), "it is polled after its end");
    // One that is dropped after its usage, and one that was never polled.
    let gateway = Gateway::new();
    for charged in [12, 112] {
        let upstream = chunks(vec![Bytes::from_static(OPENAI.as_bytes())]);
        let mut body = gateway.send("GET", "/openai", upstream).await.into_body();
        if charged == 12 {
            body.frame().await.unwrap().unwrap();
        }
        drop(body);
        assert_eq!(gateway.charged().await, charged);
    }
}

#[tokio::test]
async fn an_error_of_the_upstream_gives_the_estimate_back() {
    let gateway = Gateway::new();
    let mut upstream = whole("{\"error\":{\"message\":\"overloaded\"}}");
    *upstream.status_mut() = http::StatusCode::SERVICE_UNAVAILABLE;
    let response = gateway.send("GET", "/openai", upstream).await;
    response.into_body().collect().await.unwrap();
    assert_eq!(gateway.charged().await, 0);
}

#[rate_limit("1000/minute", key = everyone, scope = "tokens", cost = 100)]
async fn taken(State(kept): State<Arc<Mutex<Option<Reservation>>>>, reservation: Reservation) {
    *kept.lock().unwrap() = Some(reservation);
}

#[tokio::test]
async fn a_stream_is_settled_at_its_end_and_stays_ended() {
    let kept = Arc::default();
    let limiter = Limiter::new();
    let router = Router::new()
        .route("/", get(taken))
        .with_state(Arc::clone(&kept))
        .layer(limiter.layer());
    send(&router, request("GET", "/", "")).await;
    let reservation = kept.lock().unwrap().take().unwrap();
    let mut items = Box::pin(reservation.meter(stream::iter([2, 3]), |n, it| it.add(*n)));
    assert_eq!(Stream::size_hint(&*items), (2, Some(2)));
    assert_eq!(items.next().await, Some(2));
    assert_eq!(items.next().await, Some(3));
    assert_eq!(crate::handlers::open(&limiter), 1);
    assert_eq!(items.next().await, None);
    assert_eq!(crate::handlers::open(&limiter), 0);
    assert_eq!(items.next().await, None);
    assert_eq!(Stream::size_hint(&*items), (0, Some(0)));
}
