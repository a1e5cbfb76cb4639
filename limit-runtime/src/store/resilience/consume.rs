//! A check that consumes its charges if they are allowed.

use super::{
    answer::{Answer, consumed, with_late_counts},
    call::Call,
    guard::Guard,
    health::count,
    late_charges::Kind,
    local_counts::Budgets,
    owned_charge::OwnedCharge,
    send, settler,
};
use crate::{
    decision::{Decision, Receipt},
    store::{
        charge::{Action, Charge},
        error::StoreError,
        fallback::Fallback,
    },
};
use smallvec::SmallVec;
use tokio::runtime::Handle;

impl Guard {
    /// Consumes the charges if all of them are allowed.
    pub(super) async fn consume(
        &self,
        charges: &[Charge<'_>],
        fallback: Fallback,
    ) -> Result<Answer, StoreError> {
        let shared = &self.0;
        let local_counts = &shared.local_counts;
        let on_probation = || local_counts.on_probation(charges, shared.store.epoch());
        let mut local_charge = None;
        let mut probation: Option<Budgets> = None;
        // Under `Deny`, too: a store that has lost its counts must not grant them anew.
        if fallback != Fallback::Allow {
            probation = on_probation();
            match &probation {
                None => local_charge = Some(local_counts.charge(charges)),
                Some(budgets) => match local_counts.try_charge(charges) {
                    Ok(charge) => local_charge = Some(charge),
                    Err(denial) => {
                        self.ask_what_the_store_knows(charges, budgets, &denial);
                        count(&shared.counters.local_refusals);
                        return Ok(Answer::of_fallback(denial));
                    }
                },
            }
        }
        let mut call = Call::new(shared, charges, Action::Consume);
        let decision = match send::send(shared, &mut call).await {
            Ok(decision) => decision,
            Err(error) => {
                // The store may have counted the charges, or may still count them.
                shared.invalidate_denials(charges);
                drop(local_charge);
                let mut decision =
                    shared.fall_back(fallback, charges, Action::Consume, Some(error))?;
                if decision.is_allowed() {
                    decision = with_late_counts(decision, call.admit(), Receipt::with_late_count);
                }
                return Ok(Answer::of_fallback(decision));
            }
        };
        if decision.receipts().is_empty() {
            return Ok(Answer::of_store(decision));
        }
        shared.invalidate_denials(charges);
        if let (Some(budgets), Some(local)) = (&probation, &local_charge)
            && let Some(local) = local.decision()
        {
            local_counts.compare(charges, budgets, (&decision, local));
        }
        // The store may have reconnected during the call and lost its counts, which begins a
        // probation: then the charges must fit in the local counts as well.
        if local_charge
            .as_ref()
            .is_some_and(|charge| !charge.did_fit())
            && on_probation().is_some()
        {
            drop(local_charge.take());
            match local_counts.try_charge(charges) {
                Ok(charge) => local_charge = Some(charge),
                Err(denial) => {
                    count(&shared.counters.local_refusals);
                    for (charge, receipt) in charges.iter().zip(decision.receipts()) {
                        shared.add_late(charge, Kind::refund(receipt));
                    }
                    settler::start_if_needed(shared);
                    return Ok(Answer::of_fallback(denial));
                }
            }
        }
        let decision = consumed(charges, decision, local_charge);
        Ok(Answer::of_store(decision))
    }

    /// Asks the store what it knows of budgets that the local counts refuse, at most once a second,
    /// so that its decision applies again if that is at least as much. No request waits for it.
    fn ask_what_the_store_knows(
        &self,
        charges: &[Charge<'_>],
        budgets: &Budgets,
        denial: &Decision,
    ) {
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        if !self.0.local_counts.should_ask(budgets) {
            return;
        }
        let shared = self.0.clone();
        let charges: SmallVec<[OwnedCharge; 2]> = charges.iter().map(OwnedCharge::new).collect();
        let (budgets, denial) = (budgets.clone(), denial.clone());
        runtime.spawn(async move {
            let charges: SmallVec<[Charge<'_>; 2]> =
                charges.iter().map(OwnedCharge::as_charge).collect();
            let peek = shared.store.check(&charges, Action::Peek);
            if let Ok(answer) = send::send(&shared, peek).await {
                let local_counts = &shared.local_counts;
                local_counts.compare(&charges, &budgets, (&answer, &denial));
            }
        });
    }
}
