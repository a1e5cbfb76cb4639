//! Faults under load: no request fails or hangs, and no window holds more than its limit.

use limit_runtime::{Limiter, limits};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use test_support::{
    memcached_server::Memcached,
    remote::{is_down, until},
};

const TASKS: u32 = 16;
const WINDOW: Duration = Duration::from_secs(2);
const COUNT: usize = 50;

/// From when to when an admitted request of the hot key was asked, and how long all requests took.
#[derive(Default)]
struct Seen {
    admitted: Vec<(Instant, Instant)>,
    waits: Vec<Duration>,
}

async fn load(limiter: Limiter, task: u32, stop: Arc<AtomicBool>) -> Seen {
    let mut seen = Seen::default();
    let mut number = 0_u32;
    while !stop.load(Ordering::Relaxed) {
        let asked = Instant::now();
        if number.is_multiple_of(2) {
            let decision = limiter.check(&limits!("50/2s"), "hot").await.unwrap();
            if decision.is_allowed() {
                seen.admitted.push((asked, Instant::now()));
            }
        } else {
            let limits = limits!("1_000_000/minute");
            limiter.check(&limits, (task, number % 50)).await.unwrap();
        }
        seen.waits.push(asked.elapsed());
        number += 1;
        tokio::time::sleep(Duration::from_micros(500)).await;
    }
    seen
}

async fn under_faults(times: u32, fault: impl AsyncFn(&Memcached)) -> Vec<Duration> {
    let server = Memcached::start();
    let limiter = Limiter::connect(&server.url()).await.unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| tokio::spawn(load(limiter.clone(), task, stop.clone())))
        .collect();
    for _ in 0..times {
        tokio::time::sleep(Duration::from_millis(700)).await;
        fault(&server).await;
        until("the store is used again", || !is_down(&limiter)).await;
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    stop.store(true, Ordering::Relaxed);
    let (mut admitted, mut waits) = (Vec::new(), Vec::new());
    for task in tasks {
        let seen = task.await.unwrap();
        admitted.extend(seen.admitted);
        waits.extend(seen.waits);
    }
    admitted.sort_unstable();
    for (index, &(start, _)) in admitted.iter().enumerate() {
        // Only those that were certainly counted within the window.
        let within = admitted[index..]
            .iter()
            .filter(|(_, answered)| *answered < start + WINDOW);
        let within = within.count();
        assert!(within <= COUNT, "{within} in a window");
    }
    assert!(admitted.len() > COUNT, "{}", admitted.len());
    waits.sort_unstable();
    println!(
        "{} requests, {} of the hot key admitted, p50 {:?}, p99 {:?}, p99.9 {:?}, longest {:?}; {:?}",
        waits.len(),
        admitted.len(),
        waits[waits.len() / 2],
        waits[waits.len() * 99 / 100],
        waits[waits.len() * 999 / 1000],
        waits[waits.len() - 1],
        limiter.health()
    );
    waits
}

fn longest(waits: &[Duration]) -> Duration {
    waits.last().copied().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "ten seconds of load"]
async fn kill_and_restart() {
    let waits = under_faults(8, async |server| {
        server.kill();
        tokio::time::sleep(Duration::from_millis(200)).await;
        server.restart();
    })
    .await;
    assert!(longest(&waits) < Duration::from_millis(300));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "ten seconds of load"]
async fn stopped_and_continued() {
    let waits = under_faults(8, async |server| {
        server.freeze();
        tokio::time::sleep(Duration::from_millis(400)).await;
        server.thaw();
    })
    .await;
    assert!(longest(&waits) < Duration::from_millis(300));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "ten seconds of load"]
async fn flushed() {
    under_faults(8, async |server| {
        let said = test_support::servers::ask(server.port(), "flush_all");
        assert!(said.unwrap().starts_with("OK"));
    })
    .await;
}
