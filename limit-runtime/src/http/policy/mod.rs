//! What `#[rate_limit]` expands to: a policy of rules, resolved for each request.

mod constants;
mod identity;
mod last_argument;
mod resolved;
mod sources;

pub use self::constants::{gcra, parsed};
pub(super) use self::identity::is_route;
pub use self::last_argument::{LastInBody, LastInHead, TryFn, try_cost, try_key, try_limits};
pub(crate) use self::resolved::{Place, Resolved};
pub(crate) use self::sources::is_cheap;
pub use self::sources::{All, DefaultKey, cost, key, limits, scope, scoped};
pub(super) use self::sources::{CostSource, KeySource, LimitsSource};

use super::admit::Admit;
use super::soon::answer_of;
use super::spec::{Spec, SpecRef};
use http::request::Parts;
use std::future::Future;

/// The limits of one handler, under the router state `S`.
///
/// `L` is what the handler's last argument is, where functions of extractors may take it too: a part of the head
/// ([`LastInHead`]) or of the body ([`LastInBody`]). It is always inferred.
pub trait Policy<S, L = ()> {
    /// Whether the check consumes at once; it does not when a cost depends on the body.
    const HOW: Admit = Admit::Consume;

    /// One rule for each attribute.
    fn rules() -> impl Rules<S>;
}

/// Which rules are resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    /// Those that need no function of the user's.
    Cheap,
    /// All that are left.
    Rest,
}

/// One or more rules, to be resolved for a request.
pub trait Rules<S>: Send {
    /// How many rules there are: eight at most.
    const COUNT: u8;

    /// How many rules need no function of the user's.
    fn cheap(&self, parts: &Parts) -> u8;

    /// Adds what the rules of this pass come to. The first of them is rule number `first`.
    ///
    /// A rejection is kept and the functions of the other rules are called all the same, so that
    /// the order of rules makes no difference.
    fn resolve(
        &mut self,
        pass: Pass,
        first: u8,
        parts: &mut Parts,
        state: &S,
        resolved: &mut Resolved,
    ) -> impl Future<Output = ()> + Send;
}

/// Runs the check for one request, in the async block where it stands: a future of its own would be
/// moved there, with room for all that it may have to hold. Generic over the rules and not the
/// policy: handlers with like rules share the code.
macro_rules! checked {
    ($R:ty, $rules:ident, $resolved:ident, $how:ident, $parts:ident, $state:ident) => {{
        use $crate::http::{admit, policy, soon::answer_of};
        if admit::is_limited(&$parts) {
            // What cheap rules refuse costs no lookup. A single rule is checked at once.
            if <$R as policy::Rules<_>>::COUNT > 1 {
                let cheap = policy::Rules::<_>::cheap(&$rules, &$parts);
                if 0 < cheap && cheap < <$R as policy::Rules<_>>::COUNT {
                    let pass = policy::Pass::Cheap;
                    $rules
                        .resolve(pass, 0, &mut $parts, $state, &mut $resolved)
                        .await;
                    admit::refuse_by_cheap_rules(&$parts, &mut $resolved);
                }
            }
            if !$resolved.is_refused() {
                let pass = policy::Pass::Rest;
                $rules
                    .resolve(pass, 0, &mut $parts, $state, &mut $resolved)
                    .await;
            }
        }
        if let Some(response) = $resolved.take_response() {
            Err(admit::not_admitted(&mut $parts, &mut $resolved, response).await)
        } else {
            match answer_of!(admit::admit(&mut $parts, &mut $resolved, $how)) {
                Ok(admission) => Ok(admission),
                Err(refused) => Err(refused.into_response(&$parts)),
            }
        }
    }};
}
pub(super) use checked;

/// One attribute: what is known at compile time, and what each request is asked for.
#[derive(Debug)]
pub struct Rule<K, L, C> {
    spec: &'static Spec,
    /// Until they have been asked.
    sources: Option<(K, L, C)>,
}

/// One attribute as a rule.
#[inline]
pub fn rule<K, L, C>(spec: &'static Spec, key: K, limits: L, cost: C) -> Rule<K, L, C> {
    Rule {
        spec,
        sources: Some((key, limits, cost)),
    }
}

impl<S, K, L, C> Rules<S> for Rule<K, L, C>
where
    S: Sync,
    K: KeySource<S>,
    L: LimitsSource<S>,
    C: CostSource<S>,
{
    const COUNT: u8 = 1;

    #[inline]
    fn cheap(&self, parts: &Parts) -> u8 {
        let is_cheap = |(key, limits, cost): &(K, L, C)| {
            key.is_cheap(parts) && limits.is_cheap() && cost.is_cheap()
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
        resolved: &mut Resolved,
    ) -> impl Future<Output = ()> + Send {
        async move {
            if pass == Pass::Cheap && Rules::<S>::cheap(self, parts) == 0 {
                return;
            }
            let Some((key, limits, cost)) = self.sources.take() else {
                return;
            };
            if !self.spec.applies_to(&parts.method) {
                resolved.exempt(&SpecRef::Static(self.spec));
                return;
            }
            let is_per_route = key.is_per_route();
            let key = answer_of!(key.key(parts, state));
            let limits = answer_of!(limits.limits(parts, state));
            let cost = answer_of!(cost.cost(parts, state));
            let rule = Place {
                rule: first,
                spec: SpecRef::Static(self.spec),
                is_per_route,
            };
            resolved.add(rule, key, limits, cost);
        }
    }
}

impl<S: Sync, First: Rules<S>, Others: Rules<S>> Rules<S> for (First, Others) {
    const COUNT: u8 = First::COUNT + Others::COUNT;

    #[inline]
    fn cheap(&self, parts: &Parts) -> u8 {
        self.0.cheap(parts) + self.1.cheap(parts)
    }

    #[inline]
    async fn resolve(
        &mut self,
        pass: Pass,
        first: u8,
        parts: &mut Parts,
        state: &S,
        resolved: &mut Resolved,
    ) {
        self.0.resolve(pass, first, parts, state, resolved).await;
        let next = first + First::COUNT;
        self.1.resolve(pass, next, parts, state, resolved).await;
    }
}
