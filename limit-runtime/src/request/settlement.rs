//! What a request has reserved, and what is known of its use.
//!
//! A [`Settlement`] is held by the handles of the application, and by the request until the status
//! of its response is known. When the last of them ends, it is [settled](super::settling).

use crate::{
    clock::Ticks,
    policy::{reserve::OnUnknown, resolved_rule::ResolvedRule},
};
use http::StatusCode;
use parking_lot::Mutex;
use smallvec::SmallVec;
use std::{
    mem,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
};
use tokio::runtime::Handle;

/// An exact use that is not known.
const UNKNOWN: u64 = u64::MAX;

/// The reservations of one request, and how far the request is.
#[derive(Debug, Default)]
pub(crate) struct Settlements(pub(super) Mutex<State>);

impl Settlements {
    /// Moves them to the state that replaces the one of these.
    pub(super) fn take(&self) -> Self {
        Self(Mutex::new(mem::take(&mut self.0.lock())))
    }
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) progress: Progress,
    pub(super) all: SmallVec<[Arc<Settlement>; 1]>,
    /// Whether a remote store may not have confirmed a correction. The headers wait for it.
    pub(super) is_unconfirmed: bool,
}

/// How far a request is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Progress {
    /// Its arguments are being extracted. The handler has not been called.
    Extracting,
    #[default]
    Handling,
    /// Its arguments could not be extracted.
    Rejected,
    /// It was dropped before its handler was called.
    Uncalled,
    /// It was dropped before it had a response.
    Dropped,
    Succeeded,
    Failed,
}

impl Progress {
    pub(super) fn is_open(self) -> bool {
        matches!(self, Self::Extracting | Self::Handling)
    }

    /// The progress of a request that ends with a response of this status, or without one.
    pub(super) fn end(self, status: Option<StatusCode>) -> Self {
        match (self, status) {
            (Self::Extracting, Some(_)) => Self::Rejected,
            (Self::Extracting, None) => Self::Uncalled,
            (Self::Handling, None) => Self::Dropped,
            (Self::Handling, Some(status)) => {
                match status.is_client_error() || status.is_server_error() {
                    true => Self::Failed,
                    false => Self::Succeeded,
                }
            }
            (ended, _) => ended,
        }
    }
}

/// What one request has reserved under a rule, and what is known of its use.
#[derive(Debug)]
pub(super) struct Settlement {
    /// The name of the policy. Its rule may not be resolved yet. `None` if only rules in dry run
    /// have reserved.
    policy: Option<&'static str>,
    /// The name that the application has selected. Rules in dry run are settled with it: those of
    /// this name, or all if there is none.
    only: Option<Box<str>>,
    /// Handles, and one more until the request has a response.
    pub(super) holders: AtomicUsize,
    /// [`UNKNOWN`] if it is.
    exact: AtomicU64,
    /// At least this is used; 0 if that is not known.
    bound: AtomicU64,
    /// A handle was dropped by a panic, before the request had a response.
    pub(super) has_panicked: AtomicBool,
    pub(super) is_settled: AtomicBool,
    /// More than this has to be used before excess is charged.
    pub(super) excess_above: AtomicU64,
    /// When excess was last charged, by the limiter's clock, or when the request reserved.
    pub(super) excess_charged_at: AtomicU64,
    /// Held for a correction.
    pub(super) correcting: Mutex<()>,
    /// For a correction outside of any runtime, with a remote store.
    pub(super) runtime: Option<Handle>,
}

impl Settlement {
    /// A settlement with one hold.
    pub(super) fn new(policy: Option<&'static str>, only: Option<&str>, now: Ticks) -> Self {
        Self {
            policy,
            only: only.map(Box::from),
            holders: AtomicUsize::new(1),
            exact: AtomicU64::new(UNKNOWN),
            bound: AtomicU64::new(0),
            has_panicked: AtomicBool::new(false),
            is_settled: AtomicBool::new(false),
            excess_above: AtomicU64::new(0),
            excess_charged_at: AtomicU64::new(now.as_micros()),
            correcting: Mutex::new(()),
            runtime: None,
        }
    }

    pub(super) fn is_of(&self, policy: Option<&str>, only: Option<&str>) -> bool {
        self.policy == policy && (policy.is_some() || self.only.as_deref() == only)
    }

    pub(super) fn policy(&self) -> Option<&'static str> {
        self.policy
    }

    /// Whether this rule, if it is in dry run, is settled with it.
    pub(super) fn selects(&self, rule: &ResolvedRule) -> bool {
        rule.reserves_under(self.only.as_deref())
    }

    pub(super) fn use_exactly(&self, units: u64) {
        self.exact.store(known(units), Ordering::Relaxed);
    }

    pub(super) fn use_more(&self, units: u64) {
        let more = |used: u64| match used {
            UNKNOWN => known(units),
            used => known(used.saturating_add(units)),
        };
        let (set, fetch) = (Ordering::Relaxed, Ordering::Relaxed);
        // The function returns a value for every use.
        let _ = self.exact.fetch_update(set, fetch, |used| Some(more(used)));
    }

    pub(super) fn use_at_least(&self, units: u64) {
        self.bound.fetch_max(units, Ordering::Relaxed);
    }

    fn exact(&self) -> Option<u64> {
        let exact = self.exact.load(Ordering::Relaxed);
        (exact != UNKNOWN).then_some(exact)
    }

    /// What is used for certain.
    pub(super) fn least(&self) -> u64 {
        let bound = self.bound.load(Ordering::Relaxed);
        self.exact().unwrap_or(0).max(bound)
    }

    pub(super) fn hold(&self) {
        self.holders.fetch_add(1, Ordering::Relaxed);
    }

    /// Charges no excess before the use is a tenth above `charged`.
    pub(super) fn tolerate(&self, charged: u64) {
        let most = charged.saturating_add((charged / 10).max(1));
        self.excess_above.store(most, Ordering::Relaxed);
    }

    /// The use to settle at. `None` if the charge stays as it is.
    pub(super) fn settled_use(
        &self,
        reserved: u64,
        progress: Progress,
        on_unknown: OnUnknown,
    ) -> Option<u64> {
        if let Some(exact) = self.exact() {
            return Some(exact);
        }
        let bound = self.bound.load(Ordering::Relaxed);
        if bound > 0 {
            return (bound > reserved).then_some(bound);
        }
        let has_failed = match progress {
            // It counts, but nothing was used.
            Progress::Rejected => return Some(reserved.min(1)),
            Progress::Uncalled | Progress::Failed => true,
            Progress::Extracting | Progress::Handling | Progress::Dropped => {
                self.has_panicked.load(Ordering::Relaxed)
            }
            Progress::Succeeded => false,
        };
        (has_failed || on_unknown == OnUnknown::Release).then_some(0)
    }

    /// The runtime of the request, in which a task settles with a remote store.
    pub(super) fn enter_runtime(&self) -> Option<tokio::runtime::EnterGuard<'_>> {
        let runtime = self.runtime.as_ref()?;
        Handle::try_current().is_err().then(|| runtime.enter())
    }
}

/// A use as it is stored.
fn known(units: u64) -> u64 {
    units.min(UNKNOWN - 1)
}
