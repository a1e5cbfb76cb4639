//! The permits that a request holds.

use crate::{limiter::permits::HeldPermits, observe::policy_record::InFlight};
use smallvec::SmallVec;
use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

/// The permits of one request under the rules of one handler or layer. They are released when the
/// last clone of the reference to this is dropped: by the body of the response, and by each
/// [`Permit`](crate::Permit).
pub(crate) struct Hold {
    /// Decreased before the permits are released.
    pub(super) in_flight: SmallVec<[InFlight; 1]>,
    pub(super) permits: SmallVec<[HeldPermits; 1]>,
    /// When to end the body of the response.
    pub(super) hold_at_most: Option<Duration>,
    /// The permits of rules in dry run, beside those of others.
    pub(super) dry_run: OnceLock<Box<Self>>,
}

/// The permits that a request takes after an extractor has asked for them.
pub(super) type LaterHold = OnceLock<Arc<Hold>>;

impl Hold {
    /// Adds the permits of rules in dry run.
    pub(super) fn set_dry_run(&self, dry_run: Self) {
        // A request is resolved once.
        let _ = self.dry_run.set(Box::new(dry_run));
    }

    pub(crate) fn hold_at_most(&self) -> Option<Duration> {
        self.hold_at_most
    }

    /// Whether a permit was granted without an answer of the remote store.
    pub(super) fn is_of_fallback(&self) -> bool {
        self.permits.iter().any(HeldPermits::is_of_fallback)
    }

    /// Whether the request has waited for a permit.
    pub(super) fn has_waited(&self) -> bool {
        self.permits.iter().any(HeldPermits::has_waited)
    }
}

impl fmt::Debug for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hold")
            .field("permits", &self.permits)
            .finish_non_exhaustive()
    }
}
