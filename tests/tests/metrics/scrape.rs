//! A Prometheus exporter, and what a scrape of it reads.

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusRecorder};
use promql_parser::parser::{Expr, parse};
use std::collections::BTreeMap;

/// Buckets as `docs/OBSERVABILITY.md` recommends them.
pub(crate) const BUCKETS: [(&str, &[f64]); 3] = [
    (
        "rate_limit_utilization",
        &[0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 1.0],
    ),
    (
        "rate_limit_wait_seconds",
        &[0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0],
    ),
    (
        "rate_limit_store_seconds",
        &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1],
    ),
];

pub(crate) fn recorder() -> PrometheusRecorder {
    let builder = BUCKETS
        .iter()
        .fold(PrometheusBuilder::new(), |builder, (name, buckets)| {
            let name = Matcher::Full((*name).to_owned());
            builder.set_buckets_for_metric(name, buckets).unwrap()
        });
    builder.build_recorder()
}

/// The samples of one scrape, and the type of each metric.
#[derive(Debug)]
pub(crate) struct Scrape {
    pub(crate) types: BTreeMap<String, String>,
    pub(crate) samples: BTreeMap<Series, f64>,
    pub(crate) text: String,
}

/// The name of a time series, and its labels.
pub(crate) type Series = (String, BTreeMap<String, String>);

pub(crate) fn scrape(recorder: &PrometheusRecorder) -> Scrape {
    let text = recorder.handle().render();
    let mut types = BTreeMap::new();
    let mut samples = BTreeMap::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        if let Some(declared) = line.strip_prefix("# TYPE ") {
            let (name, metric_type) = declared.split_once(' ').unwrap();
            types.insert(name.to_owned(), metric_type.to_owned());
        } else if !line.starts_with('#') {
            let (name, value) = line.rsplit_once(' ').unwrap();
            samples.insert(series(name), value.parse().unwrap());
        }
    }
    Scrape {
        types,
        samples,
        text,
    }
}

/// A sample's name and labels are written as a PromQL selector.
pub(crate) fn series(text: &str) -> Series {
    match parse(text) {
        Ok(Expr::VectorSelector(selector)) => {
            let labels = selector.matchers.matchers.into_iter();
            let labels = labels.map(|matcher| (matcher.name, matcher.value));
            (selector.name.unwrap(), labels.collect())
        }
        other => panic!("`{text}` is no time series: {other:?}"),
    }
}

impl Scrape {
    /// The value of one time series.
    #[track_caller]
    pub(crate) fn value(&self, text: &str) -> f64 {
        let value = self.samples.get(&series(text));
        *value.unwrap_or_else(|| panic!("no `{text}` in\n{}", self.text))
    }

    /// The value of a time series, or 0 if nothing was counted in it.
    pub(crate) fn value_or_zero(&self, text: &str) -> f64 {
        self.samples.get(&series(text)).copied().unwrap_or(0.0)
    }

    /// Asserts the values of several time series.
    #[track_caller]
    pub(crate) fn assert(&self, expected: &[(&str, f64)]) {
        for (text, expected) in expected {
            let value = self.value(text);
            assert!(
                (value - expected).abs() < 1e-9,
                "{text} is {value}, not {expected}"
            );
        }
    }
}
