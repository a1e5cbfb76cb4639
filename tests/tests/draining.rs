//! Clients that are refused while they send a large body see the refusal, over real sockets.
//!
//! A test binary of its own, since one test measures the memory of the process.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "these are tests"
)]

use axum::{
    Router,
    body::{Body, Bytes},
    extract::Path,
    routing::post,
};
use futures_util::{StreamExt, stream};
use http::{HeaderMap, StatusCode};
use limit_runtime::{Limiter, LimiterBuilder, client_ip, everyone, limits, rate_limit};
use std::{
    convert::Infallible,
    net::SocketAddr,
    time::{Duration, Instant},
};
use test_support::strict_client::{http1_chunked, http2};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

const KB: usize = 1_000;

#[rate_limit("1/day", key = everyone)]
async fn upload(body: Bytes) -> String {
    body.len().to_string()
}

/// The charge waits for the path, and the body is an argument that is never read.
#[rate_limit("1/day", key = everyone, cost = units)]
async fn late(Path(units): Path<u32>, body: Body) -> String {
    drop(body);
    units.to_string()
}

fn unknown_key(_: &HeaderMap) -> Result<u64, (StatusCode, &'static str)> {
    Err((StatusCode::UNAUTHORIZED, "no key"))
}

#[rate_limit("1/day", key = unknown_key)]
async fn keyed(_: Bytes) {}

#[rate_limit("1/day", key = client_ip)]
async fn addressed(_: Bytes) {}

async fn serve(limiter: LimiterBuilder) -> SocketAddr {
    let limiter = limiter.build();
    let layered = limiter.limit_layer("layer", limits!("1/day")).key(everyone);
    let app = Router::new()
        .route("/upload", post(upload))
        .route("/late/{units}", post(late))
        .route("/keyed", post(keyed))
        .route("/addressed", post(addressed))
        .layer(limiter.layer())
        .route("/layered", post(|_: Bytes| async {}).layer(layered));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Client {
    ReqwestHttp1,
    ReqwestHttp2,
    StrictHttp1,
    StrictHttp2,
}

const CLIENTS: [Client; 4] = [
    Client::ReqwestHttp1,
    Client::ReqwestHttp2,
    Client::StrictHttp1,
    Client::StrictHttp2,
];

impl Client {
    /// The response's body, and more before it, to a request with a body of so many bytes and no
    /// `Content-Length`; `None` if the client does not get to see it.
    async fn send(self, address: SocketAddr, path: &str, bytes: usize) -> Option<String> {
        let client = reqwest::Client::builder();
        let response = async {
            let client = match self {
                Self::StrictHttp1 => return http1_chunked(address, path, bytes).await.ok(),
                Self::StrictHttp2 => return http2(address, path, bytes).await.ok(),
                Self::ReqwestHttp1 => client.http1_only(),
                Self::ReqwestHttp2 => client.http2_prior_knowledge(),
            };
            let request = client
                .build()
                .unwrap()
                .post(format!("http://{address}{path}"));
            let response = request.body(body(bytes)).send().await.ok()?;
            response.text().await.ok()
        };
        let in_time = tokio::time::timeout(Duration::from_secs(60), response);
        in_time.await.expect("the client hangs")
    }

    /// How many of 20, each with a connection of its own, see the text.
    async fn seen(
        self,
        address: SocketAddr,
        path: &'static str,
        bytes: usize,
        text: &str,
    ) -> usize {
        let mut clients = JoinSet::new();
        for _ in 0..20 {
            clients.spawn(self.send(address, path, bytes));
        }
        let responses = clients.join_all().await.into_iter().flatten();
        responses.filter(|response| response.contains(text)).count()
    }
}

/// A body of this many bytes, in chunks that take turns with other tasks.
fn body(bytes: usize) -> reqwest::Body {
    const CHUNK: &[u8] = &[b'x'; 10 * KB];
    let chunks = stream::iter(0..bytes / CHUNK.len()).then(|_| async {
        tokio::task::yield_now().await;
        Ok::<_, Infallible>(Bytes::from_static(CHUNK))
    });
    reqwest::Body::wrap_stream(chunks)
}

/// A part of each refusal.
const REFUSED: &str = r#""status":429"#;

/// Uses up the limits of all routes.
async fn exhausted(limiter: LimiterBuilder) -> SocketAddr {
    let address = serve(limiter).await;
    for path in ["/upload", "/late/1", "/layered"] {
        let answer = Client::ReqwestHttp1.send(address, path, 10 * KB).await;
        assert!(!answer.unwrap().contains(REFUSED), "{path}");
    }
    address
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_client_receives_the_refusal_of_a_body_up_to_the_bound() {
    let address = exhausted(Limiter::builder()).await;
    for (path, text) in [
        ("/upload", REFUSED),
        ("/layered", REFUSED),
        ("/late/1", REFUSED),
        ("/keyed", "no key"),
        ("/addressed", r#""status":500"#),
    ] {
        for client in CLIENTS {
            for bytes in [100 * KB, 900 * KB] {
                let seen = client.seen(address, path, bytes, text).await;
                assert_eq!(seen, 20, "{path} {client:?} {bytes}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_draining_clients_lose_refusals() {
    let address = exhausted(Limiter::builder().drain_bytes(0)).await;
    for path in ["/upload", "/layered", "/late/1"] {
        let mut lost = 0;
        for client in CLIENTS {
            let seen = client.seen(address, path, 900 * KB, REFUSED).await;
            println!("without draining: {path} {client:?}: {seen} of 20");
            lost += 20 - seen;
        }
        assert!(lost > 0, "{path}: the tests of draining show nothing");
    }
}

/// The memory of this process that is in use, in kilobytes.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kilobytes = line.unwrap().split_whitespace().nth(1).unwrap();
    kilobytes.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_above_the_bound_neither_hang_nor_fill_memory() {
    const LARGE: usize = 20_000 * KB;
    let address = exhausted(Limiter::builder()).await;
    let mut before = 0;
    for round in 0..3 {
        for client in CLIENTS {
            let start = Instant::now();
            let seen = client.seen(address, "/upload", LARGE, REFUSED).await;
            let took = start.elapsed();
            println!("20 MB, {client:?}: {seen} of 20 see the refusal, in {took:?}");
            assert!(took < Duration::from_secs(30), "{took:?}");
        }
        // The first round fills buffers that stay.
        if round == 0 {
            before = resident();
        }
    }
    let grown = resident().saturating_sub(before);
    println!("resident memory: {before} kB, grown by {grown} kB");
    assert!(grown < 40_000, "{grown} kB");
}

async fn raw(address: SocketAddr, request: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request).await.unwrap();
    stream
}

/// What comes until `end` has come or the server closes the connection.
async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut text = Vec::new();
    let mut buffer = [0; 4_096];
    loop {
        let read = tokio::time::timeout(Duration::from_secs(20), stream.read(&mut buffer));
        match read.await.expect("the server says nothing").unwrap_or(0) {
            0 => break,
            read => text.extend_from_slice(&buffer[..read]),
        }
        if String::from_utf8_lossy(&text).contains(end) {
            break;
        }
    }
    String::from_utf8(text).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_waits_for_permission_is_never_asked_for_its_body() {
    let address = exhausted(Limiter::builder()).await;
    let request = b"POST /upload HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\n\
        content-length: 50000\r\n\r\n";
    let mut stream = raw(address, request).await;
    let answer = read_until(&mut stream, "}}").await;
    assert!(answer.starts_with("HTTP/1.1 429 "), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_serves_the_next_request_after_a_drained_one() {
    let address = exhausted(Limiter::builder()).await;
    let mut request =
        b"POST /upload HTTP/1.1\r\nhost: x\r\ncontent-length: 500000\r\n\r\n".to_vec();
    request.resize(request.len() + 500_000, b'x');
    let mut stream = raw(address, &request).await;
    let answer = read_until(&mut stream, "}}").await;
    assert!(answer.starts_with("HTTP/1.1 429 "), "{answer}");
    let next = b"POST /addressed HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n";
    stream.write_all(next).await.unwrap();
    // The server was started without addresses, so the answer is another than before.
    let answer = read_until(&mut stream, "}}").await;
    assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stalled_client_is_dropped_after_the_time_allowed() {
    let limiter = Limiter::builder().drain_time(Duration::from_millis(50));
    let address = exhausted(limiter).await;
    let request = b"POST /upload HTTP/1.1\r\nhost: x\r\ncontent-length: 50000\r\n\r\nxx";
    let mut stream = raw(address, request).await;
    // Until the server closes the connection.
    let answer = read_until(&mut stream, "\0").await;
    assert!(answer.starts_with("HTTP/1.1 429 "), "{answer}");
}
