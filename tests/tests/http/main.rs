//! Handlers through a real `Router`, on a test clock.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "these are tests"
)]

mod answers;
mod app;
mod client_ip;
mod error_statuses;
mod grpc;
mod identity;
mod layer_budgets;
mod layer_exceptions;
mod layer_options;
mod layers;
mod literal_limits;
mod options;
mod over_arguments;
mod peer;
mod rate_limit_extractor;
mod rate_limit_in_extractors;
mod rate_limit_info;
mod rate_limit_under_layers;
mod refusals;
mod rejection_types;
mod rejections;
mod resets;
mod scenarios;
mod units;
mod waiting;
