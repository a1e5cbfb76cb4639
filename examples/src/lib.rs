//! Code that the examples share, so that each shows only its own subject.

#[cfg(feature = "chat")]
pub mod chat;
pub mod language;
mod server;

pub use server::serve;
