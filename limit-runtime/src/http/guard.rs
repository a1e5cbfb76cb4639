//! What a handler holds of the check that let it run.

use super::{
    admit::{Demands, charges, unavailable},
    headers, refusal,
};
use crate::{decision::Decision, limiter::Limiter, store::Action};
use axum::{
    extract::MatchedPath,
    response::{IntoResponse, Response},
};

/// A request that was let through: it charges what is still to be charged, and adds the headers.
#[derive(Debug)]
pub(super) struct Guard(Option<Admitted>);

#[derive(Debug)]
struct Admitted {
    limiter: Limiter,
    route: Option<MatchedPath>,
    demands: Demands,
    decision: Option<Decision>,
}

impl Guard {
    pub(super) fn new(limiter: Limiter, route: Option<MatchedPath>, demands: Demands) -> Self {
        if demands.is_empty() {
            return Self::unlimited();
        }
        Self(Some(Admitted {
            limiter,
            route,
            demands,
            decision: None,
        }))
    }

    /// A request that no limit applies to: nothing is charged, and no headers are added.
    #[must_use]
    pub(super) fn unlimited() -> Self {
        Self(None)
    }

    /// Consumes `costs`, one for each demand, now that they are known.
    ///
    /// # Errors
    /// The response for a request whose cost does not fit; nothing was consumed then.
    pub(super) async fn charge(&mut self, costs: &[u32]) -> Result<(), Response> {
        if let Some(admitted) = &mut self.0 {
            for (demand, &cost) in admitted.demands.iter_mut().zip(costs) {
                demand.cost = cost;
            }
        }
        self.decide(Action::Consume).await
    }

    pub(super) async fn decide(&mut self, action: Action) -> Result<(), Response> {
        let Some(admitted) = &mut self.0 else {
            return Ok(());
        };
        let charges = charges(&admitted.demands, admitted.route.as_ref());
        match admitted.limiter.decide(&charges, action).await {
            Ok(decision) if decision.is_allowed() => {
                admitted.decision = Some(decision);
                Ok(())
            }
            Ok(decision) => Err(refusal::too_many(
                &admitted.demands,
                &decision,
                admitted.limiter.header_style(),
            )),
            Err(error) => {
                tracing::warn!(%error, "the rate limiter's store could not answer");
                Err(unavailable())
            }
        }
    }

    /// The handler's answer, with the headers of the limits on it.
    pub(super) fn finish(self, response: impl IntoResponse) -> Response {
        let mut response = response.into_response();
        if let Some(Admitted {
            limiter,
            demands,
            decision: Some(decision),
            ..
        }) = &self.0
        {
            headers::write(
                response.headers_mut(),
                demands,
                decision,
                limiter.header_style(),
            );
        }
        response
    }
}
