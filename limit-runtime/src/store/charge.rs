//! Charges, and what a check does with them.

use super::{fallback::Fallback, scope::Scope};
use crate::{
    decision::{Decision, Outcome},
    key::Key,
    window::Strategy,
};
use limit_core::Limits;

/// One budget that a request draws on: whose it is, what bounds it, and how much is wanted.
///
/// ```
/// use limit_runtime::{IntoKey, Limiter, limits, store::{Action, Charge, Scope}};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), limit_runtime::store::StoreError> {
/// let (tokens, requests) = (limits!("100_000/minute"), limits!("60/minute"));
/// let key = "tenant-7".into_key();
/// // All or nothing: a request and what it may cost.
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
    /// Whose budget.
    pub scope: Scope<'a>,
    /// Who is counted.
    pub key: &'a Key,
    /// All of these must have room.
    pub limits: &'a Limits,
    /// How much the request takes. Zero asks whether anything is left.
    pub cost: u64,
    /// How hits are counted.
    pub strategy: Strategy,
    /// What to do if a remote store does not answer; `None` as the limiter says.
    pub on_store_error: Option<Fallback>,
}

impl<'a> Charge<'a> {
    /// A charge of 1 on the budget of `key` in `scope`, which all of `limits` bound, by the moving window.
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
        }
    }

    /// How much to take. Zero asks whether anything is left.
    #[must_use]
    #[inline]
    pub fn cost(self, cost: u64) -> Self {
        Self { cost, ..self }
    }

    /// How hits are counted.
    #[must_use]
    #[inline]
    pub fn strategy(self, strategy: Strategy) -> Self {
        Self { strategy, ..self }
    }

    /// What to do if a remote store does not answer.
    #[must_use]
    #[inline]
    pub fn on_store_error(self, fallback: Fallback) -> Self {
        Self {
            on_store_error: Some(fallback),
            ..self
        }
    }
}

/// What a check does with its charges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// Consume them if all have room.
    Consume,
    /// Answer as [`Consume`](Self::Consume) would, and consume nothing.
    Peek,
    /// Consume them whether they have room or not: the work is done, and what is above a limit's count
    /// has to leave the window before anybody is admitted again. The answer is as for `Consume`.
    Force,
}

/// The decision that allows `charges` as if nothing was ever counted: of a limiter that is disabled,
/// or under [`Fallback::Allow`].
pub(crate) fn all_allowed(charges: &[Charge<'_>]) -> Decision {
    Decision::new(charges.iter().flat_map(|charge| {
        let limits = charge.limits.iter();
        limits.map(|&limit| Outcome::unused(limit, charge.strategy.capacity(limit)))
    }))
}
