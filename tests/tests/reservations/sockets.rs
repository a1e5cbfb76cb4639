//! Random requests over sockets, which end in every way. The budget is what was used.

use crate::handlers::{End, Expected, Plan, app, charged, open};
use futures_util::StreamExt;
use limit_runtime::Limiter;
use std::net::SocketAddr;
use test_support::{
    memcached_server::Memcached,
    random::Random,
    remote::until,
    servers::{Server, patient},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

const ENDS: [End; 11] = [
    End::Commit,
    End::CommitTwice,
    End::Release,
    End::Silent,
    End::SilentError,
    End::SilentPanic,
    End::Error,
    End::Panic,
    End::Stream,
    End::StreamError,
    End::Endless,
];

/// How the client leaves.
#[derive(Clone, Copy, Debug)]
enum Leave {
    /// HTTP/1.1, closed (or reset) after this many bytes of the response.
    Http1 { bytes: usize, with_reset: bool },
    /// HTTP/2: the stream is reset after this many chunks of the body.
    Http2 { chunks: usize },
}

async fn over_http1(address: SocketAddr, body: &str, bytes: usize, with_reset: bool) {
    let mut socket = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST /run HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut seen = vec![0; bytes];
    // The server may close first.
    let _ = socket.read_exact(&mut seen).await;
    if with_reset {
        let _ = socket.set_zero_linger();
    }
}

async fn over_http2(client: &reqwest::Client, address: SocketAddr, body: String, chunks: usize) {
    let request = client.post(format!("http://{address}/run"));
    let request = request
        .header("content-type", "application/json")
        .body(body);
    // A panic of the handler ends the connection.
    let Ok(response) = request.send().await else {
        return;
    };
    let mut body = response.bytes_stream();
    for _ in 0..chunks {
        if body.next().await.is_none() {
            return;
        }
    }
}

async fn random_requests(limiter: Limiter, requests: u64, seed: u64) {
    let expected = Expected::default();
    let router = app(&limiter, &expected);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let served = router.clone();
    let server = tokio::spawn(async move { axum::serve(listener, served).await });
    let mut random = Random::new(seed);
    let mut clients = JoinSet::new();
    for _ in 0..requests {
        let end = ENDS[random.below(ENDS.len() as u64) as usize];
        let plan = Plan {
            estimate: random.below(60),
            used: random.below(90),
            end,
        };
        let leave = match random.below(3) {
            0 => Leave::Http2 {
                chunks: random.below(40) as usize,
            },
            n => Leave::Http1 {
                bytes: random.below(2_000) as usize,
                with_reset: n == 1,
            },
        };
        while clients.len() >= 16 {
            clients.join_next().await.unwrap().unwrap();
        }
        clients.spawn(async move {
            let body = serde_json::to_string(&plan).unwrap();
            match leave {
                Leave::Http1 { bytes, with_reset } => {
                    // An answer without a body does not have that many bytes.
                    over_http1(address, &body, bytes, with_reset).await;
                }
                Leave::Http2 { chunks } => {
                    let client = reqwest::Client::builder().http2_prior_knowledge();
                    over_http2(&client.build().unwrap(), address, body, chunks).await;
                }
            }
        });
    }
    while let Some(client) = clients.join_next().await {
        client.unwrap();
    }
    until("all reservations are settled", || open(&limiter) == 0).await;
    assert_eq!(limiter.shutdown().await, 0);
    // A request that was cut off before its handler was called has used nothing.
    assert_eq!(charged(&router).await, expected.get());
    assert!(expected.get() > requests, "the requests did work");
    server.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn budgets_are_exact_in_memory() {
    let limiter = Limiter::new();
    random_requests(limiter, 600, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn budgets_are_exact_in_redis() {
    let server = Server::redis();
    random_requests(patient(&server.url()).await, 300, 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn budgets_are_exact_in_memcached() {
    let server = Memcached::start();
    random_requests(patient(&server.url()).await, 300, 3).await;
}
