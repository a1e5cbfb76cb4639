//! Charges that are consumed even if they are denied, for work that is done.

use super::{
    answer::with_receipts_for, call::Call, guard::Guard, late_charges::Kind,
    local_counts::LocalCharge, send, settler,
};
use crate::{
    decision::Decision,
    store::{
        charge::{Action, Charge, ChargeId},
        error::StoreError,
        fallback::Fallback,
    },
};
use smallvec::SmallVec;

impl Guard {
    /// Consumes the charges even if they are denied, now or when the store answers again.
    pub(super) async fn force(
        &self,
        charges: &[Charge<'_>],
        fallback: Fallback,
    ) -> Result<Decision, StoreError> {
        let shared = &self.0;
        if send::is_open(shared) {
            for charge in charges {
                shared.add_late(charge, Kind::Force);
            }
            settler::start_if_needed(shared);
            return shared.fall_back(fallback, charges, Action::Force, None);
        }
        let sent: SmallVec<[Charge<'_>; 2]> = charges
            .iter()
            .map(|charge| Charge {
                id: Some(charge.id.unwrap_or_else(ChargeId::random)),
                ..*charge
            })
            .collect();
        let is_local = fallback == Fallback::Local;
        let local_charge = is_local.then(|| shared.local_counts.charge(charges));
        let mut call = Call::new(shared, &sent, Action::Force);
        let result = send::send(shared, &mut call).await;
        shared.invalidate_denials(charges);
        let error = match result {
            Ok(decision) => {
                let local = local_charge.and_then(LocalCharge::commit);
                let local = local.as_ref().map_or(&[][..], Decision::receipts);
                return Ok(with_receipts_for(charges, decision, local));
            }
            Err(error) => error,
        };
        drop(local_charge);
        if shared.may_send_again(&error) {
            call.send_later();
            settler::start_if_needed(shared);
        }
        shared.fall_back(fallback, charges, Action::Force, Some(error))
    }
}
