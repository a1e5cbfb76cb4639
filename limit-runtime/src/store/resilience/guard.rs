//! A remote store behind a deadline, a circuit breaker and a fallback.

use super::{
    answer::Answer,
    breaker::Breaker,
    denial_cache::DenialCache,
    health::{Counters, Health, count},
    late_charges::LateCharges,
    lease_registry::LeaseRegistry,
    leases::{self, LeaseAnswer},
    local_counts::LocalCounts,
    outage_log::OutageLog,
    send, settler,
    shared::{Settings, Shared, unavailable},
};
use crate::{
    clock::Clock,
    decision::Decision,
    instruments::StoreInstruments,
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
use std::{
    num::NonZeroU64,
    sync::{Arc, OnceLock, atomic::AtomicUsize},
};

/// A remote store with a deadline, a circuit breaker, a fallback and a denial cache around it.
#[derive(Debug)]
pub(crate) struct Guard(pub(super) Arc<Shared>);

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
            instruments: StoreInstruments::new(store.name()),
            local_counts: LocalCounts::new(clock.clone(), bounds, store.epoch()),
            store,
            settings,
            clock,
            breaker: Breaker::new(real_clock.now()),
            real_clock,
            late: LateCharges::default(),
            leases: LeaseRegistry::default(),
            counters: Counters::default(),
            log: OutageLog::default(),
            unanswered: AtomicUsize::new(0),
            on_refund: OnceLock::new(),
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

    /// Asks for a lease of a permit, of which at most `max` may be held.
    ///
    /// # Errors
    /// When the store did not answer, and [`Fallback::Deny`] holds.
    pub(crate) async fn acquire_lease(
        &self,
        budget: (Scope<'_>, &Key),
        max: NonZeroU64,
        fallback: Option<Fallback>,
    ) -> Result<LeaseAnswer, StoreError> {
        leases::acquire(&self.0, budget, max, fallback).await
    }

    /// Whether the permits that this process holds are bounded by themselves: not if every request
    /// gets one that the store does not answer.
    pub(crate) fn counts_permits_of_process(&self, fallback: Option<Fallback>) -> bool {
        let shared = &self.0;
        fallback.unwrap_or(shared.settings.fallback) != Fallback::Allow
            || shared.store.leases().is_none()
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
    /// When the store did not answer. The local counts are reset, the store's may be or not.
    pub(crate) async fn reset_key(&self, scope: Scope<'_>, key: &Key) -> Result<u64, StoreError> {
        let shared = &self.0;
        if let Some(denials) = &shared.denials {
            // Denials cannot be looked up by scope and key alone, and resets are rare: clear all.
            denials.clear();
        }
        let local = shared.local_counts.reset_key(scope, key);
        if send::is_open(shared) {
            return Err(unavailable());
        }
        let call = shared.store.reset_key(scope, key);
        let remote = send::send(shared, call).await?;
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
