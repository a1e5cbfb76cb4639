//! What `#[rate_limit]` expands to: a handler with one argument, which checks the request.

pub(crate) mod limited;
mod by_arguments;
pub(crate) mod respond;
