//! Leases in remote stores: several processes share the permits.
//!
//! Each check takes the URL of a store, and runs for each kind of store.

use axum::{Extension, Router, body::Body, response::Response, routing::get};
use futures_util::stream;
use http::{Request, StatusCode};
use limit_runtime::{Limiter, everyone, rate_limit, store::Fallback};
use std::{
    convert::Infallible,
    env,
    future::Future,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Waker},
    time::{Duration, Instant},
};
use test_support::{
    memcached_server::Memcached,
    process::Program,
    servers::{Cluster, Server, ask},
};
use tokio::{runtime, task::JoinSet};
use tower::ServiceExt;

const OK: StatusCode = StatusCode::OK;
const REFUSED: StatusCode = StatusCode::TOO_MANY_REQUESTS;

#[rate_limit(concurrency = 2, key = everyone)]
async fn two() -> Body {
    Body::from_stream(stream::pending::<Result<&str, Infallible>>())
}

#[rate_limit(concurrency = 2, key = everyone, wait = "60s")]
async fn queued(Extension(in_flight): Extension<Arc<AtomicUsize>>) -> &'static str {
    let now = in_flight.fetch_add(1, Ordering::SeqCst) + 1;
    assert!(now <= 2, "{now} in flight");
    tokio::time::sleep(Duration::from_millis(5)).await;
    in_flight.fetch_sub(1, Ordering::SeqCst);
    "done"
}

#[rate_limit("3/minute", concurrency = 2, key = everyone)]
async fn scarce() -> &'static str {
    "text"
}

/// One of several processes, as far as the store can see.
#[derive(Clone)]
struct Process(Router);

impl Process {
    /// A limiter that waits for a busy machine.
    async fn start(url: &str) -> Self {
        Self::with(url, Duration::from_secs(10), Fallback::Deny).await
    }

    async fn with(url: &str, deadline: Duration, fallback: Fallback) -> Self {
        let builder = Limiter::builder().remote(url).store_deadline(deadline);
        let limiter = builder.fallback(fallback).connect().await.unwrap();
        let router = Router::new()
            .route("/two", get(two))
            .route("/queued", get(queued))
            .route("/scarce", get(scarce));
        Self(router.layer(limiter.layer()))
    }

    fn call(&self, path: &str) -> impl Future<Output = Response> + use<> {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = self.0.clone().oneshot(request);
        async { response.await.unwrap() }
    }

    async fn status(&self) -> StatusCode {
        self.call("/two").await.status()
    }

    /// Asks until a permit is free, and returns how long that took.
    async fn until_free(&self) -> (Response, Duration) {
        let started = Instant::now();
        loop {
            let response = self.call("/two").await;
            if response.status() == OK {
                return (response, started.elapsed());
            }
            assert_eq!(response.status(), REFUSED);
            assert!(
                started.elapsed() < Duration::from_secs(20),
                "no permit is free"
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Asks until all permits are held.
    async fn until_refused(&self) {
        let started = Instant::now();
        while self.status().await != REFUSED {
            assert!(
                started.elapsed() < Duration::from_secs(20),
                "a permit is free"
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

async fn two_processes_share_permits(url: &str) {
    let (one, other) = (Process::start(url).await, Process::start(url).await);
    let of_one = one.call("/two").await;
    let of_other = other.call("/two").await;
    assert_eq!((of_one.status(), of_other.status()), (OK, OK));
    let refused = one.call("/two").await;
    assert_eq!(refused.status(), REFUSED);
    assert_eq!(refused.headers()["ratelimit"], r#""two";r=0"#);
    assert_eq!(other.status().await, REFUSED);
    drop(of_one);
    let (again, _) = other.until_free().await;
    assert_eq!(one.status().await, REFUSED);
    // Heartbeats keep the leases beyond their time to live.
    let until = Instant::now() + Duration::from_secs(4);
    while Instant::now() < until {
        assert_eq!(
            (one.status().await, other.status().await),
            (REFUSED, REFUSED)
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    drop((again, of_other));
    let (a, _) = one.until_free().await;
    let (b, _) = one.until_free().await;
    assert_eq!(other.status().await, REFUSED);
    drop((a, b));
}

async fn requests_of_two_processes_wait_for_permits(url: &str) {
    let processes = [Process::start(url).await, Process::start(url).await];
    let in_flight = Arc::new(AtomicUsize::new(0));
    let processes = processes.map(|process| Process(process.0.layer(Extension(in_flight.clone()))));
    let mut calls = JoinSet::new();
    for index in 0..40 {
        let call = processes[index % 2].call("/queued");
        // The body is dropped, which ends the request.
        calls.spawn(async { call.await.status() });
    }
    let started = Instant::now();
    for status in calls.join_all().await {
        assert_eq!(status, OK);
    }
    assert!(
        started.elapsed() < Duration::from_secs(30),
        "{:?}",
        started.elapsed()
    );
}

async fn a_refusal_by_the_window_leaves_no_lease(url: &str) {
    let process = Process::start(url).await;
    for _ in 0..3 {
        drop(process.call("/scarce").await);
    }
    for _ in 0..10 {
        let refused = process.call("/scarce").await;
        // By the window each time: the permits are free.
        assert!(
            refused.headers().contains_key("retry-after"),
            "{:?}",
            refused.headers()
        );
    }
}

async fn a_request_that_is_dropped_while_it_asks_leaves_no_lease(url: &str) {
    let process = Process::start(url).await;
    drop(process.call("/two").await);
    for polls in 1..30 {
        let mut call = pin!(process.call("/two"));
        let mut context = Context::from_waker(Waker::noop());
        for _ in 0..polls {
            if call.as_mut().poll(&mut context).is_ready() {
                break;
            }
            tokio::time::sleep(Duration::from_micros(100)).await;
        }
    }
    let (first, _) = process.until_free().await;
    let (second, _) = process.until_free().await;
    drop((first, second));
}

/// A second process, which holds both permits until it is killed.
struct Holder(Program);

impl Holder {
    fn start(url: &str) -> Self {
        let test = "leases::holder_of_permits";
        let arguments = ["--ignored", "--exact", "--nocapture", test];
        let program = Program::start(env::current_exe().unwrap(), arguments, &[("LEASES", url)]);
        program.wait_for_line(|line| (line == "held").then_some(()));
        Self(program)
    }

    fn signal(&self, signal: &str) {
        self.0.signal(signal);
    }
}

/// Not a test, but the program of [`Holder`].
#[tokio::test]
#[ignore = "it is the program that another test starts"]
async fn holder_of_permits() {
    let Ok(url) = env::var("LEASES") else {
        return;
    };
    let process = Process::start(&url).await;
    let held = [process.call("/two").await, process.call("/two").await];
    assert!(held.iter().all(|response| response.status() == OK));
    #[expect(clippy::print_stdout, reason = "the other process waits for it")]
    {
        println!("\nheld");
    }
    std::future::pending::<()>().await;
}

async fn a_killed_process_gives_its_permits_back(url: &str) {
    let process = Process::start(url).await;
    let holder = Holder::start(url);
    assert_eq!(process.status().await, REFUSED);
    holder.signal("KILL");
    let (first, took) = process.until_free().await;
    let (second, _) = process.until_free().await;
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert_eq!(process.status().await, REFUSED);
    drop((first, second));
}

async fn a_stopped_process_holds_its_permits_again_when_it_goes_on(url: &str) {
    let process = Process::start(url).await;
    let holder = Holder::start(url);
    holder.signal("STOP");
    let (first, _) = process.until_free().await;
    let (second, _) = process.until_free().await;
    drop(first);
    // Its leases return beyond the limit, beside ours.
    holder.signal("CONT");
    process.until_refused().await;
    drop(second);
    process.until_refused().await;
    holder.signal("KILL");
    drop(process.until_free().await);
}

async fn after_a_flush_the_leases_return(url: &str, flush: impl AsyncFnOnce()) {
    let (one, other) = (Process::start(url).await, Process::start(url).await);
    let held = [one.call("/two").await, one.call("/two").await];
    assert_eq!(other.status().await, REFUSED);
    flush().await;
    other.until_refused().await;
    drop(held);
    drop(other.until_free().await);
}

async fn without_the_store_the_fallback_decides(url: &str, kill: impl FnOnce()) {
    let deadline = Duration::from_millis(200);
    let local = Process::with(url, deadline, Fallback::Local).await;
    let allow = Process::with(url, deadline, Fallback::Allow).await;
    let deny = Process::with(url, deadline, Fallback::Deny).await;
    let held = local.call("/two").await;
    assert_eq!(held.status(), OK);
    kill();
    // This process goes on to count.
    let second = local.call("/two").await;
    assert_eq!((second.status(), local.status().await), (OK, REFUSED));
    drop((held, second));
    assert_eq!(local.status().await, OK);
    let mut held = Vec::new();
    for _ in 0..20 {
        held.push(allow.call("/two").await);
    }
    let through = held
        .iter()
        .filter(|response| response.status() == OK)
        .count();
    // Until the circuit breaker has opened, those beyond the limit are refused.
    assert!(
        through > 2 && held.last().unwrap().status() == OK,
        "{through}"
    );
    assert_eq!(deny.status().await, StatusCode::SERVICE_UNAVAILABLE);
}

fn a_runtime_that_ends_leaves_the_heartbeats_to_the_next(url: &str) {
    let start = || {
        runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let first = start();
    let process = first.block_on(Process::start(url));
    let held = first.block_on(process.call("/two"));
    assert_eq!(held.status(), OK);
    first.shutdown_timeout(Duration::from_secs(1));
    let second = start();
    second.block_on(async {
        // A request of this runtime lets it take over.
        let own = process.call("/two").await;
        assert_eq!(own.status(), OK);
        let other = Process::start(url).await;
        other.until_refused().await;
        let until = Instant::now() + Duration::from_secs(3);
        while Instant::now() < until {
            assert_eq!(other.status().await, REFUSED);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        drop(held);
        let (free, _) = other.until_free().await;
        drop((own, free));
    });
}

macro_rules! for_each_store {
    ($($test:ident)*) => {
        mod redis {
            use super::*;
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    let server = Server::redis();
                    super::$test(&server.url()).await;
                }
            )*
        }
        mod memcached {
            use super::*;
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    let server = Memcached::start();
                    super::$test(&server.url()).await;
                }
            )*
        }
    };
}

for_each_store! {
    two_processes_share_permits
    requests_of_two_processes_wait_for_permits
    a_refusal_by_the_window_leaves_no_lease
    a_request_that_is_dropped_while_it_asks_leaves_no_lease
    a_killed_process_gives_its_permits_back
    a_stopped_process_holds_its_permits_again_when_it_goes_on
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_flush_of_redis_the_leases_return() {
    let server = Server::redis();
    let flush = async || assert!(ask(server.port(), "FLUSHALL").is_some());
    after_a_flush_the_leases_return(&server.url(), flush).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_flush_of_memcached_the_leases_return() {
    let server = Memcached::start();
    let flush = async || assert!(ask(server.port(), "flush_all").is_some());
    after_a_flush_the_leases_return(&server.url(), flush).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_redis_the_fallback_decides() {
    let server = Server::redis();
    without_the_store_the_fallback_decides(&server.url(), || server.kill()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_memcached_the_fallback_decides() {
    let server = Memcached::start();
    without_the_store_the_fallback_decides(&server.url(), || server.kill()).await;
}

#[test]
fn a_runtime_that_ends_leaves_the_heartbeats_of_redis_to_the_next() {
    let server = Server::redis();
    a_runtime_that_ends_leaves_the_heartbeats_to_the_next(&server.url());
}

#[test]
fn a_runtime_that_ends_leaves_the_heartbeats_of_memcached_to_the_next() {
    let server = Memcached::start();
    a_runtime_that_ends_leaves_the_heartbeats_to_the_next(&server.url());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_shares_permits() {
    let cluster = Cluster::start(false);
    two_processes_share_permits(&cluster.url()).await;
}
