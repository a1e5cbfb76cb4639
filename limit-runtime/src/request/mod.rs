//! One request under its policies: check, charge and refund, its key functions and extractors.

pub(crate) mod admission;
pub(crate) mod built_in;
mod charging;
pub(crate) mod check;
pub(crate) mod client_ip;
pub(crate) mod current_request;
pub(crate) mod default_key;
mod denial;
pub(crate) mod dry_run;
pub(crate) mod early_refusal;
pub(crate) mod early_response;
pub(crate) mod enclosing_limits;
pub(crate) mod key_rejection;
pub(crate) mod keys;
mod late_body;
mod ledger;
mod limiter;
pub(crate) mod meter;
pub(crate) mod rate_limit;
pub(crate) mod rate_limit_rejection;
mod refusal;
pub(crate) mod report;
pub(crate) mod request_limits;
pub(crate) mod reservation;
mod response_headers;
mod settlement;
mod settling;
