//! What `#[rate_limit]` expands to: a policy of rules, resolved for each request.

mod constants;
mod sources;

pub use self::constants::{gcra, parsed};
pub use self::sources::{All, DefaultKey, cost, key, limits};
pub(super) use self::sources::{CostSource, KeySource, LimitsSource};

use super::admit::{Admit, admit};
use super::guard::Guard;
use super::handle::RateLimit;
use super::spec::{Demand, Demands, Spec};
use crate::limiter::Limiter;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use smallvec::SmallVec;
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
    ) -> impl Future<Output = Result<(), Response>> + Send;
}

/// Runs the check for one request. Generic over the rules and not the policy: handlers with like rules share
/// the code.
///
/// # Errors
/// The response that takes the handler's place.
pub(super) async fn run<R: Rules<S>, S: Sync>(
    rules: R,
    how: Admit,
    parts: &mut Parts,
    state: &S,
) -> Result<Admission, Response> {
    if Limiter::of(parts).skips(parts) {
        return Ok(Admission::unlimited());
    }
    let mut wanted = Wanted::default();
    rules.resolve(parts, state, &mut wanted).await?;
    let Wanted { demands, costs } = wanted;
    let guard = admit(parts, demands, how).await?;
    Ok(Admission { guard, costs, how })
}

/// What the rules resolved so far come to.
#[derive(Debug, Default)]
pub struct Wanted {
    demands: Demands,
    costs: Costs,
}

/// For each rule, in order, what the request costs; `None` when it is exempt.
type Costs = SmallVec<[Option<u32>; 4]>;

impl Wanted {
    fn exempt(&mut self) {
        self.costs.push(None);
    }

    fn demand(&mut self, demand: Demand) {
        self.costs.push(Some(demand.cost));
        self.demands.push(demand);
    }
}

/// A request that the check let through.
#[derive(Debug)]
pub struct Admission {
    guard: Guard,
    costs: Costs,
    how: Admit,
}

impl Admission {
    pub(super) fn unlimited() -> Self {
        Self {
            guard: Guard::unlimited(),
            costs: Costs::new(),
            how: Admit::Consume,
        }
    }

    /// Whether limits of layers around apply, too, beside some of the handler's own.
    pub(super) fn is_enclosed(&self) -> bool {
        self.guard.is_enclosed()
    }

    /// The handle for a handler that asks for it.
    pub(super) fn handle(&mut self) -> RateLimit {
        self.guard.handle()
    }

    /// Consumes the costs of all rules, now that those which depend on the arguments are `known`.
    ///
    /// # Errors
    /// The response for a request whose cost does not fit.
    pub async fn charge<const N: usize>(
        &mut self,
        known: [Option<u32>; N],
    ) -> Result<(), Response> {
        let costs: SmallVec<[u32; 4]> = known
            .into_iter()
            .zip(&self.costs)
            // An empty batch is a request all the same.
            .filter_map(|(known, resolved)| resolved.map(|cost| known.unwrap_or(cost).max(1)))
            .collect();
        self.guard.charge(&costs).await
    }

    /// The answer to a request whose arguments could not be extracted. It counts all the same: where the charge
    /// waits for the arguments, it is made now, as if each cost that depends on them were 1.
    pub(super) async fn reject(mut self, rejection: Response) -> Response {
        if self.how == Admit::Peek {
            let costs: SmallVec<[u32; 4]> = self.costs.iter().copied().flatten().collect();
            if let Err(refusal) = self.guard.charge(&costs).await {
                return refusal;
            }
        }
        self.finish(rejection).await
    }

    /// The handler's answer, with the headers of the limits on it.
    pub fn finish(
        self,
        response: impl IntoResponse,
    ) -> impl Future<Output = Response> + Send + 'static {
        self.guard.finish(response)
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
    async fn resolve(
        self,
        parts: &mut Parts,
        state: &S,
        wanted: &mut Wanted,
    ) -> Result<(), Response> {
        if !self.spec.applies_to(&parts.method) {
            wanted.exempt();
            return Ok(());
        }
        let Some(key) = self.key.key(parts, state).await? else {
            wanted.exempt();
            return Ok(());
        };
        let Some(limits) = self.limits.limits(parts, state).await? else {
            wanted.exempt();
            return Ok(());
        };
        let cost = self.cost.cost(parts, state).await?;
        wanted.demand(Demand {
            spec: self.spec.into(),
            key,
            limits,
            cost,
        });
        Ok(())
    }
}

impl<S: Sync, First: Rules<S>, Others: Rules<S>> Rules<S> for (First, Others) {
    #[inline]
    async fn resolve(
        self,
        parts: &mut Parts,
        state: &S,
        wanted: &mut Wanted,
    ) -> Result<(), Response> {
        self.0.resolve(parts, state, wanted).await?;
        self.1.resolve(parts, state, wanted).await
    }
}
