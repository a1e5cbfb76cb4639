//! A remote store behind a deadline, a circuit breaker and a fallback.

use super::{
    breaker::Breaker,
    budget_hash::BudgetHash,
    call::Call,
    denial_cache::DenialCache,
    health::{Counters, Health, count},
    late_charges::{Kind, LateCharges},
    local_counts::{LocalCharge, LocalCounts},
    outage_log::OutageLog,
    owned_charge::OwnedCharge,
    send, settler,
    shared::{Settings, Shared, unavailable},
};
use crate::{
    clock::Clock,
    decision::{Decision, Receipt},
    key::Key,
    store::{
        charge::{Action, Charge, ChargeId},
        error::StoreError,
        fallback::Fallback,
        memory::Bounds,
        scope::Scope,
        store::Store,
    },
};
use smallvec::SmallVec;
use std::{future::Future, sync::Arc};

/// A remote store with a deadline, a circuit breaker, a fallback and a denial cache around it.
#[derive(Debug)]
pub(crate) struct Guard(Arc<Shared>);

impl Guard {
    pub(crate) fn new(
        store: Box<dyn Store>,
        clock: Clock,
        settings: Settings,
        bounds: Bounds,
    ) -> Self {
        let real_clock = Clock::monotonic();
        Self(Arc::new(Shared {
            denials: store.denials_last().then(DenialCache::new),
            local_counts: LocalCounts::new(clock.clone(), bounds, store.epoch()),
            store,
            settings,
            clock,
            breaker: Breaker::new(real_clock.now()),
            real_clock,
            late: LateCharges::default(),
            counters: Counters::default(),
            log: OutageLog::default(),
        }))
    }

    /// # Errors
    /// When the store did not answer, and [`Fallback::Deny`] holds for one of the charges.
    pub(crate) async fn check(
        &self,
        charges: &[Charge<'_>],
        action: Action,
    ) -> Result<Decision, StoreError> {
        let shared = &self.0;
        settler::start_if_needed(shared);
        let fallback = strictest_fallback(charges, shared.settings.fallback);
        if action == Action::Force {
            return self.force(charges, fallback).await;
        }
        let sent_at = shared.clock.now();
        let denials = shared.denials.as_ref();
        let denials = denials.map(|denials| (denials, denials.fingerprint(charges)));
        if let Some((denials, fingerprint)) = &denials
            && let Some(denial) = denials.get(fingerprint, sent_at)
        {
            count(&shared.counters.repeated_denials);
            return Ok(denial);
        }
        if send::is_open(shared) {
            return shared.fall_back(fallback, charges, action, None);
        }
        let decision = match action {
            Action::Peek => self.peek(charges, fallback).await?,
            _ => self.consume(charges, fallback).await?,
        };
        if decision.is_from_store
            && !decision.answer.is_allowed()
            && let Some((denials, fingerprint)) = &denials
        {
            let answered_at = shared.clock.now();
            let denial = &decision.answer;
            denials.insert(fingerprint, charges, denial, (sent_at, answered_at));
        }
        Ok(decision.answer)
    }

    async fn peek(&self, charges: &[Charge<'_>], fallback: Fallback) -> Result<Answer, StoreError> {
        let shared = &self.0;
        let check = shared.store.check(charges, Action::Peek);
        match send::send(shared, check).await {
            Ok(decision) => Ok(Answer::of_store(decision)),
            Err(error) => shared
                .fall_back(fallback, charges, Action::Peek, Some(error))
                .map(Answer::of_fallback),
        }
    }

    async fn consume(
        &self,
        charges: &[Charge<'_>],
        fallback: Fallback,
    ) -> Result<Answer, StoreError> {
        let shared = &self.0;
        let local_counts = &shared.local_counts;
        let on_probation = || local_counts.on_probation(charges, shared.store.epoch());
        let mut local_charge = None;
        let mut probation = None;
        if fallback == Fallback::Local {
            probation = on_probation();
            match &probation {
                None => local_charge = Some(local_counts.charge(charges)),
                Some(budgets) => match local_counts.try_charge(charges) {
                    Ok(charge) => local_charge = Some(charge),
                    Err(denial) => {
                        if !self.store_knows(charges, budgets, &denial).await {
                            count(&shared.counters.local_refusals);
                            return Ok(Answer::of_fallback(denial));
                        }
                        probation = None;
                        local_charge = Some(local_counts.charge(charges));
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
                let decision = shared.fall_back(fallback, charges, Action::Consume, Some(error));
                if decision.as_ref().is_ok_and(Decision::is_allowed) {
                    call.admit();
                }
                return decision.map(Answer::of_fallback);
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
        let local = local_charge.and_then(LocalCharge::commit);
        let local = local.as_ref().map_or(&[][..], Decision::receipts);
        Ok(Answer::of_store(with_receipts_for(
            charges, decision, local,
        )))
    }

    /// Whether the store knows at least what the local counts know of budgets that they refuse.
    /// Asks it at most once a second.
    async fn store_knows(
        &self,
        charges: &[Charge<'_>],
        budgets: &[BudgetHash],
        denial: &Decision,
    ) -> bool {
        let shared = &self.0;
        if !shared.local_counts.should_ask(budgets) {
            return false;
        }
        let peek = shared.store.check(charges, Action::Peek);
        let Ok(answer) = send::send(shared, peek).await else {
            return false;
        };
        let local_counts = &shared.local_counts;
        local_counts.compare(charges, budgets, (&answer, denial));
        let epoch = shared.store.epoch();
        local_counts.on_probation(charges, epoch).is_none()
    }

    /// Consumes the charges even if they are denied, now or when the store answers again.
    async fn force(
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

    /// The denial of this charge, if it can be repeated without a call to the store.
    pub(crate) fn known_denial(&self, charge: &Charge<'_>) -> Option<Decision> {
        let shared = &*self.0;
        let denials = shared.denials.as_ref()?;
        let denial = denials.get_single(charge, shared.clock.now());
        if denial.is_some() {
            count(&shared.counters.repeated_denials);
        }
        denial
    }

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
        shared.invalidate_denials(charges);
        let pairs = || charges.iter().copied().zip(receipts);
        let (local, local_receipts): (SmallVec<[_; 2]>, SmallVec<[_; 2]>) = pairs()
            .filter_map(|(charge, receipt)| {
                let local = receipt.local()?;
                Some((charge.cost(receipt.claim_local(charge.cost)), local))
            })
            .unzip();
        shared.local_counts.refund(&local, &local_receipts);
        let (remote, receipts): (SmallVec<[_; 2]>, SmallVec<[_; 2]>) = pairs()
            .filter(|(_, receipt)| !receipt.is_local_only())
            .filter_map(|(charge, receipt)| {
                let units = receipt.claim(charge.cost);
                let id = Some(charge.id.unwrap_or_else(ChargeId::random));
                let charge = Charge {
                    id,
                    ..charge.cost(units)
                };
                (units > 0).then(|| (charge, receipt.clone()))
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
        let result = send::send(shared, shared.store.refund(&remote, &receipts)).await;
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

    /// # Errors
    /// When the store did not answer. The local counts are reset, the store's may be or not.
    pub(crate) async fn reset_key(&self, scope: Scope<'_>, key: &Key) -> Result<u64, StoreError> {
        let shared = &*self.0;
        if let Some(denials) = &shared.denials {
            // Denials cannot be looked up by scope and key alone, and resets are rare: clear all.
            denials.clear();
        }
        let local = shared.local_counts.reset_key(scope, key);
        let remote = self.call(shared.store.reset_key(scope, key)).await?;
        // Most budgets exist in both. The store lacks those created during an outage, the local
        // counts lack those of other processes.
        Ok(remote.max(local))
    }

    /// Has no deadline, because its duration grows with the number of keys in the store.
    ///
    /// # Errors
    /// When the store did not answer. The local counts are reset, the store's may be or not.
    pub(crate) async fn reset_all(&self) -> Result<(), StoreError> {
        let shared = &*self.0;
        if let Some(denials) = &shared.denials {
            denials.clear();
        }
        shared.local_counts.reset_all();
        shared.store.reset_all().await
    }

    pub(crate) fn describe_key(&self, scope: Scope<'_>, key: &Key) -> Option<String> {
        self.0.store.describe_key(scope, key)
    }

    pub(crate) fn health(&self) -> Health {
        self.0.health()
    }

    /// Calls the store unless the breaker is open; there is no fallback.
    async fn call<T>(
        &self,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        if send::is_open(&self.0) {
            return Err(unavailable());
        }
        send::send(&self.0, call).await
    }
}

/// A decision, and where it is from.
struct Answer {
    answer: Decision,
    is_from_store: bool,
}

impl Answer {
    fn of_store(answer: Decision) -> Self {
        Self {
            answer,
            is_from_store: true,
        }
    }

    fn of_fallback(answer: Decision) -> Self {
        Self {
            answer,
            is_from_store: false,
        }
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

/// The strictest fallback of the charges. A charge without one has the `default`.
fn strictest_fallback(charges: &[Charge<'_>], default: Fallback) -> Fallback {
    let strictness = |fallback: &Fallback| match fallback {
        Fallback::Allow => 0,
        Fallback::Local => 1,
        Fallback::Deny => 2,
    };
    charges
        .iter()
        .map(|charge| charge.on_store_error.unwrap_or(default))
        .max_by_key(strictness)
        .unwrap_or(default)
}

/// Limits each receipt of the store's decision to the cost of its charge, and adds the receipt of
/// the local counts if they have one.
fn with_receipts_for(
    charges: &[Charge<'_>],
    mut decision: Decision,
    local: &[Receipt],
) -> Decision {
    let receipts = decision.take_receipts().into_iter().zip(charges);
    let receipts = receipts.enumerate().map(|(index, (receipt, charge))| {
        let receipt = receipt.with_cost(charge.cost);
        match local.get(index) {
            Some(local) => receipt.with_local(local),
            None => receipt,
        }
    });
    decision.with_receipts(receipts)
}
