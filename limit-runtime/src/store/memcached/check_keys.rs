//! Checks of several keys, which are in several items.
//!
//! Each item is written by itself. So the charges are consumed one after the other, and refunded if
//! a later one is denied. This never admits more than a limit allows. Between consumption and
//! refund, another request may be denied although it would have had room.

use super::{
    memcached_store::MemcachedStore,
    work::{ItemCharge, ItemCharges, Work},
};
use crate::{
    decision::{Decision, Outcome, Receipt},
    store::{Action, Charge, StoreError, key_digest::Digest},
};
use smallvec::SmallVec;

/// The charges on one item.
struct Group {
    digest: Digest,
    charges: ItemCharges,
    /// The places of the charges in the check.
    places: SmallVec<[usize; 2]>,
}

impl MemcachedStore {
    pub(super) async fn check_keys(
        &self,
        charges: &[Charge<'_>],
        action: Action,
    ) -> Result<Decision, StoreError> {
        let groups = self.groups(charges, None);
        if let [group] = groups.as_slice() {
            let work = Work::Check(group.charges.clone(), action);
            return self.decide(group.digest, work).await;
        }
        let mut parts: SmallVec<[_; 2]> = SmallVec::new();
        let mut is_denied = false;
        for group in &groups {
            let action = if is_denied && action == Action::Consume {
                // The decision needs the outcomes of the remaining charges, but must not consume.
                Action::Peek
            } else {
                action
            };
            let work = Work::Check(group.charges.clone(), action);
            let decision = match self.decide(group.digest, work).await {
                Ok(decision) => decision,
                Err(error) => {
                    if action == Action::Consume {
                        // The error of the check is returned, not that of a refund.
                        let _ = self.give_back(&groups, &mut parts).await;
                    }
                    return Err(error);
                }
            };
            if action == Action::Consume && !decision.is_allowed() {
                is_denied = true;
                self.give_back(&groups, &mut parts).await?;
            }
            parts.push(decision);
        }
        Ok(together(charges, &groups, &parts))
    }

    /// Refunds what the first groups have consumed, and replaces their decisions by those of now.
    async fn give_back(
        &self,
        groups: &[Group],
        decisions: &mut [Decision],
    ) -> Result<(), StoreError> {
        let mut result = Ok(());
        for (group, decision) in groups.iter().zip(decisions) {
            let mut charges = group.charges.clone();
            for (charge, receipt) in charges.iter_mut().zip(decision.receipts()) {
                charge.at = receipt.at();
                charge.id = None;
            }
            match self.decide(group.digest, Work::Refund(charges)).await {
                Ok(now) => *decision = now.into_allowed(),
                // The others are refunded all the same.
                Err(error) => result = Err(error),
            }
        }
        result
    }

    pub(super) async fn refund_keys(
        &self,
        charges: &[Charge<'_>],
        receipts: &[Receipt],
    ) -> Result<(), StoreError> {
        for group in self.groups(charges, Some(receipts)) {
            self.decide(group.digest, Work::Refund(group.charges))
                .await?;
        }
        Ok(())
    }

    /// The charges by their items, in the order of the first charge of each. With `receipts`, they
    /// are refunds.
    fn groups(&self, charges: &[Charge<'_>], receipts: Option<&[Receipt]>) -> SmallVec<[Group; 1]> {
        let mut groups: SmallVec<[Group; 1]> = SmallVec::new();
        for (place, charge) in charges.iter().enumerate() {
            let item_charge = match receipts {
                None => ItemCharge::new(charge),
                Some(receipts) => match receipts.get(place) {
                    Some(receipt) => ItemCharge::refund(charge, receipt),
                    None => continue,
                },
            };
            let digest = self.digest(charge.scope, charge.key);
            let known = groups.iter_mut().find(|group| group.digest == digest);
            if let Some(group) = known {
                group.charges.push(item_charge);
                group.places.push(place);
            } else {
                groups.push(Group {
                    digest,
                    charges: smallvec::smallvec![item_charge],
                    places: smallvec::smallvec![place],
                });
            }
        }
        groups
    }
}

/// One decision from those of all groups, in the order of the charges.
fn together(charges: &[Charge<'_>], groups: &[Group], decisions: &[Decision]) -> Decision {
    let mut outcomes: SmallVec<[&[Outcome]; 2]> = smallvec::smallvec![&[][..]; charges.len()];
    let mut receipts: SmallVec<[Option<Receipt>; 2]> = smallvec::smallvec![None; charges.len()];
    for (group, decision) in groups.iter().zip(decisions) {
        let (mut rest, mut of_group) = (decision.outcomes(), decision.receipts().iter());
        for (charge, &place) in group.charges.iter().zip(&group.places) {
            let (of_charge, more) = rest.split_at(charge.limits.len().min(rest.len()));
            rest = more;
            if let (Some(outcomes), Some(receipt)) =
                (outcomes.get_mut(place), receipts.get_mut(place))
            {
                *outcomes = of_charge;
                *receipt = of_group.next().cloned();
            }
        }
    }
    let decision = Decision::new(outcomes.into_iter().flatten().copied());
    // A denied check has no receipts, although some of its charges were allowed.
    match receipts.into_iter().collect::<Option<SmallVec<[_; 2]>>>() {
        Some(receipts) if !receipts.is_empty() => decision.with_receipts(receipts),
        _ => decision,
    }
}
