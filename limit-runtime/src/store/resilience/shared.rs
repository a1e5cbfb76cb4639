//! State of a guarded store that the guard and the background prober share.

use super::{
    answer::LateCounts,
    breaker::Breaker,
    denial_cache::DenialCache,
    health::{Counters, Health, StoreHealth, count},
    late_charges::{Kept, Kind, LateCharges},
    lease_registry::LeaseRegistry,
    local_counts::LocalCounts,
    outage_log::OutageLog,
    owned_charge::OwnedCharge,
};
use crate::{
    clock::Clock,
    decision::{Decision, LateCount, Receipt},
    instruments::StoreInstruments,
    store::{
        charge::{Action, Charge, all_allowed},
        error::{StoreError, StoreErrorKind},
        fallback::Fallback,
        store::Store,
    },
};
use std::{
    fmt,
    future::Future,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

/// The default of [`Settings::deadline`].
pub(crate) const DEADLINE: Duration = Duration::from_millis(50);

pub(super) struct Shared {
    pub(super) store: Box<dyn Store>,
    pub(super) settings: Settings,
    /// The limiter's clock, which measures windows. It may be a test clock.
    pub(super) clock: Clock,
    /// Measures how long the store is unavailable. Never a test clock.
    pub(super) real_clock: Clock,
    pub(super) breaker: Breaker,
    pub(super) local_counts: LocalCounts,
    /// `None` if [`Store::denials_last`] is false.
    pub(super) denials: Option<DenialCache>,
    /// Forced charges and refunds that the store has not confirmed.
    pub(super) late: LateCharges,
    /// The permits that are held in this process.
    pub(super) leases: LeaseRegistry,
    pub(super) counters: Counters,
    pub(super) instruments: StoreInstruments,
    pub(super) log: OutageLog,
    /// The number of calls that have no answer, and no request that waits for one any more.
    pub(super) unanswered: AtomicUsize,
    /// Called with the charges of a refund that the store has confirmed after its request.
    pub(super) on_refund: OnceLock<Box<OnRefund>>,
}

/// What the owner of the store does after a refund.
pub(crate) type OnRefund = dyn Fn(&[Charge<'_>]) + Send + Sync;

/// Settings of a guarded store.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(crate) fallback: Fallback,
    pub(crate) deadline: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            fallback: Fallback::default(),
            deadline: DEADLINE,
        }
    }
}

impl Shared {
    pub(super) fn health(&self) -> Health {
        let (is_open, since) = self.breaker.state(self.real_clock.now());
        let store = if is_open {
            StoreHealth::Down
        } else {
            StoreHealth::Up
        };
        let (late_charges, late_charges_dropped) = self.late.counts();
        Health {
            late_charges,
            late_charges_dropped,
            ..self.counters.health(store, since)
        }
    }

    /// Whether a forced charge or a refund that failed with this error may be sent again.
    pub(super) fn may_send_again(&self, error: &StoreError) -> bool {
        self.store.counts_ids_once() && !matches!(error.kind(), StoreErrorKind::Request(_))
    }

    /// Keeps a forced charge or a refund that was not sent. Returns what shows when the store has
    /// counted the forced charge; `None` if there was no room.
    pub(super) fn add_late(&self, charge: &Charge<'_>, kind: Kind) -> Option<Arc<LateCount>> {
        let now = self.real_clock.now();
        // With an id of the caller's own, it can be sent once more by the caller.
        let kept = match charge.id {
            Some(_) if self.store.counts_ids_once() => {
                self.late.keep(OwnedCharge::new(charge), kind, now)
            }
            _ => self.late.add(charge, kind, now),
        };
        self.note_dropped(kept)
    }

    /// Keeps forced charges that were sent with their ids, and not confirmed. Returns what shows
    /// when the store has counted each of them.
    pub(super) fn keep_late(&self, charges: &[OwnedCharge]) -> LateCounts {
        if !self.store.counts_ids_once() {
            return LateCounts::new();
        }
        let now = self.real_clock.now();
        let kept = charges.iter().map(|charge| {
            let kept = self.late.keep(charge.clone(), Kind::Force, now);
            self.note_dropped(kept)
        });
        kept.collect()
    }

    /// Refunds what is not wanted any more of a charge that the store counted late: all of it, if
    /// no receipt has its `count`.
    pub(super) fn refund_counted(
        &self,
        charge: &Charge<'_>,
        receipt: &Receipt,
        count: Option<&LateCount>,
    ) {
        let counted = |count: &LateCount| count.counted(receipt.at(), charge.cost);
        let charge = Charge {
            id: None,
            ..charge.cost(count.map_or(charge.cost, counted))
        };
        self.add_late(&charge, Kind::refund(receipt));
    }

    /// Logs that charges were dropped for want of room, if any were.
    pub(super) fn note_dropped(&self, kept: Kept) -> Option<Arc<LateCount>> {
        if kept.has_dropped {
            let (left, dropped) = self.late.counts();
            self.log.dropped(self.real_clock.now(), left, dropped);
        }
        kept.count
    }

    pub(super) async fn with_deadline<T>(
        &self,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        // Outside of a tokio runtime there is no timer; only a store that needs none runs there.
        if tokio::runtime::Handle::try_current().is_err() {
            return call.await;
        }
        let deadline = self.settings.deadline;
        match tokio::time::timeout(deadline, call).await {
            Ok(result) => result,
            Err(_) => {
                let message =
                    format!("the store did not answer within the deadline of {deadline:?}");
                Err(StoreError::new(message).with_kind(StoreErrorKind::Deadline))
            }
        }
    }

    pub(super) fn fall_back(
        &self,
        fallback: Fallback,
        charges: &[Charge<'_>],
        action: Action,
        error: Option<StoreError>,
    ) -> Result<Decision, StoreError> {
        count(&self.counters.fallbacks);
        match fallback {
            Fallback::Local => {
                let mut decision = self.local_counts.check(charges, action);
                let receipts = decision.take_receipts();
                Ok(decision.with_receipts(receipts.into_iter().map(Receipt::local_only)))
            }
            Fallback::Allow => {
                let charged = match action {
                    Action::Peek => &[][..],
                    Action::Consume | Action::Force => charges,
                };
                let receipts = charged.iter().map(|charge| Receipt::uncounted(charge.cost));
                Ok(all_allowed(charges).with_receipts(receipts))
            }
            Fallback::Deny => Err(error.unwrap_or_else(unavailable)),
        }
    }

    pub(super) fn invalidate_denials(&self, charges: &[Charge<'_>]) {
        if let Some(denials) = &self.denials {
            denials.invalidate(charges);
        }
    }
}

/// A call that no request waits for, as long as it has no answer.
pub(super) struct UnderWay(Arc<Shared>);

impl UnderWay {
    pub(super) fn of(shared: &Arc<Shared>) -> Self {
        shared.unanswered.fetch_add(1, Ordering::Relaxed);
        Self(shared.clone())
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.unanswered.fetch_sub(1, Ordering::Relaxed);
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("store", &self.store)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// The error of a call that was not made because the breaker is open.
pub(super) fn unavailable() -> StoreError {
    StoreError::new("rate-limit store unavailable: not called until it answers a probe")
}
