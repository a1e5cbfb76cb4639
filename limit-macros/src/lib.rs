//! The attribute `#[rate_limit]` of the crate `limit-runtime`, which re-exports it: depend on that.

#![cfg_attr(docsrs, feature(doc_cfg))]
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod arguments;
mod attributes;
mod check;
mod cost;
mod emit;
mod errors;
mod expand;
mod free;
mod generics;
mod handler;
mod identity;
mod keys;
mod lasting;
mod model;
mod nearest;
mod options;
mod paths;
mod render;
mod rules;
mod signature;
mod spans;
mod strategy;
mod surroundings;
mod syntax;
#[cfg(test)]
mod tests;
mod values;

use proc_macro::TokenStream;

// Documented where it is re-exported: the examples need the runtime.
#[allow(missing_docs)]
#[proc_macro_attribute]
pub fn rate_limit(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let source = surroundings::source();
    expand::rate_limit(&arguments.into(), &item.into(), source.as_deref()).into()
}
