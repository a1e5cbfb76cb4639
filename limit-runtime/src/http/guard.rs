//! What a handler holds of the check that let it run.

use super::{
    handle::RateLimit,
    headers,
    refusal::{too_many, unavailable},
    spec::{Demand, Demands, line_of},
    standing::Standing,
    wait,
};
use crate::{
    decision::Decision,
    limiter::Limiter,
    store::{Action, StoreError},
};
use axum::{
    extract::MatchedPath,
    response::{IntoResponse, Response},
};
use std::{
    sync::{Arc, Once},
    time::Duration,
};

/// A request that was let through: it charges what is still to be charged, and adds the headers.
#[derive(Debug)]
pub struct Guard {
    held: Held,
    /// The policies of the layers around.
    outer: Option<Arc<RateLimit>>,
}

/// Shared only where a handler asked for the handle.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "a box would be an allocation for every request"
)]
enum Held {
    Nothing,
    Own(Standing),
    Shared(Arc<Standing>),
}

impl Held {
    fn standing(&self) -> Option<&Standing> {
        match self {
            Self::Nothing => None,
            Self::Own(standing) => Some(standing),
            Self::Shared(standing) => Some(standing),
        }
    }
}

/// A response that already tells of all policies, those of the layers around included.
#[derive(Clone, Copy)]
pub(super) struct Told;

impl Guard {
    pub(super) fn new(
        limiter: Limiter,
        route: Option<MatchedPath>,
        demands: Demands,
        outer: Option<Arc<RateLimit>>,
    ) -> Self {
        Self {
            held: Held::Own(Standing::new(limiter, route, demands)),
            outer,
        }
    }

    /// A request that no limit applies to: nothing is charged, and no headers are added.
    #[must_use]
    pub fn unlimited() -> Self {
        Self {
            held: Held::Nothing,
            outer: None,
        }
    }

    /// The handle for a handler that asks for it; `None` where no limit applies.
    pub fn handle(&mut self) -> Option<RateLimit> {
        let standing = match std::mem::replace(&mut self.held, Held::Nothing) {
            Held::Nothing => return None,
            Held::Own(standing) => Arc::new(standing),
            Held::Shared(standing) => standing,
        };
        self.held = Held::Shared(standing.clone());
        Some(RateLimit::new(standing, self.outer.clone()))
    }

    /// Consumes `costs`, one for each demand, now that they are known.
    ///
    /// # Errors
    /// The response for a request whose cost does not fit; nothing was consumed then.
    pub async fn charge(&mut self, costs: &[u32]) -> Result<(), Response> {
        match &mut self.held {
            Held::Nothing => {}
            Held::Own(standing) => set_costs(&mut standing.demands, costs),
            Held::Shared(_) => {
                tracing::error!("a handle was given out before the costs were known");
                return Err(unavailable());
            }
        }
        self.decide(Action::Consume).await
    }

    /// Says once if a layer around has already charged a budget that is charged here again.
    pub(super) fn warn_of_double_charge(&self) {
        static SAID: Once = Once::new();
        let (Some(standing), Some(outer)) = (self.held.standing(), &self.outer) else {
            return;
        };
        if outer.shares_a_budget_with(standing) {
            SAID.call_once(|| {
                tracing::warn!(
                    "a request is charged twice to one budget: a layer and a handler (or two layers) have the same \
                     scope and key; give one of them another name or scope"
                );
            });
        }
    }

    pub(super) async fn decide(&mut self, action: Action) -> Result<(), Response> {
        let Some(standing) = self.held.standing() else {
            return Ok(());
        };
        match decide(standing, action).await {
            Ok(decision) if decision.is_allowed() => {
                standing.enter(decision);
                Ok(())
            }
            Ok(decision) => Err(too_many(&standing.limiter, &standing.demands, &decision)),
            Err(error) => {
                tracing::warn!(%error, "the rate limiter's store could not answer");
                Err(unavailable())
            }
        }
    }

    /// The handler's answer, with the headers of the limits on it. A charge that the answer does not
    /// count for is given back first.
    pub async fn finish(self, response: impl IntoResponse) -> Response {
        let mut response = response.into_response();
        let Some(standing) = self.held.standing() else {
            return response;
        };
        let uncounted = |index: usize| {
            let demand = standing.demands.get(index);
            let counts = demand.and_then(|demand| demand.spec.count_when);
            counts.is_some_and(|counts| !counts(&response))
        };
        if (0..standing.demands.len()).any(&uncounted) {
            let given_back = standing.give_back(uncounted, u32::MAX).await;
            if let Err(error) = given_back {
                tracing::warn!(%error, "a charge that does not count could not be given back");
            }
        }
        self.tell(&mut response);
        response
    }

    /// Adds the headers of all policies on the request.
    pub(super) fn tell(&self, response: &mut Response) {
        let Some(standing) = self.held.standing() else {
            return;
        };
        if self.outer.is_some() {
            response.extensions_mut().insert(Told);
        }
        let mut told = headers::Told::new();
        told.add(standing);
        let mut outer = self.outer.as_deref();
        while let Some(handle) = outer {
            told.add(handle.standing());
            outer = handle.outer.as_deref();
        }
        told.write(response.headers_mut(), standing.limiter.header_style());
    }
}

fn set_costs(demands: &mut [Demand], costs: &[u32]) {
    for (demand, &cost) in demands.iter_mut().zip(costs) {
        demand.cost = cost;
    }
}

async fn decide(standing: &Standing, action: Action) -> Result<Decision, StoreError> {
    let charges = standing.charges(|_, demand| Some(demand.cost));
    let patient = |demand: &&Demand| demand.spec.wait > Duration::ZERO;
    match (action, standing.demands.iter().find(patient)) {
        (Action::Consume, Some(demand)) => {
            let line = line_of(demand, standing.route.as_ref());
            wait::decide(&standing.limiter, &charges, demand.spec.wait, line).await
        }
        _ => standing.limiter.decide(&charges, action).await,
    }
}
