//! gRPC: what a real tonic client sees of refused calls, and the plain HTTP of gRPC-Web.

use crate::app::App;
use axum::{
    Router,
    body::Body,
    response::IntoResponse,
    routing::{any_service, get, post},
};
use bytes::{Buf, BufMut, Bytes};
use futures_util::future::{Ready, ready};
use http::{HeaderMap, Request, StatusCode};
use limit_runtime::{
    Exceeded, Limiter, LimiterBuilder, everyone, header, limits, rate_limit,
    store::{CustomStore, Fallback},
};
use std::{convert::Infallible, net::SocketAddr, task::Context, task::Poll, time::Duration};
use test_support::check_only::CheckOnly;
use tokio::net::TcpListener;
use tonic::{
    Code, Status,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    transport::{Channel, Endpoint},
};
use tower::Service;

const METHOD: &str = "/greeting.Greeter/Greet";

/// Messages as plain bytes: no protobuf compiler is needed.
#[derive(Clone, Copy, Debug, Default)]
struct BytesCodec;

impl Codec for BytesCodec {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for BytesCodec {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(item);
        Ok(())
    }
}

impl Decoder for BytesCodec {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
    }
}

/// A gRPC service that greets.
#[derive(Clone, Copy, Debug)]
struct Greeter;

impl tonic::server::UnaryService<Bytes> for Greeter {
    type Response = Bytes;
    type Future = Ready<Result<tonic::Response<Bytes>, Status>>;

    fn call(&mut self, request: tonic::Request<Bytes>) -> Self::Future {
        let name = request.into_inner();
        let greeting = [b"hello ".as_slice(), &name].concat();
        ready(Ok(tonic::Response::new(greeting.into())))
    }
}

impl<B> Service<Request<B>> for Greeter
where
    B: http_body::Body<Data = Bytes, Error: Into<axum::BoxError> + Send> + Send + 'static,
{
    type Response = http::Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = std::pin::Pin<
        Box<dyn Future<Output = Result<http::Response<tonic::body::Body>, Infallible>> + Send>,
    >;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        Box::pin(async move {
            let mut grpc = tonic::server::Grpc::new(BytesCodec);
            Ok(grpc.unary(Greeter, request).await)
        })
    }
}

impl tonic::server::NamedService for Greeter {
    const NAME: &'static str = "greeting.Greeter";
}

/// Serves a router of gRPC services over a real socket.
async fn serve(router: Router) -> Channel {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    connect(address)
}

fn connect(address: SocketAddr) -> Channel {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    endpoint.connect_lazy()
}

async fn greet(channel: &Channel) -> Result<Bytes, Status> {
    greet_with(channel, &[]).await
}

async fn greet_with(
    channel: &Channel,
    metadata: &[(&'static str, &'static str)],
) -> Result<Bytes, Status> {
    let mut client = tonic::client::Grpc::new(channel.clone());
    client.ready().await.unwrap();
    let mut request = tonic::Request::new(Bytes::from_static(b"world"));
    for (name, value) in metadata {
        let value = value.parse().unwrap();
        request.metadata_mut().insert(*name, value);
    }
    let path = METHOD.parse().unwrap();
    let response = client.unary(request, path, BytesCodec).await?;
    Ok(response.into_inner())
}

fn metadata<'a>(status: &'a Status, name: &str) -> Option<&'a str> {
    status.metadata().get(name)?.to_str().ok()
}

fn units(headers: &HeaderMap) -> u32 {
    let units = headers.get("x-units").and_then(|units| units.to_str().ok());
    units.and_then(|units| units.parse().ok()).unwrap_or(1)
}

/// The service under a layer of three units a minute.
fn limited(limiter: LimiterBuilder) -> (Router, limit_runtime::clock::TestClock) {
    let clock = limit_runtime::clock::TestClock::new();
    let limiter = limiter.clock(clock.clone()).build();
    let layer = limiter
        .limit_layer("greet", limits!("3/minute"))
        .key(everyone);
    let layer = layer.cost(units);
    let router = Router::new().route(METHOD, any_service(Greeter));
    (router.layer(layer), clock)
}

#[tokio::test]
async fn a_tonic_client_sees_what_it_is_refused_for_and_for_how_long() {
    let (router, clock) = limited(Limiter::builder());
    let channel = serve(router).await;
    for _ in 0..3 {
        assert_eq!(greet(&channel).await.unwrap(), "hello world");
    }
    clock.advance(Duration::from_micros(12_345_600));
    let refused = greet(&channel).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert_eq!(refused.message(), "Rate limit exceeded: 3 per minute");
    let pushback = metadata(&refused, "grpc-retry-pushback-ms").unwrap();
    assert_eq!(Some(pushback), metadata(&refused, "retry-after-ms"));
    assert_eq!(metadata(&refused, "retry-after"), Some("48"));
    assert!(metadata(&refused, "ratelimit").unwrap().contains(";r=0;"));
    // One that comes a tick sooner is refused, and one that waits is not.
    let pushback: u64 = pushback.parse().unwrap();
    clock.advance(Duration::from_millis(pushback - 1));
    assert!(greet(&channel).await.is_err());
    clock.advance(Duration::from_millis(1));
    assert!(greet(&channel).await.is_ok());
}

#[tokio::test]
async fn a_call_that_can_never_fit_is_not_to_be_repeated() {
    for (limiter, code) in [
        (Limiter::builder(), Code::ResourceExhausted),
        (
            Limiter::builder().exceeds_capacity_status(StatusCode::PAYLOAD_TOO_LARGE),
            Code::ResourceExhausted,
        ),
        (
            Limiter::builder().exceeds_capacity_status(StatusCode::BAD_REQUEST),
            Code::InvalidArgument,
        ),
    ] {
        let channel = serve(limited(limiter).0).await;
        let refused = greet_with(&channel, &[("x-units", "4")]).await.unwrap_err();
        assert_eq!(refused.code(), code);
        assert!(refused.message().contains("can never fit"), "{refused}");
        assert_eq!(metadata(&refused, "grpc-retry-pushback-ms"), Some("-1"));
    }
}

#[tokio::test]
async fn a_layer_goes_around_a_tonic_server() {
    let limiter = Limiter::new();
    let layer = limiter
        .limit_layer("layer", limits!("1/minute"))
        .key(everyone);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
    let mut server = tonic::transport::Server::builder().layer(layer);
    let server = server.add_service(Greeter).serve_with_incoming(incoming);
    tokio::spawn(server);
    let channel = connect(address);
    assert_eq!(greet(&channel).await.unwrap(), "hello world");
    let refused = greet(&channel).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert_eq!(refused.message(), "Rate limit exceeded: 1 per minute");
}

#[tokio::test]
async fn each_rejection_has_its_code_and_its_message() {
    fn checked(headers: &HeaderMap) -> Result<u64, (StatusCode, String)> {
        let status = headers.get("x-status").unwrap().to_str().unwrap();
        Err((
            status.parse().unwrap(),
            format!("status {status}: 100 % é\n"),
        ))
    }
    let limiter = Limiter::new();
    let layer = limiter
        .limit_layer("layer", limits!("3/minute"))
        .key(checked);
    let router = Router::new().route(METHOD, any_service(Greeter));
    let channel = serve(router.layer(layer)).await;
    for (status, code) in [
        ("429", Code::ResourceExhausted),
        ("413", Code::ResourceExhausted),
        ("503", Code::Unavailable),
        ("400", Code::InvalidArgument),
        ("401", Code::Unauthenticated),
        ("403", Code::PermissionDenied),
        ("404", Code::Internal),
        ("500", Code::Internal),
        ("302", Code::Internal),
    ] {
        let rejected = greet_with(&channel, &[("x-status", status)]).await;
        let rejected = rejected.unwrap_err();
        assert_eq!(rejected.code(), code, "{status}");
        assert_eq!(rejected.message(), format!("status {status}: 100 % é\n"));
    }
    let rejected = greet_with(&channel, &[("x-status", "200")])
        .await
        .unwrap_err();
    assert_eq!(rejected.code(), Code::Internal);
}

#[tokio::test]
async fn a_missing_key_and_an_unreachable_store_have_their_codes() {
    let limiter = Limiter::new();
    let layer = limiter
        .limit_layer("layer", limits!("3/minute"))
        .key(header("x-api-key"));
    let router = Router::new().route(METHOD, any_service(Greeter));
    let channel = serve(router.layer(layer)).await;
    let rejected = greet(&channel).await.unwrap_err();
    assert_eq!(rejected.code(), Code::InvalidArgument);
    assert_eq!(rejected.message(), "Header `x-api-key` is required");
    assert_eq!(metadata(&rejected, "grpc-retry-pushback-ms"), None);

    let unreachable = CustomStore::new(CheckOnly::UNREACHABLE).fallback(Fallback::Deny);
    let unreachable = Limiter::builder().store(unreachable);
    let channel = serve(limited(unreachable).0).await;
    let rejected = greet(&channel).await.unwrap_err();
    assert_eq!(rejected.code(), Code::Unavailable);
    assert_eq!(metadata(&rejected, "grpc-retry-pushback-ms"), Some("1000"));
}

#[tokio::test]
async fn a_response_of_on_limited_keeps_its_message() {
    let channel = serve(
        limited(Limiter::builder().on_limited(|exceeded: &Exceeded<'_>| {
            exceeded.omit_retry_after();
            (StatusCode::FORBIDDEN, "buy more")
        }))
        .0,
    )
    .await;
    greet_with(&channel, &[("x-units", "3")]).await.unwrap();
    let refused = greet(&channel).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    assert_eq!(refused.message(), "buy more");
    assert_eq!(metadata(&refused, "grpc-retry-pushback-ms"), None);

    let own = |_: &Exceeded<'_>| {
        let headers = [
            ("content-type", "application/grpc"),
            ("grpc-status", "14"),
            ("grpc-message", "busy"),
        ];
        headers.into_response()
    };
    let channel = serve(limited(Limiter::builder().on_limited(own)).0).await;
    greet_with(&channel, &[("x-units", "3")]).await.unwrap();
    let refused = greet(&channel).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    assert_eq!(refused.message(), "busy");
    assert!(metadata(&refused, "ratelimit").is_some());
}

/// Path and body are arguments, and the charge waits for them.
#[rate_limit("3/minute", key = everyone, cost = body.len())]
async fn by_argument(body: Bytes) -> &'static str {
    let _ = body;
    "hello"
}

#[rate_limit("1/minute", key = everyone)]
async fn once() -> &'static str {
    "hello"
}

#[rate_limit("9/minute", key = token_in(body))]
async fn by_token(body: String) -> String {
    body
}

fn token_in(body: &str) -> Result<String, StatusCode> {
    let token = body
        .strip_prefix("token ")
        .ok_or(StatusCode::UNAUTHORIZED)?;
    Ok(token.to_owned())
}

#[tokio::test]
async fn handlers_answer_grpc_and_grpc_web_requests_in_their_form() {
    for content_type in [
        "application/grpc",
        "application/grpc+proto",
        "application/grpc;charset=utf-8",
        "application/grpc-web",
        "application/grpc-web+proto",
        "application/grpc-web-text",
    ] {
        let router = Router::new()
            .route("/once", get(once))
            .route("/by_argument", post(by_argument))
            .route("/by_token", post(by_token));
        let app = App::new(router);
        let call = |method: &'static str, path: &'static str, body: &'static str| {
            let request = Request::builder().method(method).uri(path);
            let request = request.header("content-type", content_type);
            app.call(request.body(Body::from(body)).unwrap())
        };
        assert_eq!(call("GET", "/once", "").await.body, "hello");
        let refused = call("GET", "/once", "").await;
        let expected = "Rate limit exceeded: 1 per minute";
        assert_eq!(refused.status, StatusCode::OK, "{content_type}");
        assert_eq!(refused.header("content-type"), Some(content_type));
        assert_eq!(refused.header("grpc-status"), Some("8"));
        assert_eq!(refused.header("grpc-message"), Some(expected));
        assert_eq!(refused.header("grpc-retry-pushback-ms"), Some("60000"));
        assert_eq!(refused.header("ratelimit"), Some(r#""once";r=0;t=60"#));
        assert_eq!(refused.body, "");

        // The arguments have taken the head of the request.
        let refused = call("POST", "/by_argument", "four").await;
        assert_eq!(refused.status, StatusCode::OK, "{content_type}");
        assert_eq!(refused.header("grpc-status"), Some("8"));
        assert_eq!(refused.header("grpc-retry-pushback-ms"), Some("-1"));
        assert_eq!(refused.body, "");
        let rejected = call("POST", "/by_token", "none").await;
        assert_eq!(rejected.status, StatusCode::OK, "{content_type}");
        assert_eq!(rejected.header("grpc-status"), Some("16"));
        assert_eq!(rejected.body, "");
    }
}

#[tokio::test]
async fn requests_other_than_grpc_get_ordinary_responses() {
    for content_type in ["application/json", "application/grpcx", "text/plain"] {
        let app = App::new(Router::new().route("/once", get(once)));
        let call = || {
            let request = Request::get("/once").header("content-type", content_type);
            app.call(request.body(Body::empty()).unwrap())
        };
        call().await;
        let refused = call().await;
        assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(refused.header("grpc-status"), None);
        assert_eq!(
            refused.header("content-type"),
            Some("application/problem+json")
        );
    }
}
