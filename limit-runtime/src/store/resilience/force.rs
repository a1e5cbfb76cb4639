//! Charges that are consumed even if they are denied, for work that is done.

use super::{
    answer::{LateCounts, consumed, with_late_counts},
    call::Call,
    guard::Guard,
    late_charges::Kind,
    send, settler,
};
use crate::{
    decision::{Decision, LateCount, Receipt},
    store::{
        charge::{Action, Charge, ChargeId},
        error::StoreError,
        fallback::Fallback,
    },
};
use smallvec::SmallVec;
use std::sync::Arc;

impl Guard {
    /// Consumes the charges even if they are denied, now or when the store answers again.
    pub(super) async fn force(
        &self,
        charges: &[Charge<'_>],
        fallback: Fallback,
    ) -> Result<Decision, StoreError> {
        let shared = &self.0;
        if send::is_open(shared) {
            let counts = charges
                .iter()
                .map(|charge| shared.add_late(charge, Kind::Force))
                .collect();
            settler::start_if_needed(shared);
            let decision = shared.fall_back(fallback, charges, Action::Force, None)?;
            return Ok(with_late_counts(decision, counts, late));
        }
        let sent: SmallVec<[Charge<'_>; 2]> = charges
            .iter()
            .map(|charge| Charge {
                // What costs nothing can be counted twice.
                id: (charge.cost > 0).then(|| charge.id.unwrap_or_else(ChargeId::random)),
                ..*charge
            })
            .collect();
        let is_local = fallback != Fallback::Allow;
        let local_charge = is_local.then(|| shared.local_counts.charge(charges));
        let mut call = Call::new(shared, &sent, Action::Force);
        let result = send::send(shared, &mut call).await;
        shared.invalidate_denials(charges);
        let error = match result {
            Ok(decision) => return Ok(consumed(charges, decision, local_charge)),
            Err(error) => error,
        };
        drop(local_charge);
        let mut counts = LateCounts::new();
        if shared.may_send_again(&error) {
            counts = call.send_later();
            settler::start_if_needed(shared);
        }
        let decision = shared.fall_back(fallback, charges, Action::Force, Some(error))?;
        Ok(with_late_counts(decision, counts, late))
    }
}

/// The receipt of a charge that is kept for the store.
fn late(receipt: &Receipt, count: Arc<LateCount>) -> Receipt {
    receipt.late(receipt.cost(), Some(count))
}
