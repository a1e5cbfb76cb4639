//! The algorithms, as pure functions over plain state: no clock, lock, store or HTTP.
//!
//! Each file is one algorithm and states its guarantees in the worst case. Times are
//! [`Ticks`](crate::clock::Ticks), arithmetic is in integers, and rounding is against the client.

mod arithmetic;
mod checked;
pub(crate) mod counter;
pub(crate) mod fixed;
pub(crate) mod gcra;
pub(crate) mod moving;
pub(crate) mod sliding;
mod strategy;
mod window_usage;

#[cfg(test)]
#[allow(clippy::cast_possible_truncation, reason = "small random numbers")]
mod properties;

pub use self::strategy::Strategy;
pub(crate) use self::{
    arithmetic::{after, window_micros},
    checked::Checked,
};
