//! What the attribute expands to: a handler with one argument that checks the request first.

pub(crate) mod limited;
pub(crate) mod respond;
