//! Checks per second through memcached, beside Python's `limits` in the same run.
//!
//! `cargo bench -p limit-benches --bench memcached [seconds per row] [rounds]`. Needs `memcached`.
//! `PEER_PYTHON` names a Python that has `limits`; see `benches/peers/limits_memcached.py`. Without
//! it, only this library is measured.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::float_arithmetic,
    clippy::cast_precision_loss
)]

use limit_benches::load::Load;
use limit_runtime::{
    IntoKey, Limits, limits,
    store::{Action, Charge, Scope, Store, memcached::MemcachedStore},
};
use std::{
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use test_support::{memcached_server::Memcached, servers::patient};

const TASKS: [usize; 4] = [1, 8, 64, 512];
const KEYS: usize = 10_000;
const MANY: Limits = limits!("1_000_000/minute");
const FEW: Limits = limits!("10/minute");

/// What is measured: the name, the number of keys, and the limits.
const LOADS: [(&str, usize, &Limits); 3] = [
    ("10,000 keys, all allowed", KEYS, &MANY),
    ("one key, all allowed", 1, &MANY),
    ("one key, nearly all denied", 1, &FEW),
];

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let mut numbers = std::env::args().filter_map(|arg| arg.parse().ok());
    let seconds: u64 = numbers.next().unwrap_or(3);
    let rounds = numbers.next().unwrap_or(3);
    let row = Duration::from_secs(seconds);
    // In turns, so that whatever else the machine does meets all alike. No round is left out.
    for round in 1..=rounds {
        for (name, keys, limits) in LOADS {
            println!("\nround {round}: {name}");
            for tasks in TASKS {
                measure(tasks, keys, limits, row).await;
            }
        }
    }
}

async fn measure(tasks: usize, keys: usize, limits: &'static Limits, row: Duration) {
    let server = Memcached::start();
    let store = Arc::new(MemcachedStore::new(&server.url()).unwrap());
    let alone = run(&server, tasks, row, move |task, hit| {
        let store = store.clone();
        async move {
            let key = key(task, hit, keys).into_key();
            let charge = Charge::new(Scope::shared("bench"), &key, limits);
            let result = store.check(&[charge], Action::Consume).await;
            result.is_ok()
        }
    });
    report("store", tasks, &alone.await);
    let limiter = patient(&server.url()).await;
    let guarded = run(&server, tasks, row, move |task, hit| {
        let limiter = limiter.clone();
        async move {
            let check = limiter.check(limits, key(task, hit, keys));
            check.scope("limiter").await.is_ok()
        }
    });
    report("limiter", tasks, &guarded.await);
    peer(&server, tasks, keys, limits, row);
}

fn key(task: usize, hit: usize, keys: usize) -> u64 {
    ((task * 131 + hit) % keys) as u64
}

struct Measured {
    load: Load,
    failed: usize,
    reads: u64,
    writes: u64,
    /// Writes that came too late.
    conflicts: u64,
}

async fn run<F: Future<Output = bool> + Send + 'static>(
    server: &Memcached,
    tasks: usize,
    row: Duration,
    hit: impl Fn(usize, usize) -> F + Clone + Send + Sync + 'static,
) -> Measured {
    // The first call connects.
    hit(0, 0).await;
    let counters = || ["cmd_get", "cmd_set", "cas_badval"].map(|name| server.counter(name));
    let before = counters();
    let failed = Arc::new(AtomicUsize::new(0));
    let count = failed.clone();
    let load = Load::run(tasks, row, move |task, number| {
        let (hit, failed) = (hit(task, number), count.clone());
        async move {
            if !hit.await {
                failed.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    let load = load.await;
    let after = counters();
    Measured {
        load,
        failed: failed.load(Ordering::Relaxed),
        reads: after[0] - before[0],
        writes: after[1] - before[1],
        conflicts: after[2] - before[2],
    }
}

fn report(name: &str, tasks: usize, measured: &Measured) {
    let each = |number: u64| number as f64 / measured.load.calls() as f64;
    println!(
        "{tasks:>4} tasks  {name:8} {}   per check: {:.2} reads, {:.2} writes, {:.4} conflicts; \
         {} failed",
        measured.load.summary(),
        each(measured.reads),
        each(measured.writes),
        each(measured.conflicts),
        measured.failed,
    );
}

/// The same load by Python's `limits`.
fn peer(server: &Memcached, tasks: usize, keys: usize, limits: &Limits, row: Duration) {
    let Ok(python) = std::env::var("PEER_PYTHON") else {
        return;
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/limits_memcached.py");
    let numbers = [
        u64::from(server.port()),
        tasks as u64,
        keys as u64,
        limits.first().count().get(),
        row.as_secs(),
    ];
    let output = Command::new(python)
        .arg(script)
        .args(numbers.map(|number| number.to_string()))
        .output()
        .unwrap();
    print!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
