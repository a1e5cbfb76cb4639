//! Code that the examples share, so that each shows only its own subject.

pub mod language;
mod server;

pub use server::serve;
