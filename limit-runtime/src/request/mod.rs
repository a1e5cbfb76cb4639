//! One request under its policies: check, charge and refund, its key functions and extractors.

pub(crate) mod admission;
pub(crate) mod admit;
pub(crate) mod built_in;
pub(crate) mod client_ip;
pub(crate) mod current_request;
pub(crate) mod default_key;
pub(crate) mod finish;
pub(crate) mod keys;
mod late_body;
mod limiter;
pub(crate) mod rate_limit;
mod refuse;
mod report;
pub(crate) mod request_limits;
