//! One all-or-nothing check for all the limits on a handler.

use super::{guard::Guard, refusal};
use crate::{
    key::Key,
    limiter::Limiter,
    store::{Action, Charge, Scope},
    window::Strategy,
};
use axum::{extract::MatchedPath, response::Response};
use http::request::Parts;
use limit_core::Limits;
use smallvec::SmallVec;

/// What an attribute knows at compile time.
#[derive(Debug)]
pub struct Spec {
    /// What clients read in the headers: the `name` argument, or the handler's name.
    pub name: &'static str,
    /// Whose budget.
    pub scope: ScopeSpec,
    /// How hits are counted.
    pub strategy: Strategy,
}

/// Whose budget an attribute draws on.
#[derive(Debug)]
pub enum ScopeSpec {
    /// The handler's own, per route: module path and function name.
    Handler(&'static str),
    /// One that handlers share by name, whatever their route.
    Shared(&'static str),
}

/// One attribute, resolved for one request.
#[derive(Clone, Debug)]
pub(super) struct Demand {
    /// What the attribute said.
    pub(super) spec: &'static Spec,
    /// Who is counted.
    pub(super) key: Key,
    /// All of these must have room.
    pub(super) limits: Limits,
    /// How much the request takes.
    pub(super) cost: u32,
}

/// All the attributes on a handler, resolved for one request.
pub(super) type Demands = SmallVec<[Demand; 1]>;

/// Whether the check consumes, or the charge comes once the cost is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admit {
    /// The costs are known.
    Consume,
    /// The costs are not known yet: refuse those who have nothing left.
    Peek,
}

/// Checks all `demands` as one.
///
/// # Errors
/// The response for a request that is refused.
pub(super) async fn admit(
    parts: &Parts,
    mut demands: Demands,
    how: Admit,
) -> Result<Guard, Response> {
    let limiter = match parts.extensions.get::<Limiter>() {
        Some(limiter) => limiter.clone(),
        None => Limiter::global().clone(),
    };
    let route = parts.extensions.get::<MatchedPath>().cloned();
    let action = match how {
        Admit::Consume => Action::Consume,
        Admit::Peek => {
            for demand in &mut demands {
                demand.cost = 0;
            }
            Action::Peek
        }
    };
    let mut guard = Guard::new(limiter, route, demands);
    guard.decide(action).await?;
    Ok(guard)
}

/// The charges that `demands` come to.
pub(super) fn charges<'a>(
    demands: &'a Demands,
    route: Option<&'a MatchedPath>,
) -> SmallVec<[Charge<'a>; 1]> {
    demands
        .iter()
        .map(|demand| Charge {
            scope: match demand.spec.scope {
                ScopeSpec::Handler(name) => Scope {
                    name,
                    route: route.map_or("", MatchedPath::as_str),
                },
                ScopeSpec::Shared(name) => Scope { name, route: "" },
            },
            key: &demand.key,
            limits: &demand.limits,
            cost: demand.cost,
            strategy: demand.spec.strategy,
        })
        .collect()
}

/// What a client is told when the store could not answer.
pub(super) fn unavailable() -> Response {
    refusal::problem(
        http::StatusCode::SERVICE_UNAVAILABLE,
        "The rate limiter cannot answer at the moment",
    )
}
