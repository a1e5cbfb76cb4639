//! Handles of metrics, registered when they are used for the first time.

use super::{
    labels::{RequestOutcome, UnitsKind},
    metric::{self, Labels, Metric},
};
use metrics::{Counter, Histogram};
use std::{
    fmt,
    future::Future,
    sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};
use tokio::time::Instant;

/// The requests of a policy to one route.
#[derive(Default)]
pub(crate) struct RequestCounters(OnceLock<OutcomeCounters>);

/// One counter for each outcome.
type OutcomeCounters = [Counter; RequestOutcome::ALL.len()];

impl RequestCounters {
    /// Counts a request.
    #[inline]
    pub(crate) fn add(&self, policy: &str, route: &str, outcome: RequestOutcome) {
        let counters = match self.0.get() {
            Some(counters) => counters,
            None => self.register(policy, route),
        };
        counters[outcome as usize].increment(1);
    }

    /// Registers all outcomes, so that a rate over one of them begins at 0.
    #[cold]
    fn register(&self, policy: &str, route: &str) -> &OutcomeCounters {
        self.0.get_or_init(|| {
            RequestOutcome::ALL.map(|outcome| {
                let outcome = outcome.as_str();
                let labels = [("policy", policy), ("route", route), ("outcome", outcome)];
                metric::REQUESTS.counter(&labels)
            })
        })
    }
}

/// What belongs to one policy.
#[derive(Default)]
pub(crate) struct PolicyInstruments {
    handles: OnceLock<PolicyHandles>,
    waiting: AtomicUsize,
}

struct PolicyHandles {
    utilization: Histogram,
    wait: Histogram,
    units: [Counter; UnitsKind::ALL.len()],
}

impl PolicyInstruments {
    #[inline]
    fn handles(&self, policy: &str) -> &PolicyHandles {
        match self.handles.get() {
            Some(handles) => handles,
            None => self.register(policy),
        }
    }

    #[cold]
    fn register(&self, policy: &str) -> &PolicyHandles {
        self.handles.get_or_init(|| {
            let units = |kind: UnitsKind| {
                let labels = [("policy", policy), ("kind", kind.as_str())];
                metric::UNITS.counter(&labels)
            };
            PolicyHandles {
                utilization: metric::UTILIZATION.histogram(&[("policy", policy)]),
                wait: metric::WAIT.histogram(&[("policy", policy)]),
                units: UnitsKind::ALL.map(units),
            }
        })
    }

    /// Records how much of a limit is used after a check.
    #[inline]
    #[expect(
        clippy::float_arithmetic,
        reason = "a metric is a float; it decides nothing"
    )]
    pub(crate) fn checked(&self, policy: &str, used: u64, limit: u64) {
        // Counts are below 10^15, which a float holds exactly.
        let utilization = used as f64 / limit.max(1) as f64;
        self.handles(policy).utilization.record(utilization);
    }

    /// Counts units that were consumed or given back.
    #[inline]
    pub(crate) fn units(&self, policy: &str, kind: UnitsKind, units: u64) {
        self.handles(policy).units[kind as usize].increment(units);
    }

    /// Counts a request as waiting until the result is dropped, and then records how long it has
    /// waited.
    pub(crate) fn start_wait<'a>(&'a self, policy: &str) -> Waiting<'a> {
        self.handles(policy);
        self.waiting.fetch_add(1, Ordering::Relaxed);
        Waiting {
            instruments: self,
            since: Instant::now(),
        }
    }

    /// The number of requests that wait now.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }
}

/// A request that waits for room.
pub(crate) struct Waiting<'a> {
    instruments: &'a PolicyInstruments,
    since: Instant,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.instruments.waiting.fetch_sub(1, Ordering::Relaxed);
        if let Some(handles) = self.instruments.handles.get() {
            handles.wait.record(self.since.elapsed());
        }
    }
}

/// What belongs to a store in memory.
#[derive(Default)]
pub(crate) struct MemoryInstruments(OnceLock<[Counter; 2]>);

impl MemoryInstruments {
    fn handles(&self) -> &[Counter; 2] {
        self.0
            .get_or_init(|| [metric::EVICTED.counter(&[]), metric::SHARED.counter(&[])])
    }

    /// Registers the counters, so that they are seen before the store is full.
    pub(crate) fn register(&self) {
        self.handles();
    }

    pub(crate) fn evicted(&self) {
        let [evicted, _] = self.handles();
        evicted.increment(1);
    }

    pub(crate) fn shared(&self) {
        let [_, shared] = self.handles();
        shared.increment(1);
    }
}

/// What belongs to a remote store.
pub(crate) struct StoreInstruments {
    store: &'static str,
    seconds: OnceLock<Histogram>,
}

impl StoreInstruments {
    pub(crate) fn new(store: &'static str) -> Self {
        Self {
            store,
            seconds: OnceLock::new(),
        }
    }

    /// Records how long a call takes, unless it is cancelled.
    pub(crate) async fn timed<F: Future>(&self, call: F) -> F::Output {
        let started = std::time::Instant::now();
        let output = call.await;
        let seconds = self
            .seconds
            .get_or_init(|| metric::STORE.histogram(&[("store", self.store)]));
        seconds.record(started.elapsed());
        output
    }

    /// Counts a call that failed. Failures are rare, so the counter is looked up.
    #[cold]
    pub(crate) fn failed(&self, kind: &'static str) {
        let labels = [("store", self.store), ("kind", kind)];
        metric::STORE_ERRORS.counter(&labels).increment(1);
    }
}

/// Sets a gauge. Its handle is looked up: gauges are set once for each scrape.
#[expect(
    clippy::cast_precision_loss,
    reason = "a gauge is a float, exact up to 2^53"
)]
pub(crate) fn set_gauge(metric: &Metric, labels: Labels<'_>, value: u64) {
    metric.gauge(labels).set(value as f64);
}

impl fmt::Debug for RequestCounters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestCounters").finish_non_exhaustive()
    }
}

impl fmt::Debug for PolicyInstruments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PolicyInstruments").finish_non_exhaustive()
    }
}

impl fmt::Debug for MemoryInstruments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryInstruments").finish_non_exhaustive()
    }
}

impl fmt::Debug for StoreInstruments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreInstruments").finish_non_exhaustive()
    }
}
