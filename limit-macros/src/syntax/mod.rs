//! From tokens to options and functions. Their meaning comes later.

// The options: their names, and what to write for them.
pub(crate) mod options;
// `strategy = …`.
pub(crate) mod strategy;
// Options with texts, words or lists as values.
pub(crate) mod option_values;
// `unit = …`.
pub(crate) mod unit;
// The arguments of an attribute: limits and options.
pub(crate) mod arguments;
// The annotated function.
pub(crate) mod handler;
// Attributes on the handler that are not `#[rate_limit]`.
pub(crate) mod other_attributes;
// Further `#[rate_limit]` attributes on the handler.
pub(crate) mod stacked_attributes;
