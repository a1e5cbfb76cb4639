//! The in-memory store: shards of 64-byte entries, each shard behind its own lock.
//!
//! A check of one key locks one shard, finds one entry and changes it in place: one cache line, no
//! allocation. The number of shards grows with `max_keys`, so that a shard has a few thousand
//! entries at most and its table grows within microseconds. There is no background task: new keys,
//! and occasionally other checks, look at a few entries and remove the expired ones.
//!
//! An entry is *expired* when everything it counts has left its windows.

mod atomics;
mod bounds;
mod budget_id;
mod cache_padded;
mod check;
mod check_all;
mod denial_cache;
mod entry;
mod kind;
mod lock_order;
mod memory_store;
mod planned_charge;
mod room;
mod seqlock;
mod shard;
mod shard_time;
mod shared_budgets;
mod sweep;
mod table;
#[cfg(test)]
#[allow(clippy::cast_possible_truncation, reason = "small random numbers")]
mod tests;
mod totals;

pub(crate) use self::{bounds::Bounds, memory_store::MemoryStore};
pub use self::{bounds::Usage, shared_budgets::WhenFull};
