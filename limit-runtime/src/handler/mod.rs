//! What `#[rate_limit]` expands to: a handler with one argument, which checks the request.

mod by_arguments;
pub(crate) mod limited;
pub(crate) mod respond;
