//! Charges of several owners in a cluster: their keys live on different servers, so no script sees all.
//!
//! They are reserved one after the other, and given back if a later one refuses. Nothing is ever
//! admitted too much; for the moment between, others may be refused who would have had room.

use super::RedisStore;
use crate::{
    decision::Decision,
    store::{Action, Charge, StoreError},
};
use smallvec::SmallVec;

impl RedisStore {
    pub(super) async fn check_in_order(
        &self,
        charges: &[Charge<'_>],
        action: Action,
    ) -> Result<Decision, StoreError> {
        let shares_owner = |charge: &Charge<'_>, first: &Charge<'_>| {
            charge.scope == first.scope && charge.key == first.key
        };
        let Some(first) = charges.first() else {
            return Ok(Decision::new([]));
        };
        if charges.iter().all(|charge| shares_owner(charge, first)) {
            return self.check_once(charges, action).await;
        }
        let mut outcomes: SmallVec<[_; 4]> = SmallVec::new();
        let mut receipts: SmallVec<[_; 2]> = SmallVec::new();
        // After a denial the rest is only asked how it stands.
        let mut action = action;
        for (index, charge) in charges.iter().enumerate() {
            let one = std::slice::from_ref(charge);
            let decision = self.check_once(one, action).await;
            let refused = match &decision {
                Ok(decision) => action == Action::Consume && !decision.is_allowed(),
                Err(_) => action == Action::Consume,
            };
            if refused {
                let taken = charges.get(..index).unwrap_or_default();
                let result = self.give_back(taken, &receipts).await;
                receipts.clear();
                action = Action::Peek;
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
