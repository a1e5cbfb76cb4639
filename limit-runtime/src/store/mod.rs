//! Stores: where a limiter keeps its counts.

pub(crate) mod charge;
pub(crate) mod connect;
mod custom;
pub(crate) mod error;
mod fallback;
#[cfg(any(feature = "memcached", feature = "redis"))]
mod key_digest;
pub(crate) mod leases;
#[cfg(feature = "memcached")]
pub mod memcached;
pub(crate) mod memory;
#[cfg(feature = "redis")]
pub mod redis;
pub(crate) mod resilience;
mod scope;
mod scope_hash;
#[expect(clippy::module_inception, reason = "named after the trait `Store`")]
mod store;
mod store_future;

pub use self::{
    charge::{Action, Charge, ChargeId},
    connect::ConnectError,
    custom::CustomStore,
    error::StoreError,
    fallback::Fallback,
    leases::{LeaseStore, Leases},
    memory::Usage,
    resilience::{Health, StoreHealth},
    scope::Scope,
    store::Store,
    store_future::StoreFuture,
};
