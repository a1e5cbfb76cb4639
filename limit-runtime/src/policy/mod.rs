//! Policies: what an attribute or a layer says, and the rules resolved from it for one request.

pub(crate) mod argument_source;
pub(crate) mod boxed;
pub(crate) mod config;
pub(crate) mod constants;
pub(crate) mod last_argument;
pub(crate) mod over_arguments;
pub(crate) mod reserve;
pub(crate) mod resolution;
pub(crate) mod resolved_rule;
pub(crate) mod route_scope;
pub(crate) mod rule;
pub(crate) mod source;
