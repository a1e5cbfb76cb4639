//! Functions of extractors: what may be written as key, limits, scope and cost, and what it may return.

pub(crate) mod function;
pub(crate) mod limits;
pub(crate) mod maybe_ready;
pub(crate) mod output;
pub(crate) mod rejection;
