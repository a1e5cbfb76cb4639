//! Refunds and forced charges that no request waits for: they settle what was reserved.
//!
//! They are counted in this process at once, added to the [late charges](super::late_charges), and
//! sent by the [settler](super::settler).

use super::{guard::Guard, late_charges::Kind, leases, send, settler, shared::OnRefund};
use crate::{
    decision::{LateCount, Receipt},
    store::{
        charge::{Action, Charge},
        fallback::Fallback,
    },
};
use std::{
    slice,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tokio::runtime::Handle;

/// How often a shutdown looks at what is left.
const SHUTDOWN_INTERVAL: Duration = Duration::from_millis(5);

impl Guard {
    /// Refunds the charges here now, and in the store soon.
    pub(crate) fn refund_soon(&self, charges: &[Charge<'_>], receipts: &[Receipt]) {
        let shared = &self.0;
        for (charge, at) in self.refund_in_process(charges, receipts) {
            shared.add_late(&Charge { id: None, ..charge }, Kind::Refund { at });
        }
        settler::start_if_needed(shared);
    }

    /// Consumes a charge here now, and in the store soon, even if it is denied. Returns its
    /// receipt, also if it is not counted in this process.
    pub(crate) fn force_soon(&self, charge: &Charge<'_>) -> Option<Receipt> {
        let shared = &self.0;
        let count = self.force_in_store_soon(charge);
        let fallback = charge.on_store_error.unwrap_or(shared.settings.fallback);
        if fallback == Fallback::Allow {
            // Only the store counts it.
            return Some(Receipt::uncounted(charge.cost).late(charge.cost, count));
        }
        let charges = slice::from_ref(charge);
        let counted = if send::is_open(shared) {
            Some(shared.local_counts.check(charges, Action::Force))
        } else {
            shared.local_counts.charge(charges).commit()
        };
        let receipt = counted?.take_receipts().into_iter().next()?;
        Some(receipt.local_only().late(charge.cost, count))
    }

    /// Consumes a charge in the store soon that the store is not known to have counted. Returns
    /// what shows when it has; `None` if there is no room for the charge.
    pub(crate) fn force_in_store_soon(&self, charge: &Charge<'_>) -> Option<Arc<LateCount>> {
        let shared = &self.0;
        let count = shared.add_late(
            &Charge {
                id: None,
                ..*charge
            },
            Kind::Force,
        );
        shared.invalidate_denials(slice::from_ref(charge));
        settler::start_if_needed(shared);
        count
    }

    /// Waits until the store has confirmed what is kept for these budgets, for one deadline at
    /// most.
    pub(crate) async fn confirmed(&self, charges: &[Charge<'_>]) {
        let shared = &self.0;
        if Handle::try_current().is_err() || send::is_open(shared) {
            return;
        }
        let entries = shared.late.entries_of(charges);
        let all = async {
            for mut entry in entries {
                // An error is the end of the entry.
                let _ = entry.changed().await;
            }
        };
        let _ = tokio::time::timeout(shared.settings.deadline, all).await;
    }

    /// Gives back the leases that are not held any more, and waits until nothing is kept for the
    /// store, for this time at most. Returns the number of entries that are left.
    pub(crate) async fn drain(&self, time: Duration) -> usize {
        let shared = &self.0;
        let left = || {
            let (late, _) = shared.late.counts();
            let late = usize::try_from(late).unwrap_or(usize::MAX);
            late.saturating_add(shared.unanswered.load(Ordering::Relaxed))
        };
        if Handle::try_current().is_err() {
            return left();
        }
        let all = async {
            leases::send_released(shared).await;
            while left() > 0 {
                settler::start_if_needed(shared);
                tokio::time::sleep(SHUTDOWN_INTERVAL).await;
            }
        };
        let _ = tokio::time::timeout(time, all).await;
        left()
    }

    /// Sets what is called with the charges of a refund that the store has confirmed after its
    /// request.
    pub(crate) fn set_on_refund(&self, on_refund: Box<OnRefund>) {
        // There is one owner.
        let _ = self.0.on_refund.set(on_refund);
    }
}
