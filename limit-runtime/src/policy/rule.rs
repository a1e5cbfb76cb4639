//! What `#[rate_limit]` expands to: a policy of rules, resolved for each request.

use super::{
    charge_timing::ChargeTiming,
    config::{ConfigRef, PolicyConfig},
    resolution::{Resolution, UnresolvedRule},
    source::{IsBuiltIn, Source},
};
use crate::extract::{
    maybe_ready::ready_or_await,
    role::{CostRole, KeyRole, LimitsRole},
};
use http::request::Parts;
use std::future::Future;

/// The limits of one handler, under the router state `S`.
///
/// `L` says from where the handler's last argument is extracted, if functions of extractors may
/// take it too: the head of the request (`LastInHead`) or its body (`LastInBody`). It is always
/// inferred.
pub trait Policy<S, L = ()> {
    /// When the charge is made: after extraction if a cost depends on the arguments.
    const CHARGE_TIMING: ChargeTiming = ChargeTiming::BeforeExtraction;

    /// One rule for each attribute.
    fn rules() -> impl Rules<S>;
}

/// Which rules are resolved.
#[derive(Clone, Copy, Debug)]
pub enum Pass {
    /// Rules that need no function of the application.
    Cheap(IsBuiltIn),
    /// All rules that have not been resolved yet.
    Rest,
}

/// One or more rules, to be resolved for a request.
pub trait Rules<S>: Send {
    /// The number of rules, at most eight.
    const COUNT: u8;

    /// The number of rules that need no function of the application.
    fn cheap(&self, parts: &Parts, is_built_in: IsBuiltIn) -> u8;

    /// Resolves the rules of this pass. The first of them has the index `first`.
    ///
    /// After a rejection, the functions of the other rules are still called, so the order of rules
    /// makes no difference.
    fn resolve(
        &mut self,
        pass: Pass,
        first: u8,
        parts: &mut Parts,
        state: &S,
        resolution: &mut Resolution,
    ) -> impl Future<Output = ()> + Send;
}

/// One attribute: its settings, and the sources of key, limits and cost.
#[derive(Debug)]
pub struct Rule<K, L, C> {
    config: &'static PolicyConfig,
    /// `None` once the rule has been resolved.
    sources: Option<(K, L, C)>,
}

/// Creates the rule of one attribute.
#[inline]
pub fn rule<K, L, C>(config: &'static PolicyConfig, key: K, limits: L, cost: C) -> Rule<K, L, C> {
    Rule {
        config,
        sources: Some((key, limits, cost)),
    }
}

impl<S, K, L, C> Rules<S> for Rule<K, L, C>
where
    S: Sync,
    K: Source<KeyRole, S>,
    L: Source<LimitsRole, S>,
    C: Source<CostRole, S>,
{
    const COUNT: u8 = 1;

    #[inline]
    fn cheap(&self, parts: &Parts, is_built_in: IsBuiltIn) -> u8 {
        let is_cheap = |(key, limits, cost): &(K, L, C)| {
            key.is_cheap(parts, is_built_in)
                && limits.is_cheap(parts, is_built_in)
                && cost.is_cheap(parts, is_built_in)
        };
        u8::from(self.sources.as_ref().is_some_and(is_cheap))
    }

    #[inline]
    #[expect(
        clippy::manual_async_fn,
        reason = "an `async fn` holds its arguments twice"
    )]
    fn resolve(
        &mut self,
        pass: Pass,
        first: u8,
        parts: &mut Parts,
        state: &S,
        resolution: &mut Resolution,
    ) -> impl Future<Output = ()> + Send {
        async move {
            if let Pass::Cheap(is_built_in) = pass
                && Rules::<S>::cheap(self, parts, is_built_in) == 0
            {
                return;
            }
            let Some((key, limits, cost)) = self.sources.take() else {
                return;
            };
            if !self.config.applies_to(&parts.method) {
                resolution.exempt(&ConfigRef::Static(self.config));
                return;
            }
            let is_per_route = key.is_per_route();
            let key = ready_or_await!(key.resolve(parts, state));
            let limits = ready_or_await!(limits.resolve(parts, state));
            let cost = ready_or_await!(cost.resolve(parts, state));
            let rule = UnresolvedRule {
                index: first,
                config: ConfigRef::Static(self.config),
                is_per_route,
            };
            resolution.add(rule, key, limits, cost);
        }
    }
}

impl<S: Sync, First: Rules<S>, Others: Rules<S>> Rules<S> for (First, Others) {
    const COUNT: u8 = First::COUNT + Others::COUNT;

    #[inline]
    fn cheap(&self, parts: &Parts, is_built_in: IsBuiltIn) -> u8 {
        self.0.cheap(parts, is_built_in) + self.1.cheap(parts, is_built_in)
    }

    #[inline]
    async fn resolve(
        &mut self,
        pass: Pass,
        first: u8,
        parts: &mut Parts,
        state: &S,
        resolution: &mut Resolution,
    ) {
        self.0.resolve(pass, first, parts, state, resolution).await;
        let next = first + First::COUNT;
        self.1.resolve(pass, next, parts, state, resolution).await;
    }
}
