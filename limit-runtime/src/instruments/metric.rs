//! Names and descriptions of all metrics. They are documented and do not change.

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Label, Level, Metadata, Unit};

/// A metric, before its labels are known.
pub(crate) struct Metric {
    name: &'static str,
    unit: Unit,
    description: &'static str,
}

const fn metric(name: &'static str, unit: Unit, description: &'static str) -> Metric {
    Metric {
        name,
        unit,
        description,
    }
}

pub(super) const REQUESTS: Metric = metric(
    "rate_limit_requests_total",
    Unit::Count,
    "Requests by policy, route and outcome.",
);
pub(super) const UNITS: Metric = metric(
    "rate_limit_units_total",
    Unit::Count,
    "Units that requests have consumed, that were given back, and that were charged beyond limits.",
);
pub(super) const UTILIZATION: Metric = metric(
    "rate_limit_utilization",
    Unit::Count,
    "Used part of the limit, of several the fullest, after each check.",
);
pub(super) const WAIT: Metric = metric(
    "rate_limit_wait_seconds",
    Unit::Seconds,
    "How long requests have waited for room.",
);
pub(super) const EVICTED: Metric = metric(
    "rate_limit_evicted_total",
    Unit::Count,
    "Keys that were forgotten to make room for new ones.",
);
pub(super) const SHARED: Metric = metric(
    "rate_limit_shared_total",
    Unit::Count,
    "Checks of new keys that used a shared budget, because there was no room.",
);
pub(super) const STORE_ERRORS: Metric = metric(
    "rate_limit_store_errors_total",
    Unit::Count,
    "Calls of the store that failed.",
);
pub(super) const STORE: Metric = metric(
    "rate_limit_store_seconds",
    Unit::Seconds,
    "How long calls of the store take.",
);
pub(crate) const LIMIT: Metric = metric(
    "rate_limit_limit",
    Unit::Count,
    "The count of each constant limit.",
);
pub(crate) const WAITING: Metric = metric(
    "rate_limit_waiting",
    Unit::Count,
    "Requests that wait for room now.",
);
pub(crate) const IN_FLIGHT: Metric = metric(
    "rate_limit_in_flight",
    Unit::Count,
    "Requests that hold a permit of a concurrency limit now, in this process.",
);
pub(crate) const KEYS: Metric = metric(
    "rate_limit_keys",
    Unit::Count,
    "Budgets in memory, of one key each.",
);
pub(crate) const STORE_UP: Metric = metric(
    "rate_limit_store_up",
    Unit::Count,
    "1 while the store answers, 0 while it is down.",
);

const METADATA: Metadata<'static> =
    Metadata::new("limit_runtime", Level::INFO, Some("limit_runtime"));

/// Labels of one time series.
pub(crate) type Labels<'a> = &'a [(&'static str, &'a str)];

impl Metric {
    pub(super) fn counter(&self, labels: Labels<'_>) -> Counter {
        metrics::with_recorder(|recorder| {
            recorder.describe_counter(self.key_name(), Some(self.unit), self.description.into());
            recorder.register_counter(&self.key(labels), &METADATA)
        })
    }

    pub(super) fn histogram(&self, labels: Labels<'_>) -> Histogram {
        metrics::with_recorder(|recorder| {
            recorder.describe_histogram(self.key_name(), Some(self.unit), self.description.into());
            recorder.register_histogram(&self.key(labels), &METADATA)
        })
    }

    pub(super) fn gauge(&self, labels: Labels<'_>) -> Gauge {
        metrics::with_recorder(|recorder| {
            recorder.describe_gauge(self.key_name(), Some(self.unit), self.description.into());
            recorder.register_gauge(&self.key(labels), &METADATA)
        })
    }

    fn key_name(&self) -> KeyName {
        KeyName::from_const_str(self.name)
    }

    fn key(&self, labels: Labels<'_>) -> Key {
        let labels = labels.iter();
        let labels = labels.map(|&(name, value)| Label::new(name, value.to_owned()));
        Key::from_parts(self.name, labels.collect::<Vec<_>>())
    }
}
