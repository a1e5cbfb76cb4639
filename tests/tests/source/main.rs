//! Checks of the source text and of the dependencies, not of behaviour.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "these are tests"
)]

mod comment_width;
mod dependencies;
mod files;
mod import_order;
mod imports;
mod no_std;
