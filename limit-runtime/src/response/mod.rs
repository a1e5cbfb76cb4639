//! Responses: rate-limit headers, 429 and problem documents, and the settings of both.
//!
//! Headers and bodies are functions of policy labels, outcomes and settings. This module knows no
//! limiter, rule or per-request state.

pub(crate) mod buffer;
pub(crate) mod error_status;
pub(crate) mod exceeded;
pub(crate) mod grpc;
mod header_names;
pub(crate) mod header_style;
pub(crate) mod headers;
mod json_string;
pub(crate) mod permit_view;
pub(crate) mod policy_view;
pub(crate) mod problem;
pub(crate) mod rate_limit_info;
pub(crate) mod retry_after;
pub(crate) mod settings;
mod store_error;
mod strictest_by_unit;
pub(crate) mod too_many_requests;
