//! The Grafana dashboard and the documentation, compared with what is exported.

use crate::scrape::BUCKETS;
use promql_parser::{
    parser::{AggregateExpr, Expr, LabelModifier, VectorSelector, parse},
    util::{ExprVisitor, walk_expr},
};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

/// All metrics, with their types and labels.
const METRICS: [(&str, &str, &[&str]); 13] = [
    (
        "rate_limit_requests_total",
        "counter",
        &["outcome", "policy", "route"],
    ),
    ("rate_limit_units_total", "counter", &["kind", "policy"]),
    ("rate_limit_evicted_total", "counter", &[]),
    ("rate_limit_shared_total", "counter", &[]),
    (
        "rate_limit_store_errors_total",
        "counter",
        &["kind", "store"],
    ),
    ("rate_limit_utilization", "histogram", &["policy"]),
    ("rate_limit_wait_seconds", "histogram", &["policy"]),
    ("rate_limit_store_seconds", "histogram", &["store"]),
    ("rate_limit_limit", "gauge", &["policy", "window"]),
    ("rate_limit_waiting", "gauge", &["policy"]),
    ("rate_limit_in_flight", "gauge", &["policy"]),
    ("rate_limit_keys", "gauge", &[]),
    ("rate_limit_store_up", "gauge", &[]),
];

fn file(name: &str) -> String {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    fs::read_to_string(workspace.join(name)).unwrap()
}

/// The labels that a time series of this name may have.
fn labels_of(series: &str) -> Option<BTreeSet<&str>> {
    METRICS.iter().find_map(|(name, metric_type, labels)| {
        let mut labels: BTreeSet<&str> = labels.iter().copied().collect();
        // Of the target that is scraped.
        labels.extend(["instance", "job"]);
        let suffix = series.strip_prefix(name)?;
        match (*metric_type, suffix) {
            ("histogram", "_bucket") => {
                labels.insert("le");
                Some(labels)
            }
            ("histogram", "_sum" | "_count") | ("counter" | "gauge", "") => Some(labels),
            _ => None,
        }
    })
}

/// The names and labels of a query.
#[derive(Default)]
struct Uses {
    selected: Vec<VectorSelector>,
    grouped: BTreeSet<String>,
}

impl ExprVisitor for Uses {
    type Error = String;

    fn pre_visit(&mut self, expr: &Expr) -> Result<bool, String> {
        match expr {
            Expr::VectorSelector(selector) => self.selected.push(selector.clone()),
            Expr::MatrixSelector(matrix) => self.selected.push(matrix.vs.clone()),
            Expr::Aggregate(AggregateExpr {
                modifier: Some(LabelModifier::Include(labels) | LabelModifier::Exclude(labels)),
                ..
            }) => self.grouped.extend(labels.labels.iter().cloned()),
            _ => {}
        }
        Ok(true)
    }
}

#[test]
fn each_query_of_the_dashboard_is_valid_and_names_what_is_exported() {
    let dashboard: Value = serde_json::from_str(&file("docs/grafana.json")).unwrap();
    let mut used = BTreeSet::new();
    let mut queries = Vec::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let legend = target["legendFormat"].as_str().unwrap();
            queries.push((target["expr"].as_str().unwrap(), legend));
        }
    }
    assert!(queries.len() >= 10, "{queries:?}");
    for (query, legend) in queries {
        // Variables of Grafana.
        let text = query
            .replace("$__rate_interval", "5m")
            .replace("$policy", "a");
        assert!(!text.contains('$'), "unknown variable in {query}");
        let expr = parse(&text).unwrap_or_else(|error| panic!("{query}: {error}"));
        let mut uses = Uses::default();
        walk_expr(&mut uses, &expr).unwrap();
        assert!(!uses.selected.is_empty(), "{query}");
        for selector in uses.selected {
            let name = selector.name.unwrap();
            let labels = labels_of(&name).unwrap_or_else(|| panic!("{name} in {query}"));
            for matcher in &selector.matchers.matchers {
                assert!(
                    labels.contains(&*matcher.name),
                    "{} in {query}",
                    matcher.name
                );
            }
            for label in &uses.grouped {
                assert!(labels.contains(&**label), "{label} in {query}");
            }
            let metric = METRICS.iter().find(|(metric, ..)| name.starts_with(metric));
            used.insert(metric.unwrap().0);
        }
        for label in legend.split("{{").skip(1) {
            let label = label.split("}}").next().unwrap();
            assert!(text.contains(label), "{label} in the legend of {query}");
        }
    }
    let all: BTreeSet<_> = METRICS.iter().map(|(name, ..)| *name).collect();
    assert_eq!(used, all, "left: metrics of the dashboard; right: all");
}

#[test]
fn the_guide_lists_each_metric_with_its_type_and_labels() {
    let guide = file("docs/OBSERVABILITY.md");
    let rows = guide
        .lines()
        .filter_map(|line| line.strip_prefix("| `rate_limit_"));
    let mut documented = BTreeMap::new();
    for row in rows {
        let (series, rest) = row.split_once("` | ").unwrap();
        // The table of buckets has no types.
        let Some((metric_type, _)) = rest.split_once(": ") else {
            continue;
        };
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        let mut labels: Vec<_> = labels.trim_end_matches('}').split(", ").collect();
        labels.retain(|label| !label.is_empty());
        labels.sort_unstable();
        documented.insert(format!("rate_limit_{name}"), (metric_type, labels));
    }
    let all = METRICS
        .iter()
        .map(|(name, metric_type, labels)| ((*name).to_owned(), (*metric_type, labels.to_vec())));
    assert_eq!(documented, all.collect());
}

#[test]
fn the_guide_and_the_example_have_the_same_buckets() {
    for place in ["docs/OBSERVABILITY.md", "examples/monitoring.rs"] {
        let text = file(place).replace(char::is_whitespace, "");
        for (name, buckets) in BUCKETS {
            let numbers: Vec<_> = buckets.iter().map(|bucket| format!("{bucket:?}")).collect();
            let list = numbers.join(",");
            let is_there = text.contains(&list) && text.contains(name);
            assert!(is_there, "{place} has no {name} with {list}");
        }
    }
}

#[tokio::test]
async fn what_is_exported_is_what_is_listed() {
    let recorder = crate::scrape::recorder();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let types = crate::stores::everything(&recorder).await;
    let listed = METRICS
        .iter()
        .map(|(name, metric_type, _)| ((*name).to_owned(), (*metric_type).to_owned()));
    assert_eq!(types, listed.collect());
    for (name, labels) in crate::scrape::scrape(&recorder).samples.into_keys() {
        let known = labels_of(&name).unwrap();
        assert!(
            labels.keys().all(|label| known.contains(&**label)),
            "{name} {labels:?}"
        );
    }
}
