//! The feature `metrics`, read through a Prometheus exporter.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::float_arithmetic,
    reason = "these are tests"
)]

mod dashboard;
mod handles;
mod outcomes;
mod scrape;
mod stores;
mod waits;
