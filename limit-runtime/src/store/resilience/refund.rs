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
            .map(|(charge, receipt)| {
                // Its own: the id of the charge may be refunded in parts.
                let id = Some(ChargeId::random());
                (Charge { id, ..charge }, receipt.clone())
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
    /// Refunds what is counted in this process. Returns what is left to refund in the store.
    pub(super) fn refund_in_process<'a>(
        &self,
        charges: &'a [Charge<'a>],
        receipts: &'a [Receipt],
    ) -> impl Iterator<Item = (Charge<'a>, &'a Receipt)> + use<'a> {
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
        for (charge, receipt) in pairs().filter(|(_, receipt)| receipt.is_late()) {
            // What was sent meanwhile stays: the store's time of it is not known.
            let units = receipt.claim(charge.cost);
            shared.late.take_back(&charge, units);
        }
        pairs()
            .filter(|(_, receipt)| !receipt.is_local_only() && !receipt.is_late())
            .filter_map(|(charge, receipt)| {
                let units = receipt.claim(charge.cost);
                (units > 0).then(|| (charge.cost(units), receipt))
            })
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
            let had_room = self.shared.late.keep(charge, kind, now);
            self.shared.note_room(had_room);
        }
        settler::start_if_needed(self.shared);
    }
}
