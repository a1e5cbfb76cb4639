//! FIFO wait queues: requests that wait for room in a budget instead of being refused.
//!
//! - A budget has a queue only while requests wait in it. A request waits in one queue at a time:
//!   that of the rule with the longest wait.
//! - The order is that of arrival: each request gets a number at its first check. A request may
//!   consume only if no request with a smaller number waits in the queue of any of its budgets. The
//!   request with the smallest number of all never waits for another one, so there is no deadlock.
//! - Room is never handed from one request to the next. A waiter that is woken checks the queues
//!   and the store again. A waiter that is dropped leaves its queue and wakes the first one of it,
//!   so no wake-up is lost.
//!
//! | File | holds |
//! |---|---|
//! | `queues.rs` | the data structure: the waiters of each budget in order of arrival |
//! | `schedule.rs` | computes when each waiter of a queue can be admitted |
//! | `acquire.rs` | the loop of one request: check, join a queue, sleep, check again |

mod acquire;
mod queues;
mod schedule;

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "these are tests, with small numbers"
)]
mod tests;

pub(crate) use self::{
    acquire::{MaxWait, WaitMode, acquire, may_wait, refused_now},
    queues::WaitQueues,
};

#[cfg(test)]
use self::queues::{Arrival, QueueKey};
