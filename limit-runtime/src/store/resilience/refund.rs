//! Refunds of charges that an earlier check consumed.

use super::{
    guard::Guard, late_charges::Kind, owned_charge::OwnedCharge, send, settler, shared::Shared,
};
use crate::{
    decision::Receipt,
    store::{
        charge::{Charge, ChargeId},
        error::StoreError,
    },
};
use smallvec::SmallVec;
use std::sync::Arc;

impl Guard {
    /// Refunds the charges, now or when the store answers again.
    ///
    /// # Errors
    /// When the store cannot refund these charges.
    pub(crate) async fn refund(
        &self,
        charges: &[Charge<'_>],
        receipts: &[Receipt],
    ) -> Result<(), StoreError> {
        let shared = &self.0;
        let (remote, receipts): (SmallVec<[_; 2]>, SmallVec<[_; 2]>) = self
            .refund_in_process(charges, receipts)
            .into_iter()
            .map(|(charge, at)| {
                // Its own: the id of the charge may be refunded in parts.
                let id = Some(ChargeId::random());
                (Charge { id, ..charge }, Receipt::of_cost(at, charge.cost))
            })
            .unzip();
        if remote.is_empty() {
            return Ok(());
        }
        if send::is_open(shared) {
            for (charge, receipt) in remote.iter().zip(&receipts) {
                shared.add_late(charge, Kind::refund(receipt));
            }
            settler::start_if_needed(shared);
            return Ok(());
        }
        let counts_once = shared.store.counts_ids_once();
        let mut unconfirmed = Unconfirmed {
            shared,
            refunds: counts_once.then_some((&remote, &receipts)),
        };
        let call = shared.store.refund(&remote, &receipts);
        let result = send::send(shared, call).await;
        // Again, for denials that were inserted during the call.
        shared.invalidate_denials(charges);
        match result {
            Err(error) if shared.may_send_again(&error) => Ok(()),
            result => {
                unconfirmed.refunds = None;
                result
            }
        }
    }
}

impl Guard {
    /// Refunds what is counted in this process. Returns what is left to refund in the store, and
    /// when that counted it.
    pub(super) fn refund_in_process<'a>(
        &self,
        charges: &'a [Charge<'a>],
        receipts: &[Receipt],
    ) -> SmallVec<[(Charge<'a>, u64); 2]> {
        let shared = &self.0;
        shared.invalidate_denials(charges);
        let pairs = || charges.iter().copied().zip(receipts);
        let (local, local_receipts): (SmallVec<[_; 2]>, SmallVec<[_; 2]>) = pairs()
            .filter_map(|(charge, receipt)| {
                let local = receipt.local()?;
                Some((charge.cost(receipt.claim_local(charge.cost)), local))
            })
            .unzip();
        shared.local_counts.refund(&local, &local_receipts);
        let remote = pairs().filter_map(|(charge, receipt)| {
            let charge = charge.cost(receipt.claim(charge.cost));
            self.left_to_refund(charge, receipt)
        });
        remote.collect()
    }

    /// What the store has to refund of a charge, and when it counted it. `None` if that is nothing,
    /// or follows when the store has counted the charge.
    fn left_to_refund<'a>(
        &self,
        charge: Charge<'a>,
        receipt: &Receipt,
    ) -> Option<(Charge<'a>, u64)> {
        if charge.cost == 0 {
            return None;
        }
        let Some(count) = receipt.late_count() else {
            let is_counted = !receipt.is_local_only() && !receipt.is_late();
            return is_counted.then(|| (charge, receipt.at()));
        };
        let unsent = match receipt.is_late() {
            true => self.0.late.take_back(&charge, charge.cost, count),
            false => 0,
        };
        let sent = charge.cost - unsent;
        let at = (sent > 0).then(|| count.refund(sent)).flatten()?;
        Some((charge.cost(sent), at))
    }
}

/// Refunds under way. Unless they are confirmed, they are kept and sent again, also if the request
/// ends before the store has answered.
struct Unconfirmed<'a> {
    shared: &'a Arc<Shared>,
    refunds: Option<(&'a [Charge<'a>], &'a [Receipt])>,
}

impl Drop for Unconfirmed<'_> {
    fn drop(&mut self) {
        let Some((charges, receipts)) = self.refunds else {
            return;
        };
        for (charge, receipt) in charges.iter().zip(receipts) {
            let (charge, kind) = (OwnedCharge::new(charge), Kind::refund(receipt));
            let now = self.shared.real_clock.now();
            let kept = self.shared.late.keep(charge, kind, now);
            self.shared.note_dropped(kept);
        }
        settler::start_if_needed(self.shared);
    }
}
