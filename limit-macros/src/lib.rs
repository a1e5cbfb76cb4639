//! The attribute `#[rate_limit]` of the crate `limit-runtime`, which re-exports it: depend on that.
//!
//! The macro is a pipeline: `syntax` reads the attributes and the function, `check` turns them into
//! a `model` or reports errors, `emit` turns the model into code and cannot fail.
//!
//! Modules are declared in the order of their dependencies, here and in each folder's `mod.rs`. A
//! module imports only from modules that are declared above it, or above one of its parent modules;
//! a `mod.rs` also from its own children. Imports are written as `use crate::…`, so that a test can
//! read them. The comment above each declaration keeps rustfmt from sorting them.

#![cfg_attr(docsrs, feature(doc_cfg))]
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

// Collects compile errors, so that all are reported at once.
mod errors;
// The allowed word that is closest to a misspelled one.
mod did_you_mean;
// Hygiene and location of generated tokens.
mod spans;
// Tokens as text, and words among tokens.
mod tokens;
// What an expression is, once parentheses are removed.
mod exprs;
// Functions and attributes of the runtime, recognised by their paths.
mod known_paths;
// Extractors and response types, recognised by their names.
mod known_types;
// What the attributes mean: the result of `check` and the input of `emit`.
mod model;
// From tokens to options and functions. Their meaning comes later.
mod syntax;
// From options and functions to the model, or to errors.
mod check;
// From the model to code.
mod emit;
// Runs the pipeline.
mod expand;

#[cfg(test)]
mod tests;

use proc_macro::TokenStream;

// Documented where it is re-exported, because the examples need the runtime.
#[allow(missing_docs)]
#[proc_macro_attribute]
pub fn rate_limit(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let source = check::impl_block::source_file();
    expand::rate_limit(&arguments.into(), &item.into(), source.as_deref()).into()
}
