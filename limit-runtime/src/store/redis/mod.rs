//! A store in Redis or Valkey, to share limits between machines.
//!
//! A check is one call of a Lua script: one round trip, atomic, and timed by the server's clock.
//! In a cluster, a check of several keys takes one call for each key.
//!
//! [`Limiter::connect`](crate::Limiter::connect) makes a limiter from a URL. [`RedisStore`] is for
//! programs that already have a connection of the `redis` crate, or that test the store directly.
//!
//! # Semantic versioning
//!
//! [`RedisStore::from_redis_connection`] takes a type of the [`redis`](mod@self::redis) crate,
//! version 1. A new major version of that crate therefore needs a new major version of this one.
//! This module re-exports the crate, so that a program does not need its own dependency on a
//! matching version.

mod batch;
mod cluster_check;
#[cfg(feature = "redis-cluster")]
mod cluster_reset;
mod connection;
mod connector;
mod handshake;
mod impl_store;
mod key_names;
mod known_windows;
mod leases;
mod redis_store;
mod request;
mod reset;
mod scan;
mod script;
mod server_error;
mod start_up;
#[cfg(feature = "redis-tls")]
mod tls;
mod transport;
mod url;
mod url_parameters;
mod wrapped_error;

pub use self::redis_store::RedisStore;

/// The `redis` crate, in the version that [`RedisStore::from_redis_connection`] takes.
#[doc(no_inline)]
pub use ::redis;
