//! Recorders of metrics that do nothing, to measure what the limiter adds.

use metrics::{
    Counter, CounterFn, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, NoopRecorder,
    Recorder, SharedString, Unit, set_global_recorder,
};
use std::sync::Arc;

/// Handles that are called and do nothing. Those of [`NoopRecorder`] are not even called.
struct Called;

impl CounterFn for Called {
    fn increment(&self, _: u64) {}
    fn absolute(&self, _: u64) {}
}

impl HistogramFn for Called {
    fn record(&self, _: f64) {}
}

impl Recorder for Called {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(Arc::new(Self))
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(Arc::new(Self))
    }
}

/// Installs the recorder that `RECORDER` names: `noop`, `called`, or none.
pub(crate) fn install() -> bool {
    match std::env::var("RECORDER").as_deref() {
        Ok("noop") => set_global_recorder(NoopRecorder).is_ok(),
        Ok("called") => set_global_recorder(Called).is_ok(),
        _ => true,
    }
}
