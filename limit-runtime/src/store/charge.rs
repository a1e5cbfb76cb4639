//! A charge on a budget, and the actions of a check.

use super::{fallback::Fallback, scope::Scope};
use crate::{
    decision::{Decision, Outcome},
    key::Key,
    window::Strategy,
};
use limit_core::{Limit, Limits};
use std::{
    hash::{BuildHasher, RandomState},
    num::NonZeroU64,
};

/// A cost to consume from one budget, with the limits that apply to it.
///
/// A budget is identified by scope, key and strategy. Several charges can be checked together: all
/// of them are consumed, or none.
///
/// ```
/// use limit_runtime::{IntoKey, Limiter, limits, store::{Action, Charge, Scope}};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), limit_runtime::store::StoreError> {
/// let (tokens, requests) = (limits!("100_000/minute"), limits!("60/minute"));
/// let key = "tenant-7".into_key();
/// // One request, and the tokens it may use: both are consumed, or neither.
/// let charges = [
///     Charge::new(Scope::shared("requests"), &key, &requests),
///     Charge::new(Scope::shared("tokens"), &key, &tokens).cost(1_500),
/// ];
/// let decision = Limiter::new().check_all(&charges, Action::Consume).await?;
/// assert!(decision.is_allowed());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Charge<'a> {
    /// The scope of the budget.
    pub scope: Scope<'a>,
    /// The key to count by, such as a client's address or a tenant.
    pub key: &'a Key,
    /// The limits of the budget. A charge is allowed if its cost fits in each of them.
    pub limits: &'a Limits,
    /// The cost, in the unit of the limits (requests, tokens, …). A cost of 0 consumes nothing, and
    /// is allowed if a cost of 1 would be.
    pub cost: u64,
    /// The counting algorithm.
    pub strategy: Strategy,
    /// What to do if a remote store does not answer. `None`: the limiter's [`Fallback`].
    pub on_store_error: Option<Fallback>,
    /// Identifies a [forced](Action::Force) charge that may be sent to a remote store more than
    /// once: the store counts it once. `None`: the limiter chooses one for each call. A store also
    /// gets one for each refund, which it counts once for itself.
    pub id: Option<ChargeId>,
}

/// Identifies a forced charge, or a refund, so that a store counts it once, however often it is
/// sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ChargeId(NonZeroU64);

impl ChargeId {
    /// A random id. Ids of one budget differ, except with a negligible probability.
    #[must_use]
    pub fn random() -> Self {
        let number = RandomState::new().hash_one(0);
        Self(NonZeroU64::new(number).unwrap_or(NonZeroU64::MIN))
    }

    /// The id as a number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0.get()
    }
}

impl<'a> Charge<'a> {
    /// A charge of 1 on the budget of `key` in `scope`, under `limits` and
    /// [`Strategy::MovingWindow`].
    #[must_use]
    #[inline]
    pub fn new(scope: Scope<'a>, key: &'a Key, limits: &'a Limits) -> Self {
        Self {
            scope,
            key,
            limits,
            cost: 1,
            strategy: Strategy::MovingWindow,
            on_store_error: None,
            id: None,
        }
    }

    /// Sets the cost. Default: 1. A cost of 0 consumes nothing, and is allowed if a cost of 1 would
    /// be.
    #[must_use]
    #[inline]
    pub fn cost(self, cost: u64) -> Self {
        Self { cost, ..self }
    }

    /// Sets the counting algorithm. Default: [`Strategy::MovingWindow`].
    #[must_use]
    #[inline]
    pub fn strategy(self, strategy: Strategy) -> Self {
        Self { strategy, ..self }
    }

    /// Sets what to do if a remote store does not answer. Default: the limiter's [`Fallback`].
    #[must_use]
    #[inline]
    pub fn on_store_error(self, fallback: Fallback) -> Self {
        Self {
            on_store_error: Some(fallback),
            ..self
        }
    }
}

impl Charge<'_> {
    /// For how long the charge counts once it is consumed, in milliseconds, rounded up.
    pub(crate) fn lifetime_millis(&self) -> u64 {
        let of_limit = |limit: &Limit| {
            let window = limit.window_millis();
            match self.strategy {
                // A window counts until the next one has ended.
                Strategy::SlidingWindow => window.saturating_mul(2),
                // Until the bucket is empty, which a forced charge may have filled further.
                Strategy::Gcra { burst } => {
                    let units = burst.get().saturating_add(self.cost);
                    let drained = u128::from(window) * u128::from(units);
                    let drained = drained.div_ceil(u128::from(limit.count().get()));
                    u64::try_from(drained).unwrap_or(u64::MAX).max(window)
                }
                Strategy::MovingWindow | Strategy::FixedWindow => window,
            }
        };
        self.limits.iter().map(of_limit).max().unwrap_or_default()
    }
}

/// What a check does with its charges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// Consume the charges if all of them are allowed.
    Consume,
    /// Decide as for [`Consume`](Self::Consume), but consume nothing.
    Peek,
    /// Consume the charges even if they are denied, for work that is already done. Usage may then
    /// exceed a limit, and further charges are denied until it has decreased. The decision is as
    /// for [`Consume`](Self::Consume).
    ///
    /// If a remote store does not answer, the charge is kept in this process and sent when the
    /// store does, so it counts from then on. The result is that of the [`Fallback`]: with
    /// [`Fallback::Deny`] it is an error, and the charge is kept all the same.
    ///
    /// Fixed and sliding windows count up to 2⁵⁰ units, which is more than any limit allows. Units
    /// beyond that do not count, so a refund of a charge that passed it frees units in use.
    Force,
}

/// The decision that allows `charges` and reports unused limits: for a disabled limiter, and for
/// [`Fallback::Allow`].
pub(crate) fn all_allowed(charges: &[Charge<'_>]) -> Decision {
    Decision::new(charges.iter().flat_map(|charge| {
        let limits = charge.limits.iter();
        limits.map(|&limit| Outcome::unused(limit, charge.strategy.capacity(limit)))
    }))
}
