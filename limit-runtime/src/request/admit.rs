//! One all-or-nothing check for all limits on a handler, before its arguments are extracted.

use super::{
    admission::Admission,
    refuse::{Denial, refuse},
    request_limits::{Costs, EnclosingLimits, Refused, RequestLimits},
};
use crate::{
    decision::{Decision, Receipt},
    extract::{
        maybe_ready::{MaybeReady, ready_or_await},
        rejection::Rejection,
    },
    limiter::{Limiter, wait_queue},
    policy::{
        charge_timing::ChargeTiming,
        config::{ConfigRef, PolicyConfig},
        resolution::Resolution,
        resolved_rule::{ResolvedRule, ResolvedRules},
    },
    response::headers::Headers,
    store::{Action, Charge},
};
use axum::{extract::MatchedPath, response::Response};
use http::request::Parts;
use smallvec::SmallVec;
use std::{future::Future, pin::Pin, slice, sync::Arc, time::Duration};

/// Checks one request. A macro and not an `async fn`, whose future would be moved into that of the
/// handler with room for everything that it may hold. Generic over the rules and not the policy, so
/// that handlers with equal rules share the code.
macro_rules! checked {
    ($R:ty, $rules:ident, $resolution:ident, $timing:ident, $parts:ident, $state:ident) => {{
        use $crate::{
            extract::maybe_ready::ready_or_await,
            policy::rule::{Pass, Rules},
            request::{admit, built_in::is_built_in},
        };
        if admit::is_limited(&$parts) {
            // What cheap rules refuse costs no lookup. A single rule is checked at once.
            if <$R as Rules<_>>::COUNT > 1 {
                let cheap = Rules::<_>::cheap(&$rules, &$parts, is_built_in);
                if 0 < cheap && cheap < <$R as Rules<_>>::COUNT {
                    let pass = Pass::Cheap(is_built_in);
                    $rules
                        .resolve(pass, 0, &mut $parts, $state, &mut $resolution)
                        .await;
                    admit::refuse_by_cheap_rules(&$parts, &mut $resolution);
                }
            }
            if !$resolution.is_refused() {
                let pass = Pass::Rest;
                $rules
                    .resolve(pass, 0, &mut $parts, $state, &mut $resolution)
                    .await;
            }
        }
        if let Some(response) = $resolution.take_response() {
            Err(admit::not_admitted(&mut $parts, &mut $resolution, response).await)
        } else {
            match ready_or_await!(admit::admit(&mut $parts, &mut $resolution, $timing)) {
                Ok(admission) => Ok(admission),
                Err(refused) => Err(refused.into_response(&$parts)),
            }
        }
    }};
}
pub(crate) use checked;

/// Whether the limiter looks at this request at all.
pub(crate) fn is_limited(parts: &Parts) -> bool {
    !Limiter::find(parts).skips(parts)
}

/// The limiter of the request, and the limits of the nearest layer or handler around it. Both
/// extensions are always inserted together.
#[inline(always)]
fn around(parts: &Parts) -> (&Limiter, Option<&EnclosingLimits>) {
    match parts.extensions.get::<Limiter>() {
        Some(limiter) => (limiter, parts.extensions.get::<EnclosingLimits>()),
        None => (Limiter::without_layer(), None),
    }
}

/// Checks all that the rules came to as one.
///
/// # Errors
/// Why the request is refused.
pub(crate) fn admit(
    parts: &mut Parts,
    resolution: &mut Resolution,
    timing: ChargeTiming,
) -> MaybeReady<Result<Admission, Refused>> {
    let (limiter, outer) = around(parts);
    if resolution.rules().is_empty() {
        return MaybeReady::Ready(Ok(Admission::unlimited()));
    }
    if outer.is_none()
        && !limiter.response_settings().response_info
        && let Some((rule, config)) = charged_only(resolution.rules(), timing)
        && let charge = rule.charge(parts.extensions.get::<MatchedPath>())
        && !limiter.wait_queues().has_waiters(slice::from_ref(&charge))
    {
        let headers = |outcomes| {
            Headers::of_one(
                config.name,
                outcomes,
                &limiter.response_settings().header_style,
            )
        };
        // A decision is large to move, and most requests need none.
        let denial = match limiter.try_check_single(&charge) {
            Some((outcome, receipt)) if outcome.is_allowed() => {
                let admission = Admission::headers_only(headers(&[outcome]), limiter);
                resolution.set_charged_at(receipt.as_ref().map_or(0, Receipt::at));
                return MaybeReady::Ready(Ok(admission));
            }
            Some((refused, _)) => Ok(Decision::new([refused])),
            None => match limiter.check_general(&[charge], Action::Consume) {
                Ok(decision) if decision.is_allowed() => {
                    let admission = Admission::headers_only(headers(decision.outcomes()), limiter);
                    resolution.set_charged_at(decision.receipts().first().map_or(0, Receipt::at));
                    return MaybeReady::Ready(Ok(admission));
                }
                decision => decision,
            },
        };
        if let Ok(decision) = &denial {
            let denial = Denial {
                rules: resolution.rules(),
                costs: &[rule.cost],
                decision,
            };
            let response = refuse(limiter, parts, &denial, None);
            return MaybeReady::Ready(Err(Refused::Response(response)));
        }
    }
    let mut request_limits = request_limits(parts, resolution);
    match timing {
        ChargeTiming::BeforeExtraction => Arc::new(request_limits).admit(Admission::tracked),
        ChargeTiming::AfterExtraction => {
            request_limits.keep_head(parts);
            Arc::new(request_limits).peek(Admission::tracked)
        }
    }
}

/// The state of a request under several rules, or under one that may have more to do later.
fn request_limits(parts: &mut Parts, resolution: &mut Resolution) -> RequestLimits {
    let route = parts.extensions.get::<MatchedPath>().cloned();
    resolution.merge_same_budgets(route.as_ref());
    let (limiter, outer) = around(parts);
    let outer = outer.map(|outer| outer.limits().clone());
    let request_limits = RequestLimits::of_resolved(limiter.clone(), route, resolution, outer);
    request_limits.warn_of_double_charge();
    // The handle of a layer is not this handler's: what lies further in must not charge its budget.
    parts.extensions.remove::<EnclosingLimits>();
    request_limits
}

/// The state of a request that a layer limits, left for those below who ask for it.
pub(crate) fn admit_by_layer(
    parts: &mut Parts,
    mut resolution: Resolution,
) -> MaybeReady<Result<Admission, Refused>> {
    let request_limits = Arc::new(request_limits(parts, &mut resolution));
    parts
        .extensions
        .insert(EnclosingLimits::new(request_limits.clone()));
    request_limits.admit(Admission::tracked)
}

/// Tells extractors below that the limits function of a layer exempts the request: what they charge is
/// not for the layers around.
pub(crate) fn exempt_by_layer(parts: &mut Parts, name: &'static str) {
    // Where no layer around limits the request, handles are empty anyway.
    if let Some(outer) = parts.extensions.get::<EnclosingLimits>() {
        let outer = outer.limits().clone();
        let limiter = Limiter::find(parts).clone();
        let request_limits = RequestLimits::of_exempt(limiter, name, outer);
        parts
            .extensions
            .insert(EnclosingLimits::new(Arc::new(request_limits)));
    }
}

/// The response to a request that cheap rules refused; or the rejection of a function of the user's,
/// once the request has been counted: on all rules whose key and limits are known, and without waiting
/// for room. If one of these rules has no room, it is that rule's refusal. Boxed, so that the futures of
/// handlers have no room for it.
#[cold]
pub(crate) fn not_admitted<'a>(
    parts: &'a mut Parts,
    resolution: &'a mut Resolution,
    response: Rejection,
) -> Pin<Box<dyn Future<Output = Response> + Send + 'a>> {
    Box::pin(async move {
        if resolution.is_refused() || resolution.rules().is_empty() {
            return *response;
        }
        let request_limits = Arc::new(request_limits(parts, resolution));
        let counted = request_limits.admit_without_waiting(Admission::tracked);
        match ready_or_await!(counted) {
            Ok(admission) => ready_or_await!(admission.complete(*response)),
            Err(refused) => refused.into_response(parts),
        }
    })
}

/// Refuses a request by what cheap rules came to, before any function of the user's is called. Nothing
/// is consumed, and no remote store is asked.
pub(crate) fn refuse_by_cheap_rules(parts: &Parts, resolution: &mut Resolution) {
    if let Some(refusal) = refusal_by_cheap_rules(parts, resolution) {
        resolution.refuse(Box::new(refusal));
    }
}

fn refusal_by_cheap_rules(parts: &Parts, resolution: &mut Resolution) -> Option<Response> {
    let route = parts.extensions.get::<MatchedPath>();
    resolution.merge_same_budgets(route);
    let (limiter, outer) = around(parts);
    let outer = outer.map(|outer| &**outer.limits());
    let rules = resolution.rules();
    let charges: SmallVec<[Charge<'_>; 2]> = rules.iter().map(|rule| rule.charge(route)).collect();
    let max_waits: SmallVec<[Duration; 2]> = rules.iter().map(ResolvedRule::max_wait).collect();
    let (rules, decision) = match wait_queue::refused_now(limiter, &charges, &max_waits) {
        Some(decision) => (rules.clone(), decision),
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
            (rules.get(refused)?.into(), decision)
        }
    };
    let costs: Costs = rules.iter().map(|rule| rule.cost).collect();
    let denial = Denial {
        rules: &rules,
        costs: &costs,
        decision: &decision,
    };
    Some(refuse(limiter, parts, &denial, outer))
}

/// The attribute whose charge is all there is to do for the request, if one is, and what it rules.
fn charged_only(
    rules: &ResolvedRules,
    timing: ChargeTiming,
) -> Option<(&ResolvedRule, &'static PolicyConfig)> {
    let [rule] = rules.as_slice() else {
        return None;
    };
    let ConfigRef::Static(config) = rule.config else {
        return None;
    };
    let is_all = timing == ChargeTiming::BeforeExtraction
        && config.count_when.is_none()
        && config.wait.is_zero();
    is_all.then_some((rule, config))
}
