//! A remote store behind a deadline, a circuit breaker and a fallback.

use super::{
    breaker::Breaker,
    denials::Denials,
    health::{Counters, Health, StoreHealth, count},
    local_counts::{Reservation, Shadow},
    prober,
    shared::{IS_OUT, Settings, Shared},
};
use crate::{
    clock::Clock,
    decision::{Decision, Receipt},
    key::Key,
    store::{
        charge::{Action, Charge},
        error::StoreError,
        fallback::Fallback,
        memory::Bounds,
        scope::Scope,
        store::Store,
    },
};
use smallvec::SmallVec;
use std::{future::Future, sync::Arc};

/// A remote store, guarded.
#[derive(Debug)]
pub(crate) struct Guard(Arc<Shared>);

impl Guard {
    pub(crate) fn new(
        store: Box<dyn Store>,
        clock: Clock,
        settings: Settings,
        bounds: Bounds,
    ) -> Self {
        Self(Arc::new(Shared {
            denials: store.denials_last().then(Denials::new),
            shadow: Shadow::new(clock.clone(), bounds, store.epoch()),
            store,
            settings,
            clock,
            real: Clock::monotonic(),
            breaker: Breaker::default(),
            counters: Counters::default(),
        }))
    }

    /// # Errors
    /// When the store did not answer, and [`Fallback::Deny`] holds for one of the charges.
    pub(crate) async fn check(
        &self,
        charges: &[Charge<'_>],
        action: Action,
    ) -> Result<Decision, StoreError> {
        let shared = &*self.0;
        let sent = shared.clock.now();
        let denials = shared.denials.as_ref().filter(|_| action != Action::Force);
        let denials = denials.map(|denials| (denials, denials.question(charges)));
        if let Some((denials, question)) = &denials
            && let Some(denial) = denials.recall(question, sent)
        {
            count(&shared.counters.repeated_denials);
            return Ok(denial);
        }
        let fallback = strictest_fallback(charges, shared.settings.fallback);
        if self.is_open() {
            return shared.fall_back(fallback, charges, action, None);
        }
        let reserves = action != Action::Peek && fallback == Fallback::Local;
        // A forced charge is never refused.
        let is_bound =
            || action == Action::Consume && shared.shadow.is_on_probation(shared.store.epoch());
        let mut reservation = None;
        if reserves && is_bound() {
            match shared.shadow.try_reserve(charges) {
                Ok(own) => reservation = Some(own),
                Err(denial) => return Ok(denial),
            }
        } else if reserves {
            reservation = Some(shared.shadow.reserve(charges));
        }
        let decision = match self.ask(shared.store.check(charges, action)).await {
            Ok(decision) => decision,
            Err(error) => {
                // It may have been counted.
                shared.forget_denials(charges);
                drop(reservation);
                return shared.fall_back(fallback, charges, action, Some(error));
            }
        };
        let consumed = !decision.receipts().is_empty();
        if consumed {
            shared.forget_denials(charges);
        } else {
            drop(reservation);
            if let Some((denials, question)) = &denials
                && !decision.is_allowed()
            {
                let told = shared.clock.now();
                denials.keep(question, charges, &decision, (sent, told));
            }
            return Ok(decision);
        }
        // The connection may have been lost, and counts with it, while this was under way.
        if reservation.as_ref().is_some_and(|own| !own.had_room()) && is_bound() {
            drop(reservation.take());
            match shared.shadow.try_reserve(charges) {
                Ok(own) => reservation = Some(own),
                Err(denial) => return Ok(denial),
            }
        }
        let own = reservation.and_then(Reservation::keep);
        let own = own.as_ref().map_or(&[][..], Decision::receipts);
        Ok(with_receipts_for(charges, decision, own))
    }

    /// The denial of this charge, if this process knows it without asking the store.
    pub(crate) fn known_denial(&self, charge: &Charge<'_>) -> Option<Decision> {
        let shared = &*self.0;
        let known = shared.denials.as_ref()?.known(charge, shared.clock.now());
        if known.is_some() {
            count(&shared.counters.repeated_denials);
        }
        known
    }

    /// # Errors
    /// When the store did not answer. It then still counts what was to be given back.
    pub(crate) async fn refund(
        &self,
        charges: &[Charge<'_>],
        receipts: &[Receipt],
    ) -> Result<(), StoreError> {
        let shared = &*self.0;
        shared.forget_denials(charges);
        let pairs = || charges.iter().copied().zip(receipts);
        let (here, shadows): (SmallVec<[_; 2]>, SmallVec<[_; 2]>) = pairs()
            .filter_map(|(charge, receipt)| {
                let own = receipt.shadow()?;
                Some((charge.cost(receipt.claim_local(charge.cost)), own))
            })
            .unzip();
        shared.shadow.refund(&here, &shadows);
        let there = pairs().filter(|(_, receipt)| !receipt.is_shadow_only());
        if there.clone().next().is_some() && self.is_open() {
            // Nothing is sent, so that the receipts stay good.
            return Err(StoreError::new(IS_OUT));
        }
        let (there, receipts): (SmallVec<[_; 2]>, SmallVec<[_; 2]>) = there
            .filter_map(|(charge, receipt)| {
                let units = receipt.claim(charge.cost);
                (units > 0).then(|| (charge.cost(units), receipt.clone()))
            })
            .unzip();
        if there.is_empty() {
            return Ok(());
        }
        let result = self.ask(shared.store.refund(&there, &receipts)).await;
        // Those that were answered meanwhile.
        shared.forget_denials(charges);
        result
    }

    /// # Errors
    /// When the store did not answer. Only this process has forgotten then.
    pub(crate) async fn reset_key(&self, scope: Scope<'_>, key: &Key) -> Result<u64, StoreError> {
        let shared = &*self.0;
        if let Some(denials) = &shared.denials {
            // They are not kept by scope and key alone; an operator's reset is rare.
            denials.reset();
        }
        let local = shared.shadow.reset_key(scope, key);
        let remote = self.call(shared.store.reset_key(scope, key)).await?;
        // Each budget is counted in both, unless one of them has missed it: the store during an
        // outage, this process the checks of others.
        Ok(remote.max(local))
    }

    /// Without a deadline: it takes as long as the store has keys.
    ///
    /// # Errors
    /// When the store did not answer. Only this process has forgotten then.
    pub(crate) async fn reset_all(&self) -> Result<(), StoreError> {
        let shared = &*self.0;
        if let Some(denials) = &shared.denials {
            denials.reset();
        }
        shared.shadow.reset_all();
        shared.store.reset_all().await
    }

    pub(crate) fn describe_key(&self, scope: Scope<'_>, key: &Key) -> Option<String> {
        self.0.store.describe_key(scope, key)
    }

    pub(crate) fn health(&self) -> Health {
        let shared = &*self.0;
        let open = shared.breaker.open_for(shared.real.now());
        shared.counters.health(match open {
            None => StoreHealth::Up,
            Some(since) => StoreHealth::Down { since },
        })
    }

    fn is_open(&self) -> bool {
        let shared = &self.0;
        let is_open = shared.breaker.is_open();
        if is_open
            && shared
                .breaker
                .wants_prober(shared.real.now(), prober::SILENT)
        {
            prober::start(shared);
        }
        is_open
    }

    /// A call that has no fallback.
    async fn call<T>(
        &self,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        if self.is_open() {
            return Err(StoreError::new(IS_OUT));
        }
        self.ask(call).await
    }

    /// Asks the store, for as long as the deadline allows, and takes note of how it went.
    async fn ask<T>(
        &self,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let shared = &self.0;
        let result = shared.in_time(call).await;
        let now = shared.real.now();
        match &result {
            Ok(_) => {
                count(&shared.counters.answered);
                shared.breaker.success(now);
            }
            Err(error) => {
                count(&shared.counters.failed);
                tracing::debug!(%error, "the rate limiter's store failed a call");
                if error.is_outage() && shared.breaker.failure(now) {
                    shared.say_opened(error);
                    prober::start(shared);
                }
            }
        }
        result
    }
}

/// The fallback for several charges at once: the strictest of theirs.
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

/// The store's decision, with receipts that are good for no more than the costs of `charges`, and for the shadow
/// as well where it counted them.
fn with_receipts_for(charges: &[Charge<'_>], mut decision: Decision, own: &[Receipt]) -> Decision {
    let receipts = decision.take_receipts().into_iter().zip(charges);
    let receipts = receipts.enumerate().map(|(index, (receipt, charge))| {
        let receipt = receipt.with_cost(charge.cost);
        match own.get(index) {
            Some(own) => receipt.with_shadow(own),
            None => receipt,
        }
    });
    decision.with_receipts(receipts)
}
