//! Tasks that call a server as often as they can.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

/// What happened under a load.
#[derive(Clone, Debug)]
pub struct Load {
    took: Duration,
    /// How long each call took, sorted.
    waits: Vec<Duration>,
}

impl Load {
    /// Lets `tasks` tasks work for this `time`. `call` gets the number of its task and its own
    /// number within the task. Each task makes at least one call.
    pub async fn run<F: Future<Output = ()> + Send + 'static>(
        tasks: usize,
        time: Duration,
        call: impl Fn(usize, usize) -> F + Clone + Send + Sync + 'static,
    ) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let start = Instant::now();
        let work = |task| {
            let (stop, call) = (stop.clone(), call.clone());
            tokio::spawn(async move {
                let mut waits = Vec::new();
                while waits.is_empty() || !stop.load(Ordering::Relaxed) {
                    let asked = Instant::now();
                    call(task, waits.len()).await;
                    waits.push(asked.elapsed());
                    // A call that is answered at once would never let the other tasks work.
                    if waits.len() % 64 == 0 {
                        tokio::task::yield_now().await;
                    }
                }
                waits
            })
        };
        let running: Vec<_> = (0..tasks).map(work).collect();
        tokio::time::sleep(time).await;
        stop.store(true, Ordering::Relaxed);
        let mut waits = Vec::new();
        for task in running {
            waits.extend(task.await.unwrap());
        }
        let took = start.elapsed();
        waits.sort_unstable();
        Self { took, waits }
    }

    /// The number of calls.
    #[must_use]
    pub const fn calls(&self) -> usize {
        self.waits.len()
    }

    /// Calls per second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.calls() as f64 / self.took.as_secs_f64()
    }

    /// How long this percentage of the calls took at most.
    #[must_use]
    pub fn percentile(&self, percent: usize) -> Duration {
        self.waits[(self.calls() - 1) * percent / 100]
    }

    /// Calls per second, and the time that half of the calls and 99 of 100 took at most.
    #[must_use]
    pub fn summary(&self) -> String {
        format!(
            "{:>9.0} checks/s   p50 {:>8.1?}  p99 {:>8.1?}",
            self.rate(),
            self.percentile(50),
            self.percentile(99)
        )
    }
}
