//! Several processes that share one limit. The test binary has a test `proof::worker`, which each
//! process runs and which calls [`work`].

use crate::{process::Program, servers::patient};
use limit_runtime::limits;
use std::env;

const PROCESSES: usize = 4;
const TASKS: usize = 64;
const CHECKS: usize = 8;
/// Tells a worker the URL of the store.
const URL: &str = "WORKER_URL";

/// What each process does: checks of one key from many tasks. Does nothing if it was not started by
/// [`four_processes_share_one_limit_exactly`].
pub async fn work() {
    let Ok(url) = env::var(URL) else {
        return;
    };
    let limiter = patient(&url).await;
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| {
            let limiter = limiter.clone();
            tokio::spawn(async move {
                let mut allowed = 0_usize;
                for _ in 0..CHECKS {
                    let decision = limiter
                        .check(&limits!("1000/hour"), "one key")
                        .await
                        .unwrap();
                    allowed += usize::from(decision.is_allowed());
                }
                allowed
            })
        })
        .collect();
    let mut allowed = 0;
    for task in tasks {
        allowed += task.await.unwrap();
    }
    assert_eq!(limiter.health().failed, 0);
    println!("allowed={allowed};");
}

/// Four processes with 64 tasks each are admitted exactly as often as the limit says.
pub fn four_processes_share_one_limit_exactly(url: &str) {
    let program = env::current_exe().unwrap();
    let arguments = ["--exact", "proof::worker", "--ignored", "--nocapture"];
    let processes: Vec<_> = (0..PROCESSES)
        .map(|_| Program::start(&program, arguments, &[(URL, url)]))
        .collect();
    let allowed: usize = processes
        .iter()
        .map(|process| {
            process.wait_for_line(|line| {
                let (_, rest) = line.split_once("allowed=")?;
                rest.split(';').next()?.parse::<usize>().ok()
            })
        })
        .sum();
    assert_eq!(allowed, 1000, "of {}", PROCESSES * TASKS * CHECKS);
}
