//! One all-or-nothing check for all the limits on a handler.

use super::{
    admission::Admission,
    client_ip::client_ip,
    exceeded::Denial,
    handle::RateLimit,
    headers::Headers,
    instead::{Instead, instead},
    policy::Resolved,
    refusal::{Refused, refuse},
    soon::{Soon, answer_of},
    spec::{Demand, Demands, Spec, SpecRef},
    standing::{Costs, Standing},
    wait_queue,
};
use crate::{
    decision::{Decision, Receipt},
    key::{IntoKey, Key},
    limiter::Limiter,
    store::{Action, Charge},
};
use axum::{
    extract::{FromRequestParts, MatchedPath},
    response::Response,
};
use http::request::Parts;
use smallvec::SmallVec;
use std::{convert::Infallible, future::Future, pin::Pin, slice, sync::Arc, time::Duration};

/// Whether the check consumes, or the charge comes once the cost is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admit {
    /// The costs are known.
    Consume,
    /// The costs are not known yet: refuse those who have nothing left.
    Peek,
}

/// Whether the limiter looks at this request at all.
pub(super) fn is_limited(parts: &Parts) -> bool {
    !Limiter::find(parts).skips(parts)
}

/// The limiter of the request, and the handle of the nearest layer or handler around. A handle is
/// always inserted together with its limiter.
#[inline(always)]
fn around(parts: &Parts) -> (&Limiter, Option<&RateLimit>) {
    match parts.extensions.get::<Limiter>() {
        Some(limiter) => (limiter, parts.extensions.get::<RateLimit>()),
        None => (Limiter::without_layer(), None),
    }
}

/// Checks all that the rules came to as one.
///
/// # Errors
/// Why the request is refused.
pub(super) fn admit(
    parts: &mut Parts,
    resolved: &mut Resolved,
    how: Admit,
) -> Soon<Result<Admission, Refused>> {
    let (limiter, outer) = around(parts);
    if resolved.demands().is_empty() {
        return Soon::Now(Ok(Admission::unlimited()));
    }
    if outer.is_none()
        && !limiter.response_info()
        && let Some((demand, spec)) = charged_only(resolved.demands(), how)
        && let charge = demand.charge(parts.extensions.get::<MatchedPath>())
        && !limiter.wait_queues().has_waiters(slice::from_ref(&charge))
    {
        let headers = |outcomes| Headers::of_one(spec.name, outcomes, limiter.header_style());
        // A decision is large to move, and most requests need none.
        let denial = match limiter.try_check_single(&charge) {
            Some((outcome, receipt)) if outcome.is_allowed() => {
                let admission = Admission::told(headers(&[outcome]), limiter);
                resolved.set_charged_at(receipt.as_ref().map_or(0, Receipt::at));
                return Soon::Now(Ok(admission));
            }
            Some((refused, _)) => Ok(Decision::new([refused])),
            None => match limiter.check_general(&[charge], Action::Consume) {
                Ok(decision) if decision.is_allowed() => {
                    let admission = Admission::told(headers(decision.outcomes()), limiter);
                    resolved.set_charged_at(decision.receipts().first().map_or(0, Receipt::at));
                    return Soon::Now(Ok(admission));
                }
                decision => decision,
            },
        };
        if let Ok(decision) = &denial {
            let denial = Denial {
                demands: resolved.demands(),
                costs: &[demand.cost],
                decision,
            };
            let response = refuse(limiter, parts, &denial, None);
            return Soon::Now(Err(Refused::Response(response)));
        }
    }
    let mut standing = standing(parts, resolved);
    match how {
        Admit::Consume => Arc::new(standing).admit(Admission::standing),
        Admit::Peek => {
            standing.keep_head(parts);
            Arc::new(standing).peek(Admission::standing)
        }
    }
}

/// The state of a request under several rules, or under one that may have more to do later.
fn standing(parts: &mut Parts, resolved: &mut Resolved) -> Standing {
    let route = parts.extensions.get::<MatchedPath>().cloned();
    resolved.merge_same_budgets(route.as_ref());
    let (limiter, outer) = around(parts);
    let outer = outer.map(|handle| handle.standing().clone());
    let standing = Standing::of_resolved(limiter.clone(), route, resolved, outer);
    standing.warn_of_double_charge();
    // The handle of a layer is not this handler's: what lies further in must not charge its budget.
    parts.extensions.remove::<RateLimit>();
    standing
}

/// The state of a request that a layer limits, left for those below who ask for it.
pub(super) fn admit_by_layer(
    parts: &mut Parts,
    mut resolved: Resolved,
) -> Soon<Result<Admission, Refused>> {
    let standing = Arc::new(standing(parts, &mut resolved));
    parts.extensions.insert(RateLimit::new(standing.clone()));
    standing.admit(Admission::standing)
}

/// Tells extractors below that the limits function of a layer exempts the request: what they charge is
/// not for the layers around.
pub(super) fn exempt_by_layer(parts: &mut Parts, name: &'static str) {
    // Where no layer around limits the request, handles are empty anyway.
    if let Some(outer) = parts.extensions.get::<RateLimit>() {
        let outer = outer.standing().clone();
        let limiter = Limiter::find(parts).clone();
        let standing = Standing::of_exempt(limiter, name, outer);
        parts.extensions.insert(RateLimit::new(Arc::new(standing)));
    }
}

/// The response to a request that cheap rules refused; or the rejection of a function of the user's,
/// once the request has been counted: on all rules whose key and limits are known, and without waiting
/// for room. If one of these rules has no room, it is that rule's refusal. Boxed, so that the futures of
/// handlers have no room for it.
#[cold]
pub(super) fn not_admitted<'a>(
    parts: &'a mut Parts,
    resolved: &'a mut Resolved,
    response: Instead,
) -> Pin<Box<dyn Future<Output = Response> + Send + 'a>> {
    Box::pin(async move {
        if resolved.is_refused() || resolved.demands().is_empty() {
            return *response;
        }
        let standing = Arc::new(standing(parts, resolved));
        let counted = standing.admit_without_waiting(Admission::standing);
        match answer_of!(counted) {
            Ok(admission) => answer_of!(admission.complete(*response)),
            Err(refused) => refused.into_response(parts),
        }
    })
}

/// Refuses a request by what cheap rules came to, before any function of the user's is called. Nothing
/// is consumed, and no remote store is asked.
pub(super) fn refuse_by_cheap_rules(parts: &Parts, resolved: &mut Resolved) {
    if let Some(refusal) = refusal_by_cheap_rules(parts, resolved) {
        resolved.refuse(Box::new(refusal));
    }
}

fn refusal_by_cheap_rules(parts: &Parts, resolved: &mut Resolved) -> Option<Response> {
    let route = parts.extensions.get::<MatchedPath>();
    resolved.merge_same_budgets(route);
    let (limiter, outer) = around(parts);
    let outer = outer.map(|handle| &**handle.standing());
    let demands = resolved.demands();
    let charges: SmallVec<[Charge<'_>; 2]> =
        demands.iter().map(|demand| demand.charge(route)).collect();
    let max_waits: SmallVec<[Duration; 2]> = demands.iter().map(Demand::max_wait).collect();
    let (demands, decision) = match wait_queue::refused_now(limiter, &charges, &max_waits) {
        Some(decision) => (demands.clone(), decision),
        None => {
            let (refused, decision) = limiter.known_denial(&charges)?;
            let refused = match refused {
                None => 0..charges.len(),
                Some(index) => index..index + 1,
            };
            let (of_refused, waits) = (
                charges.get(refused.clone())?,
                max_waits.get(refused.clone())?,
            );
            if wait_queue::may_wait(of_refused, waits, &decision) {
                return None;
            }
            (demands.get(refused)?.into(), decision)
        }
    };
    let costs: Costs = demands.iter().map(|demand| demand.cost).collect();
    let denial = Denial {
        demands: &demands,
        costs: &costs,
        decision: &decision,
    };
    Some(refuse(limiter, parts, &denial, outer))
}

/// The attribute whose charge is all there is to do for the request, if one is, and what it demands.
fn charged_only(demands: &Demands, how: Admit) -> Option<(&Demand, &'static Spec)> {
    let [demand] = demands.as_slice() else {
        return None;
    };
    let SpecRef::Static(spec) = demand.spec else {
        return None;
    };
    let is_all = how == Admit::Consume && spec.count_when.is_none() && spec.wait.is_zero();
    is_all.then_some((demand, spec))
}

impl Limiter {
    /// The limiter that a request is checked by: that of the nearest layer around, or else the process's.
    #[must_use]
    pub fn of(parts: &Parts) -> &Self {
        match parts.extensions.get::<Self>() {
            Some(limiter) => limiter,
            None => Self::without_layer(),
        }
    }

    /// The same for a request that is checked later, where [`without_layer`](Self::without_layer) is
    /// called once.
    pub(super) fn find(parts: &Parts) -> &Self {
        let limiter = parts.extensions.get::<Self>();
        limiter.unwrap_or_else(|| Self::global())
    }

    /// The key of a request where neither attribute nor layer names one.
    pub(super) async fn default_key(parts: &mut Parts) -> Result<Key, Instead> {
        match Self::find(parts).default_key_fn().cloned() {
            Some(key) => key(parts).await,
            None => match client_ip(parts) {
                Ok(address) => Ok(address.into_key()),
                Err(rejection) => Err(instead(rejection)),
            },
        }
    }
}

/// The limiter that the request is checked by: to clear a client, to check what no attribute covers.
impl<S: Sync> FromRequestParts<S> for Limiter {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(parts).clone())
    }
}
