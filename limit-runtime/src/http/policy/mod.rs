//! What `#[rate_limit]` expands to: a policy of rules, resolved for each request.

mod constants;
mod sources;

pub use self::constants::{gcra, parsed};
pub use self::sources::{All, DefaultKey, cost, key, limits};
pub(super) use self::sources::{CostSource, KeySource, LimitsSource};

use super::admit::Admit;
use super::instead::Instead;
use super::soon::answer_of;
use super::spec::{Demand, Demands, Spec};
use http::request::Parts;
use std::future::Future;

/// The limits of one handler, under the router state `S`.
pub trait Policy<S> {
    /// Whether the check consumes at once; it does not when a cost depends on the body.
    const HOW: Admit = Admit::Consume;

    /// One rule for each attribute.
    fn rules() -> impl Rules<S>;
}

/// One or more rules, resolved for a request.
pub trait Rules<S>: Send {
    /// Adds what this request demands.
    fn resolve(
        self,
        parts: &mut Parts,
        state: &S,
        wanted: &mut Wanted,
    ) -> impl Future<Output = Result<(), Instead>> + Send;
}

/// Runs the check for one request, in the async block where it stands: a future of its own would be moved there, with
/// room for all that it may have to hold. Generic over the rules and not the policy: handlers with like rules share
/// the code.
macro_rules! checked {
    ($rules:ident, $terms:ident, $parts:ident, $state:ident) => {{
        let mut wanted = $crate::http::policy::Wanted::default();
        if $crate::http::admit::is_limited(&$parts)
            && let Err(instead) = $rules.resolve(&mut $parts, $state, &mut wanted).await
        {
            Err(*instead)
        } else {
            match answer_of!(admit(&mut $parts, wanted.demands(), $terms)) {
                Ok(admission) => Ok(admission),
                Err(refused) => Err(refused.into_response(&$parts)),
            }
        }
    }};
}
pub(super) use checked;

/// What the rules resolved so far come to.
#[derive(Debug, Default)]
pub struct Wanted {
    demands: Demands,
    /// How many of them there were, with those that exempt the request.
    rules: usize,
}

impl Wanted {
    /// All of them.
    pub(super) fn demands(&mut self) -> &mut Demands {
        &mut self.demands
    }

    /// The place of the rule that is resolved now.
    #[inline]
    fn next(&mut self) -> usize {
        let rule = self.rules;
        self.rules += 1;
        rule
    }
}

/// One attribute: what is known at compile time, and what each request is asked for.
#[derive(Debug)]
pub struct Rule<K, L, C> {
    spec: &'static Spec,
    key: K,
    limits: L,
    cost: C,
}

/// One attribute as a rule.
#[inline]
pub fn rule<K, L, C>(spec: &'static Spec, key: K, limits: L, cost: C) -> Rule<K, L, C> {
    Rule {
        spec,
        key,
        limits,
        cost,
    }
}

impl<S, K, L, C> Rules<S> for Rule<K, L, C>
where
    S: Sync,
    K: KeySource<S>,
    L: LimitsSource<S>,
    C: CostSource<S>,
{
    #[inline]
    #[expect(
        clippy::manual_async_fn,
        reason = "an `async fn` holds its arguments twice"
    )]
    fn resolve(
        self,
        parts: &mut Parts,
        state: &S,
        wanted: &mut Wanted,
    ) -> impl Future<Output = Result<(), Instead>> + Send {
        async move {
            let rule = wanted.next();
            if !self.spec.applies_to(&parts.method) {
                return Ok(());
            }
            let Some(key) = answer_of!(self.key.key(parts, state))? else {
                return Ok(());
            };
            let Some(limits) = answer_of!(self.limits.limits(parts, state))? else {
                return Ok(());
            };
            let cost = answer_of!(self.cost.cost(parts, state))?;
            wanted.demands.push(Demand {
                rule,
                spec: self.spec.into(),
                key,
                limits,
                cost,
            });
            Ok(())
        }
    }
}

impl<S: Sync, First: Rules<S>, Others: Rules<S>> Rules<S> for (First, Others) {
    #[inline]
    async fn resolve(
        self,
        parts: &mut Parts,
        state: &S,
        wanted: &mut Wanted,
    ) -> Result<(), Instead> {
        self.0.resolve(parts, state, wanted).await?;
        self.1.resolve(parts, state, wanted).await
    }
}
