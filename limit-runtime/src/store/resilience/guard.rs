//! A remote store behind a deadline, a circuit breaker and a fallback.

use super::{
    breaker::Breaker,
    denial_cache::DenialCache,
    health::{Counters, Health, StoreHealth, count},
    local_counts::{LocalCharge, LocalCounts},
    prober,
    shared::{Settings, Shared, unavailable},
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
        Self(Arc::new(Shared {
            denials: store.denials_last().then(DenialCache::new),
            local_counts: LocalCounts::new(clock.clone(), bounds, store.epoch()),
            store,
            settings,
            clock,
            real_clock: Clock::monotonic(),
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
        let sent_at = shared.clock.now();
        // A forced charge consumes even if it is denied, so its denial cannot be repeated.
        let denials = shared.denials.as_ref().filter(|_| action != Action::Force);
        let denials = denials.map(|denials| (denials, denials.fingerprint(charges)));
        if let Some((denials, fingerprint)) = &denials
            && let Some(denial) = denials.get(fingerprint, sent_at)
        {
            count(&shared.counters.repeated_denials);
            return Ok(denial);
        }
        let fallback = strictest_fallback(charges, shared.settings.fallback);
        if self.is_open() {
            return shared.fall_back(fallback, charges, action, None);
        }
        let charges_locally = action != Action::Peek && fallback == Fallback::Local;
        // A forced charge is never denied, so the local counts do not apply to it.
        let must_fit_locally = || {
            action == Action::Consume && shared.local_counts.is_on_probation(shared.store.epoch())
        };
        let mut local_charge = None;
        if charges_locally && must_fit_locally() {
            match shared.local_counts.try_charge(charges) {
                Ok(charge) => local_charge = Some(charge),
                Err(denial) => return Ok(denial),
            }
        } else if charges_locally {
            local_charge = Some(shared.local_counts.charge(charges));
        }
        let decision = match self.send(shared.store.check(charges, action)).await {
            Ok(decision) => decision,
            Err(error) => {
                // The store may have counted the charges.
                shared.invalidate_denials(charges);
                drop(local_charge);
                return shared.fall_back(fallback, charges, action, Some(error));
            }
        };
        let consumed = !decision.receipts().is_empty();
        if consumed {
            shared.invalidate_denials(charges);
        } else {
            drop(local_charge);
            if let Some((denials, fingerprint)) = &denials
                && !decision.is_allowed()
            {
                let answered_at = shared.clock.now();
                denials.insert(fingerprint, charges, &decision, (sent_at, answered_at));
            }
            return Ok(decision);
        }
        // The store may have reconnected during the call and lost its counts, which begins a
        // probation: then the charges must fit in the local counts as well.
        if local_charge
            .as_ref()
            .is_some_and(|charge| !charge.did_fit())
            && must_fit_locally()
        {
            drop(local_charge.take());
            match shared.local_counts.try_charge(charges) {
                Ok(charge) => local_charge = Some(charge),
                Err(denial) => return Ok(denial),
            }
        }
        let local = local_charge.and_then(LocalCharge::commit);
        let local = local.as_ref().map_or(&[][..], Decision::receipts);
        Ok(with_receipts_for(charges, decision, local))
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

    /// # Errors
    /// When the store did not answer. The charges may then be refunded or not.
    pub(crate) async fn refund(
        &self,
        charges: &[Charge<'_>],
        receipts: &[Receipt],
    ) -> Result<(), StoreError> {
        let shared = &*self.0;
        shared.invalidate_denials(charges);
        let pairs = || charges.iter().copied().zip(receipts);
        let (local, local_receipts): (SmallVec<[_; 2]>, SmallVec<[_; 2]>) = pairs()
            .filter_map(|(charge, receipt)| {
                let local = receipt.local()?;
                Some((charge.cost(receipt.claim_local(charge.cost)), local))
            })
            .unzip();
        shared.local_counts.refund(&local, &local_receipts);
        let remote = pairs().filter(|(_, receipt)| !receipt.is_local_only());
        if remote.clone().next().is_some() && self.is_open() {
            // No units are claimed from the receipts, so the refund can be tried again later.
            return Err(unavailable());
        }
        let (remote, receipts): (SmallVec<[_; 2]>, SmallVec<[_; 2]>) = remote
            .filter_map(|(charge, receipt)| {
                let units = receipt.claim(charge.cost);
                (units > 0).then(|| (charge.cost(units), receipt.clone()))
            })
            .unzip();
        if remote.is_empty() {
            return Ok(());
        }
        let result = self.send(shared.store.refund(&remote, &receipts)).await;
        // Again, for denials that were inserted during the call.
        shared.invalidate_denials(charges);
        result
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
        let shared = &*self.0;
        let open = shared.breaker.open_for(shared.real_clock.now());
        shared.counters.health(match open {
            None => StoreHealth::Up,
            Some(since) => StoreHealth::Down { since },
        })
    }

    /// Whether the breaker is open. Then also replaces the prober if it is gone.
    fn is_open(&self) -> bool {
        let shared = &self.0;
        let breaker = &shared.breaker;
        let is_open = breaker.is_open();
        if is_open && breaker.needs_prober(shared.real_clock.now(), prober::MAX_SILENCE) {
            prober::start(shared);
        }
        is_open
    }

    /// Calls the store unless the breaker is open; there is no fallback.
    async fn call<T>(
        &self,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        if self.is_open() {
            return Err(unavailable());
        }
        self.send(call).await
    }

    /// Calls the store within the deadline, and counts the result for the breaker and the counters.
    async fn send<T>(
        &self,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let shared = &self.0;
        let result = shared.with_deadline(call).await;
        let now = shared.real_clock.now();
        match &result {
            Ok(_) => {
                count(&shared.counters.answered);
                shared.breaker.success(now);
            }
            Err(error) => {
                count(&shared.counters.failed);
                tracing::debug!(%error, "rate-limit store call failed");
                if error.is_outage() && shared.breaker.failure(now) {
                    shared.log_opened(error);
                    prober::start(shared);
                }
            }
        }
        result
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
