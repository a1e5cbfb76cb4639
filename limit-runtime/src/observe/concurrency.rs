//! How many requests may be in flight under a policy.

use limit_core::MAX_COUNT;
use std::{num::NonZeroU64, time::Duration};

/// How many requests may be in flight under a policy.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Concurrency {
    pub(crate) max: NonZeroU64,
    /// When to end the body of a response that holds a permit.
    pub(crate) hold_at_most: Option<Duration>,
    /// Whether the policy has no limits beside this one. Those of its resolved rule are then
    /// placeholders.
    pub(crate) is_only_limit: bool,
}

impl Concurrency {
    /// # Panics
    /// If the number is 0, or larger than that of any limit.
    #[track_caller]
    #[expect(clippy::panic, reason = "a panic in a constant is a compile error")]
    pub(super) const fn new(max: u64) -> Self {
        match NonZeroU64::new(max) {
            Some(max) if max.get() <= MAX_COUNT => Self::of(max),
            Some(_) => panic!(
                "`concurrency` is too large: write at most 999_999_999_999_999 requests at once"
            ),
            None => panic!(
                "no request would be admitted with `concurrency = 0`: write a number of at least \
                 1, or remove `concurrency`"
            ),
        }
    }

    pub(crate) const fn of(max: NonZeroU64) -> Self {
        Self {
            max,
            hold_at_most: None,
            is_only_limit: false,
        }
    }
}
