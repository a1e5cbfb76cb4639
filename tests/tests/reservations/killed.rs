//! A process that is killed, or asked to end, while requests have reserved.

use axum::{Router, extract::Path, routing::get};
use http::StatusCode;
use limit_runtime::{Limiter, Reservation, everyone, rate_limit};
use std::{
    env,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};
use test_support::{
    memcached_server::Memcached,
    process::Program,
    random::Random,
    requests::{get_status, remaining, request, send},
    servers::{Server, patient},
};
use tokio::signal::unix::{SignalKind, signal};

/// Tells the process the URL of the store.
const URL: &str = "RESERVATIONS";

/// The units that this process has used.
static USED: AtomicU64 = AtomicU64::new(0);

/// Uses its units, one after the other, and then waits for ever if there are more than 100.
#[rate_limit("10_000_000/hour", key = everyone, scope = "tokens", cost = plan.0)]
async fn run(reservation: Reservation, Path(plan): Path<(u64, u64)>) {
    let (_, used) = plan;
    for _ in 0..used {
        USED.fetch_add(1, Ordering::SeqCst);
        reservation.add(1);
        tokio::time::sleep(Duration::from_micros(300)).await;
    }
    if used > 100 {
        std::future::pending::<()>().await;
    }
}

#[rate_limit("10_000_000/hour", key = everyone, scope = "tokens", cost = 0)]
async fn left() {}

fn app(limiter: &Limiter) -> Router {
    Router::new()
        .route("/run/{estimate}/{used}", get(run))
        .route("/left", get(left))
        .layer(limiter.layer())
}

async fn charged(url: &str) -> u64 {
    let router = app(&patient(url).await);
    let response = send(&router, request("GET", "/left", "")).await;
    10_000_000 - remaining(&response)
}

/// Not a test, but the program that serves until it is killed or asked to end.
#[tokio::test]
#[ignore = "it is the program that another test starts"]
async fn server() {
    let Ok(url) = env::var(URL) else {
        return;
    };
    let limiter = patient(&url).await;
    let router = app(&limiter);
    let mut terminate = signal(SignalKind::terminate()).unwrap();
    let mut requests = tokio::task::JoinSet::new();
    let mut random = Random::new(11);
    println!();
    loop {
        let (estimate, used) = (1 + random.below(150), 1 + random.below(150));
        println!("begins {estimate} {used}");
        let router = router.clone();
        requests.spawn(async move {
            let path = format!("/run/{estimate}/{used}");
            assert_eq!(get_status(&router, &path).await, StatusCode::OK);
            println!("ended {estimate} {used}");
        });
        tokio::select! {
            _ = terminate.recv() => break,
            () = tokio::time::sleep(Duration::from_millis(2)) => {}
        }
    }
    // The server stops: what is open ends.
    requests.shutdown().await;
    println!("left {}", limiter.shutdown().await);
    println!("used {}", USED.load(Ordering::SeqCst));
}

/// What the process said of its requests: the least and the most that they may be charged. Those
/// that had not ended may have been charged nothing yet.
fn bounds(lines: &[String]) -> (u64, u64) {
    let (mut least, mut most) = (0, 0);
    for line in lines {
        let words: Vec<_> = line.split(' ').collect();
        let [what, estimate, used] = words[..] else {
            continue;
        };
        let (Ok(estimate), Ok(used)) = (estimate.parse::<u64>(), used.parse::<u64>()) else {
            continue;
        };
        match what {
            "begins" => most += estimate.max(used),
            "ended" => least += estimate.min(used),
            _ => {}
        }
    }
    (least, most)
}

/// A process that serves, and what it has said so far.
struct Serving {
    program: Program,
    lines: Vec<String>,
}

impl Serving {
    /// Starts a process, and waits until it has ended many requests.
    fn start(url: &str) -> Self {
        let arguments = ["--ignored", "--exact", "--nocapture", "killed::server"];
        let program = Program::start(env::current_exe().unwrap(), arguments, &[(URL, url)]);
        let mut lines: Vec<String> = Vec::new();
        while lines
            .iter()
            .filter(|line| line.starts_with("ended"))
            .count()
            < 200
        {
            lines.push(program.wait_for_line(|line| Some(line.to_owned())));
        }
        Self { program, lines }
    }

    /// Sends a signal. Returns whether the process ended well, and all that it said.
    fn end(mut self, signal: &str) -> (bool, Vec<String>) {
        self.program.signal(signal);
        let (status, rest) = self.program.run();
        self.lines.extend(rest);
        (status.success(), self.lines)
    }
}

async fn a_killed_process_leaves_between_estimate_and_use(url: &str) {
    let (_, lines) = Serving::start(url).end("KILL");
    let (least, most) = bounds(&lines);
    let charged = charged(url).await;
    assert!(
        (least..=most).contains(&charged),
        "{charged} of {least} to {most}"
    );
}

async fn a_process_that_is_asked_to_end_leaves_what_was_used(url: &str) {
    let (is_well, lines) = Serving::start(url).end("TERM");
    assert!(is_well, "{:?}", lines.last());
    assert!(lines.contains(&"left 0".to_owned()), "{:?}", lines.last());
    let used = lines.iter().find_map(|line| line.strip_prefix("used "));
    let used: u64 = used.unwrap().parse().unwrap();
    assert_eq!(charged(url).await, used);
}

#[tokio::test]
async fn a_killed_process_leaves_between_estimate_and_use_in_redis() {
    let server = Server::redis();
    a_killed_process_leaves_between_estimate_and_use(&server.url()).await;
}

#[tokio::test]
async fn a_killed_process_leaves_between_estimate_and_use_in_memcached() {
    let server = Memcached::start();
    a_killed_process_leaves_between_estimate_and_use(&server.url()).await;
}

#[tokio::test]
async fn a_process_that_is_asked_to_end_leaves_what_was_used_in_redis() {
    let server = Server::redis();
    a_process_that_is_asked_to_end_leaves_what_was_used(&server.url()).await;
}
