//! What a handler holds of the check that let it run.

use super::{
    exceeded::Exceeded,
    handle::RateLimit,
    headers::Told,
    refusal::too_many,
    setup::{self, WrongSetup},
    spec::{Demand, Demands},
    standing::Standing,
    wait::{self, Line},
};
use crate::{
    decision::Decision,
    limiter::Limiter,
    store::{Action, Charge, StoreError},
};
use axum::{
    extract::MatchedPath,
    response::{IntoResponse, Response},
};
use smallvec::SmallVec;
use std::{future::Future, sync::Arc};

/// A request that was let through: it charges what is still to be charged, and adds the headers.
#[derive(Debug)]
pub(super) struct Guard {
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
struct AllTold;

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
    pub(super) fn unlimited() -> Self {
        Self {
            held: Held::Nothing,
            outer: None,
        }
    }

    /// Whether any limit applies.
    pub(super) fn limits(&self) -> bool {
        self.held.standing().is_some()
    }

    /// Whether limits of layers around apply, too.
    pub(super) fn is_enclosed(&self) -> bool {
        self.outer.is_some()
    }

    /// The handle for a handler that asks for it; without outcomes where no limit applies.
    pub(super) fn handle(&mut self) -> RateLimit {
        let standing = match std::mem::replace(&mut self.held, Held::Nothing) {
            Held::Nothing => {
                let none = Standing::new(Limiter::global().clone(), None, Demands::new());
                return RateLimit::new(Arc::new(none), self.outer.clone());
            }
            Held::Own(standing) => Arc::new(standing),
            Held::Shared(standing) => standing,
        };
        self.held = Held::Shared(standing.clone());
        RateLimit::new(standing, self.outer.clone())
    }

    /// Consumes `costs`, one for each demand, now that they are known.
    ///
    /// # Errors
    /// The response for a request whose cost does not fit; nothing was consumed then.
    pub(super) async fn charge(&mut self, costs: &[u32]) -> Result<(), Response> {
        let cost = |index: usize, _: &Demand| costs.get(index).copied().or(Some(1));
        self.decide(cost, Action::Consume).await
    }

    /// Checks all demands at their own costs.
    pub(super) async fn admit(&mut self) -> Result<(), Response> {
        let cost = |_: usize, demand: &Demand| Some(demand.cost);
        self.decide(cost, Action::Consume).await
    }

    /// Refuses those who have nothing left.
    pub(super) async fn peek(&mut self) -> Result<(), Response> {
        self.decide(|_, _| Some(0), Action::Peek).await
    }

    /// Says once if a layer around has already charged a budget that is charged here again.
    pub(super) fn warn_of_double_charge(&self) {
        let Some(standing) = self.held.standing() else {
            return;
        };
        if self
            .outer()
            .any(|outer| outer.shares_a_budget_with(standing))
        {
            setup::say_once(WrongSetup::ChargedTwice);
        }
    }

    /// The handles of the layers around, from the inside out.
    fn outer(&self) -> impl Iterator<Item = &RateLimit> {
        std::iter::successors(self.outer.as_deref(), |handle| handle.outer.as_deref())
    }

    async fn decide(
        &mut self,
        cost: impl Fn(usize, &Demand) -> Option<u32>,
        action: Action,
    ) -> Result<(), Response> {
        let Some(standing) = self.held.standing() else {
            return Ok(());
        };
        let charges = standing.charges(cost);
        match decide(standing, &charges, action).await {
            Ok(decision) if decision.is_allowed() => {
                standing.enter(&charges, decision);
                Ok(())
            }
            Ok(decision) => {
                let exceeded =
                    Exceeded::new(&standing.demands, &charges, &decision, &standing.limiter);
                let mut response = too_many(&standing.limiter, &exceeded);
                let mut told = Told::new();
                told.add(&standing.demands, &decision);
                self.tell_outer(standing, told, &mut response);
                Err(response)
            }
            Err(error) => Err(error.into_response()),
        }
    }

    /// The handler's answer, with the headers of the limits on it. A charge that the answer does not
    /// count for is given back first.
    pub(super) fn finish(
        self,
        response: impl IntoResponse,
    ) -> impl Future<Output = Response> + Send + 'static {
        // Before the future, which then holds nothing that may not be `Send`.
        let mut response = response.into_response();
        let uncounted = self.uncounted(&response);
        async move {
            if let Some(standing) = self.held.standing()
                && !uncounted.is_empty()
            {
                let is_uncounted = |index| uncounted.contains(&index);
                if let Err(error) = standing.give_back(is_uncounted, u32::MAX).await {
                    tracing::warn!(%error, "a charge that does not count could not be given back");
                }
            }
            self.tell(&mut response);
            response
        }
    }

    /// The demands for which this answer does not count.
    fn uncounted(&self, response: &Response) -> SmallVec<[usize; 2]> {
        let standing = self.held.standing();
        let demands = standing.iter().flat_map(|standing| &standing.demands);
        demands
            .enumerate()
            .filter(|(_, demand)| {
                let counts = demand.spec.count_when;
                counts.is_some_and(|counts| !counts(response))
            })
            .map(|(index, _)| index)
            .collect()
    }

    /// Adds the headers of all policies on the request, unless a guard further in has done so.
    fn tell(&self, response: &mut Response) {
        if response.extensions().get::<AllTold>().is_some() {
            return;
        }
        if let Some(standing) = self.held.standing()
            && let Some(decision) = standing.decision()
        {
            let mut told = Told::new();
            told.add(&standing.demands, &decision);
            self.tell_outer(standing, told, response);
        }
    }

    fn tell_outer<'a>(&'a self, standing: &Standing, mut told: Told<'a>, response: &mut Response) {
        if self.outer.is_some() {
            response.extensions_mut().insert(AllTold);
        }
        for handle in self.outer() {
            let standing = handle.standing();
            if let Some(decision) = standing.decision() {
                told.add(&standing.demands, &decision);
            }
        }
        told.write(response.headers_mut(), standing.limiter.header_style());
    }
}

/// If a policy lets requests wait for room, the answer may take as long.
async fn decide(
    standing: &Standing,
    charges: &[Charge<'_>],
    action: Action,
) -> Result<Decision, StoreError> {
    let limiter = &standing.limiter;
    let Some(line) = Line::of(standing) else {
        return limiter.decide(charges, action).await;
    };
    match action {
        Action::Consume => wait::decide(limiter, charges, &line).await,
        // The charge, which comes later, waits: only who cannot hope for it is refused before.
        Action::Peek | Action::Force => {
            let decision = limiter.decide(charges, action).await?;
            let hopes = !decision.is_allowed() && !line.is_hopeless(&decision);
            Ok(if hopes {
                decision.into_allowed()
            } else {
                decision
            })
        }
    }
}
