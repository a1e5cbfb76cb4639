//! Permits of concurrency limits: how many requests of a budget are in flight, and the requests
//! that wait for a permit.
//!
//! - This process always counts its own requests in flight. With a remote store, a permit needs a
//!   lease there as well; see `store/resilience/leases.rs`.
//! - The order is that of arrival, as in `wait_queue`: a request takes a permit only if no request
//!   that arrived earlier waits for that budget. When a permit is released, the first waiter is
//!   woken and asks again, so that no permit is lost with a client that disconnects.
//! - A request that needs permits of several budgets takes all of them or none. It holds none while
//!   it waits, so there is no deadlock.

mod acquire;
mod table;

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "these are tests")]
mod tests;

pub(crate) use self::{
    acquire::{HeldPermits, PermitRequest, acquire, refused_now},
    table::Permits,
};
