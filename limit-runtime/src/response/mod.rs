//! Responses: rate-limit headers, 429 and problem documents, and what the application may change.
//!
//! Everything here is computed from policies, outcomes and settings. Nothing knows a limiter, a rule or
//! a request.

pub(crate) mod buffer;
pub(crate) mod error_status;
pub(crate) mod exceeded;
pub(crate) mod grpc;
mod header_cache;
mod header_names;
pub(crate) mod header_style;
pub(crate) mod headers;
mod label;
pub(crate) mod policy_view;
pub(crate) mod problem;
pub(crate) mod rate_limit_info;
pub(crate) mod retry_after;
pub(crate) mod settings;
pub(crate) mod too_many_requests;
