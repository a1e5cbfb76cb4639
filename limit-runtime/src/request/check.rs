//! One all-or-nothing check of all rules on a handler or layer, before arguments are extracted.

use super::{
    admission::Admission,
    enclosing_limits::EnclosingLimits,
    refusal::{DenialRef, Refusal, denied_response},
    request_limits::RequestLimits,
};
use crate::{
    decision::{Decision, Receipt},
    extract::{
        maybe_ready::{MaybeReady, ready_or_await},
        rejection::Rejection,
    },
    limiter::Limiter,
    policy::{
        charge_timing::ChargeTiming,
        config::{ConfigRef, PolicyConfig},
        resolution::Resolution,
        resolved_rule::{ResolvedRule, ResolvedRules},
    },
    response::headers::Headers,
    store::Action,
};
use axum::{extract::MatchedPath, response::Response};
use http::request::Parts;
use std::{future::Future, pin::Pin, slice, sync::Arc};

/// Resolves the rules of a handler for one request, then checks them. Evaluates to
/// `Result<Admission, Response>`.
///
/// A macro, because the future of an `async fn` is copied whole into the handler's future and makes
/// it larger. Generic over the rules, not the policy: handlers with rules of one type share code.
macro_rules! resolve_and_check {
    ($R:ty, $rules:ident, $resolution:ident, $timing:ident, $parts:ident, $state:ident) => {{
        use $crate::{
            extract::maybe_ready::ready_or_await,
            limiter::Limiter,
            policy::rule::{Pass, Rules},
            request::{built_in::is_built_in, check, early_refusal},
        };
        let limiter = Limiter::of(&$parts).clone();
        if !limiter.skips(&$parts) {
            // If cheap rules (see `early_refusal`) deny the request, no function of the application
            // runs. If all rules are cheap, or none is, one check is enough.
            if <$R as Rules<_>>::COUNT > 1 {
                let cheap = Rules::<_>::cheap(&$rules, &$parts, is_built_in);
                if 0 < cheap && cheap < <$R as Rules<_>>::COUNT {
                    let pass = Pass::Cheap(is_built_in);
                    $rules
                        .resolve(pass, 0, &mut $parts, $state, &mut $resolution)
                        .await;
                    early_refusal::refuse_by_cheap_rules(&limiter, &$parts, &mut $resolution);
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
            Err(check::count_and_reject(limiter, &mut $parts, &mut $resolution, response).await)
        } else {
            match ready_or_await!(check::check_rules(
                limiter,
                &mut $parts,
                &mut $resolution,
                $timing
            )) {
                Ok(admission) => Ok(admission),
                Err(refusal) => Err(refusal.into_response(&$parts)),
            }
        }
    }};
}
pub(crate) use resolve_and_check;

/// Checks all resolved rules of a handler, all or nothing.
///
/// In the common case (one rule, a final charge, no layer around) no per-request state is created.
///
/// # Errors
/// Why the request is refused.
pub(crate) fn check_rules(
    limiter: Limiter,
    parts: &mut Parts,
    resolution: &mut Resolution,
    timing: ChargeTiming,
) -> MaybeReady<Result<Admission, Refusal>> {
    if resolution.rules().is_empty() {
        return MaybeReady::Ready(Ok(Admission::unlimited()));
    }
    if parts.extensions.get::<EnclosingLimits>().is_none()
        && !limiter.response_settings().response_info
        && let Some((rule, config)) = only_charge(resolution.rules(), timing)
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
        // A `Decision` is large to move; an allowed request needs only the outcome.
        let denial = match limiter.try_check_single(&charge) {
            Some((outcome, receipt)) if outcome.is_allowed() => {
                let admission = Admission::headers_only(headers(&[outcome]), limiter);
                resolution.set_charged_at(receipt.as_ref().map_or(0, Receipt::at));
                return MaybeReady::Ready(Ok(admission));
            }
            Some((outcome, _)) => Ok(Decision::new([outcome])),
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
            let denial = DenialRef {
                rules: resolution.rules(),
                costs: &[rule.cost],
                decision,
            };
            let response = denied_response(&limiter, parts, &denial, None);
            return MaybeReady::Ready(Err(Refusal::Response(response)));
        }
    }
    let mut request_limits = start_tracking(limiter, parts, resolution);
    match timing {
        ChargeTiming::BeforeExtraction => Arc::new(request_limits).consume(Admission::tracked),
        ChargeTiming::AfterExtraction => {
            request_limits.keep_head(parts);
            Arc::new(request_limits).peek(Admission::tracked)
        }
    }
}

/// Creates the state of a request with several rules, or with one that may need it after the check.
fn start_tracking(
    limiter: Limiter,
    parts: &mut Parts,
    resolution: &mut Resolution,
) -> RequestLimits {
    let route = parts.extensions.get::<MatchedPath>().cloned();
    resolution.merge_same_budgets(route.as_ref());
    let outer = parts.extensions.get::<EnclosingLimits>();
    let outer = outer.map(|outer| outer.limits().clone());
    let request_limits = RequestLimits::from_resolution(limiter, route, resolution, outer);
    request_limits.warn_of_double_charge();
    // A `RateLimit` inside this handler must not charge the budgets of the layers around it.
    parts.extensions.remove::<EnclosingLimits>();
    request_limits
}

/// Checks the resolved rule of a layer. Its state becomes a request extension, for the layers and
/// handlers inside.
///
/// # Errors
/// Why the request is refused.
pub(crate) fn check_layer(
    limiter: &Limiter,
    parts: &mut Parts,
    mut resolution: Resolution,
) -> MaybeReady<Result<Admission, Refusal>> {
    let request_limits = Arc::new(start_tracking(limiter.clone(), parts, &mut resolution));
    parts
        .extensions
        .insert(EnclosingLimits::new(request_limits.clone()));
    request_limits.consume(Admission::tracked)
}

/// Exempts the request from a layer whose limits function returned `None`. A `RateLimit` inside is
/// then empty: it must not charge the budgets of the layers outside.
pub(crate) fn exempt_from_layer(parts: &mut Parts, name: &'static str) {
    // Without another layer outside, a `RateLimit` is empty anyway.
    if let Some(outer) = parts.extensions.get::<EnclosingLimits>() {
        let outer = outer.limits().clone();
        let limiter = Limiter::find(parts).clone();
        let request_limits = RequestLimits::exempted_by_layer(limiter, name, outer);
        parts
            .extensions
            .insert(EnclosingLimits::new(Arc::new(request_limits)));
    }
}

/// Completes the response to a request that its resolution stopped.
///
/// A refusal by cheap rules is returned unchanged. A rejection by a function of the application
/// counts on all rules whose key and limits are known, without waiting for room; if one of these
/// rules denies the request, its refusal is returned instead.
///
/// The future is boxed, so that it takes no space in the futures of handlers.
#[cold]
pub(crate) fn count_and_reject<'a>(
    limiter: Limiter,
    parts: &'a mut Parts,
    resolution: &'a mut Resolution,
    response: Rejection,
) -> Pin<Box<dyn Future<Output = Response> + Send + 'a>> {
    Box::pin(async move {
        if resolution.is_refused() || resolution.rules().is_empty() {
            return *response;
        }
        let request_limits = Arc::new(start_tracking(limiter, parts, resolution));
        let counted = request_limits.consume_without_waiting(Admission::tracked);
        match ready_or_await!(counted) {
            Ok(admission) => ready_or_await!(admission.complete(*response)),
            Err(refusal) => refusal.into_response(parts),
        }
    })
}

/// The only rule of the request, with its configuration, if its charge is final once it is made:
/// before extraction, without waiting, and whatever the response is.
fn only_charge(
    rules: &ResolvedRules,
    timing: ChargeTiming,
) -> Option<(&ResolvedRule, &'static PolicyConfig)> {
    let [rule] = rules.as_slice() else {
        return None;
    };
    let ConfigRef::Static(config) = rule.config else {
        return None;
    };
    let is_final = timing == ChargeTiming::BeforeExtraction
        && config.count_when.is_none()
        && config.wait.is_zero();
    is_final.then_some((rule, config))
}
