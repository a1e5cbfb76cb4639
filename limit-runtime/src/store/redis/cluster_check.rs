//! Checks of several keys in a cluster.
//!
//! Keys with different hash tags may be on different servers, and a script sees only the keys of
//! its own server. So the charges are consumed one after the other, and refunded if a later one is
//! denied. This never admits more than a limit allows. Between consumption and refund, another
//! request may be denied although it would have had room.

use super::redis_store::RedisStore;
use crate::{
    decision::Decision,
    store::{Action, Charge, StoreError},
};
use smallvec::SmallVec;

impl RedisStore {
    pub(super) async fn check_in_cluster(
        &self,
        charges: &[Charge<'_>],
        action: Action,
    ) -> Result<Decision, StoreError> {
        let Some(first) = charges.first() else {
            return Ok(Decision::new([]));
        };
        let is_on_server_of_first =
            |charge: &Charge<'_>| charge.scope == first.scope && charge.key == first.key;
        if charges.iter().all(is_on_server_of_first) {
            return self.check_in_one_call(charges, action).await;
        }
        let mut outcomes: SmallVec<[_; 4]> = SmallVec::new();
        let mut receipts: SmallVec<[_; 2]> = SmallVec::new();
        let mut action = action;
        for (index, charge) in charges.iter().enumerate() {
            let charge = std::slice::from_ref(charge);
            let decision = self.check_in_one_call(charge, action).await;
            let must_refund = match &decision {
                Ok(decision) => action == Action::Consume && !decision.is_allowed(),
                Err(_) => action == Action::Consume,
            };
            if must_refund {
                let consumed = charges.get(..index).unwrap_or_default();
                let result = self.refund_each(consumed, &receipts).await;
                receipts.clear();
                // The decision needs the outcomes of the remaining charges, but must not consume.
                action = Action::Peek;
                // If the check failed, its error is returned below, not that of the refund.
                if decision.is_ok() {
                    result?;
                }
            }
            let mut decision = decision?;
            outcomes.extend(decision.outcomes().iter().copied());
            receipts.extend(decision.take_receipts());
        }
        let decision = Decision::new(outcomes);
        if receipts.len() == charges.len() {
            Ok(decision.with_receipts(receipts))
        } else {
            Ok(decision)
        }
    }
}
