//! What the examples have in common, so that each shows its own matter only.

pub mod language;
mod server;

pub use server::serve;
