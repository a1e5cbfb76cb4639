//! A store in memcached, to share limits between machines.
//!
//! All that is counted for a scope and key is one item. A check reads it with its CAS number,
//! decides with the code that also counts in memory, and writes it back if the number is still the
//! same. Checks of one key in this process are decided together.
//!
//! [`Limiter::connect`](crate::Limiter::connect) makes a limiter from a URL. [`MemcachedStore`] is
//! for programs that wrap or test the store directly.

mod admin;
mod batch;
mod check_keys;
mod client;
mod decide;
mod eviction_watch;
mod generation;
mod handshake;
mod impl_store;
mod item;
mod item_names;
mod lease_locks;
mod leases;
mod log_state;
mod memcached_store;
mod meta_client;
mod queue;
mod server;
mod store_clock;
mod transport;
mod url;
mod varint;
mod work;

pub use self::memcached_store::MemcachedStore;
