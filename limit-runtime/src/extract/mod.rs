//! Functions of extractors: what may be written as key, limits, scope and cost, and what it may
//! return.
//!
//! The traits here are the bounds of methods such as
//! [`limit_layer`](crate::Limiter::limit_layer). They are sealed: write a function and leave the
//! rest to inference.

pub(crate) mod argument_value;
pub(crate) mod function;
pub(crate) mod limits;
pub(crate) mod maybe_ready;
pub(crate) mod output;
pub(crate) mod rejection;
pub(crate) mod role;
pub(crate) mod role_fn;

pub use self::role_fn::{CostFn, KeyFn, KeyOfRequest, LimitsFn};
