//! Policies: what an attribute or a layer says, and the rules resolved from it for one request.

pub(crate) mod boxed;
pub(crate) mod charge_timing;
pub(crate) mod config;
pub(crate) mod constants;
pub(crate) mod last_argument;
pub(crate) mod reserve;
pub(crate) mod resolution;
pub(crate) mod resolved_rule;
pub(crate) mod route_scope;
pub(crate) mod rule;
pub(crate) mod source;
