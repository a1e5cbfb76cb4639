//! Whom a request is counted as, behind proxies and before attackers.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod chain;
mod common;
mod proof;
mod random;
mod router;
mod rules;
