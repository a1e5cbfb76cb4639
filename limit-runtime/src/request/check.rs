//! One all-or-nothing check of all rules on a handler or layer, before arguments are extracted.

use super::{
    admission::Admission,
    built_in::is_built_in,
    dry_run::{DryRunRules, check_dry_run},
    early_refusal::refuse_by_cheap_rules,
    early_response::EarlyResponse,
    enclosing_limits::EnclosingLimits,
    refusal::{Refusal, denied_by_single},
    report,
    request_limits::RequestLimits,
};
use crate::{
    decision::{Decision, StrictestOutcome},
    extract::{
        maybe_ready::{BoxFuture, MaybeReady, ready_or_await},
        rejection::Rejection,
    },
    limiter::Limiter,
    observe::Reason,
    policy::{
        charge_timing::ChargeTiming,
        resolution::Resolution,
        resolved_rule::SingleRule,
        rule::{Pass, Rules, Single},
    },
    response::headers::{Headers, LiteralHeaders},
    store::{Action, Charge},
};
use axum::{extract::MatchedPath, response::Response};
use http::request::Parts;
use std::{
    future::{self, Future},
    pin::Pin,
    slice,
    sync::Arc,
};

/// Why a check has not admitted a request, or not yet.
pub(crate) enum Stop {
    /// The request is refused.
    Refused(EarlyResponse),
    /// A function of the application has rejected the request, or cheap rules have refused it.
    Rejected(Rejection),
    /// The store has to be awaited, or the request waits for room.
    Pending(BoxFuture<Result<Admission, Refusal>>),
}

/// Awaits what is left of a check that has stopped: `Result<Admission, EarlyResponse>`.
///
/// A macro, because the future of an `async fn` is copied whole into the handler's future and makes
/// it larger.
macro_rules! complete_check {
    ($stop:expr, $parts:ident, $resolution:ident) => {
        match $stop {
            $crate::request::check::Stop::Refused(response) => Err(response),
            $crate::request::check::Stop::Rejected(rejection) => {
                let limiter = $crate::limiter::Limiter::find(&$parts).clone();
                let (parts, resolution) = (&mut $parts, &mut $resolution);
                let counted =
                    $crate::request::check::count_and_reject(limiter, parts, resolution, rejection);
                Err(counted.await.into())
            }
            $crate::request::check::Stop::Pending(check) => match check.await {
                Ok(admission) => Ok(admission),
                Err(refusal) => Err(refusal.into_response(&$parts).into()),
            },
        }
    };
}
pub(crate) use complete_check;

/// Resolves the rules of a handler for one request, which are ready, then checks them.
///
/// Generic over the rules, not the policy: handlers with rules of one type share code.
///
/// # Errors
/// What the caller has to do if the request is not admitted at once.
pub(crate) fn resolve_and_check_now<S, R: Rules<S>>(
    mut rules: R,
    timing: ChargeTiming,
    parts: &mut Parts,
    resolution: &mut Resolution,
) -> Result<Admission, Stop> {
    let layered = parts.extensions.get::<Limiter>();
    let limiter = layered.unwrap_or_else(|| Limiter::without_layer());
    if limiter.skips(parts) {
        report::skipped(limiter, parts, &rules);
    } else {
        // If cheap rules (see `early_refusal`) deny the request, no function of the application
        // runs. If all rules are cheap, or none is, one check is enough.
        if R::COUNT > 1 {
            let cheap = rules.cheap(parts, is_built_in);
            if 0 < cheap && cheap < R::COUNT {
                rules.resolve_now(Pass::cheap(is_built_in), 0, parts, resolution);
                refuse_by_cheap_rules(limiter, parts, resolution);
            }
        }
        if !resolution.is_refused() {
            rules.resolve_now(Pass::REST, 0, parts, resolution);
        }
    }
    match check_resolved_single(limiter, layered.is_some(), parts, timing, resolution) {
        Some(checked) => checked,
        None => check_resolved(timing, parts, resolution),
    }
}

/// [`resolve_and_check_now`] for a single rule, if nothing needs the resolved rule after the check.
/// What is left to do without a check is [`check_resolved`].
// Inlined, because a key is large to move.
#[inline(always)]
pub(crate) fn resolve_and_check_single<S, R: Rules<S>>(
    rules: R,
    timing: ChargeTiming,
    parts: &Parts,
) -> Single<CheckedSingle> {
    let layered = parts.extensions.get::<Limiter>();
    let limiter = layered.unwrap_or_else(|| Limiter::without_layer());
    if limiter.skips(parts) {
        report::skipped(limiter, parts, &rules);
        return Single::Exempt(None);
    }
    let is_layered = layered.is_some();
    let checked = rules.resolve_single(parts, |rule| {
        check_single(limiter, is_layered, parts, timing, rule)
    });
    if let Single::Exempt(Some(config)) = checked {
        report::exempt(limiter, parts, std::iter::once(config));
    }
    checked
}

/// Resolves the rules of a pass. If they are always ready, no asynchronous code is compiled for it.
macro_rules! resolve {
    ($rules:ident, $pass:expr, $parts:ident, $state:ident, $resolution:expr) => {
        if R::ARE_ALWAYS_READY {
            $rules.resolve_now($pass, 0, $parts, $resolution);
        } else {
            $rules.resolve($pass, 0, $parts, $state, $resolution).await;
        }
    };
}

/// [`resolve_and_check_now`] for rules that may have to be awaited.
///
/// The future is boxed, so that it takes no space in the futures of handlers.
pub(crate) fn resolve_and_check<'a, S: Sync, R: Rules<S> + 'a>(
    mut rules: R,
    timing: ChargeTiming,
    parts: &'a mut Parts,
    state: &'a S,
    resolution: &'a mut Resolution,
) -> Pin<Box<dyn Future<Output = Result<Admission, Stop>> + Send + 'a>> {
    if R::ARE_ALWAYS_READY && !rules.may_dry_run() {
        let checked = resolve_and_check_now(rules, timing, parts, resolution);
        return Box::pin(future::ready(checked));
    }
    Box::pin(async move {
        let limiter = Limiter::of(parts).clone();
        if limiter.skips(parts) {
            report::skipped(&limiter, parts, &rules);
            return Ok(Admission::unlimited());
        }
        let dry_run = DryRunRules::of(&limiter, &rules);
        let dry = dry_run.indices();
        if R::COUNT > 1 {
            let cheap = rules.cheap(parts, is_built_in);
            if 0 < cheap && cheap < R::COUNT {
                let pass = Pass::cheap(is_built_in).except(dry);
                resolve!(rules, pass, parts, state, resolution);
                refuse_by_cheap_rules(&limiter, parts, resolution);
            }
        }
        if !resolution.is_refused() {
            let pass = Pass::REST.except(dry);
            resolve!(rules, pass, parts, state, resolution);
        }
        if dry.is_empty() {
            return check_resolved(timing, parts, resolution);
        }
        let limits = check_live(&limiter, timing, parts, resolution, &dry_run).await?;
        let mut resolution = Resolution::default();
        resolve!(rules, Pass::REST, parts, state, &mut resolution);
        check_dry_run(&limits, timing, parts, &mut resolution).await;
        Ok(Admission::tracked(limits))
    })
}

/// Checks all resolved rules of a handler, all or nothing.
///
/// # Errors
/// What the caller has to do if the request is not admitted at once.
pub(crate) fn check_resolved(
    timing: ChargeTiming,
    parts: &mut Parts,
    resolution: &mut Resolution,
) -> Result<Admission, Stop> {
    if let Some(rejection) = resolution.take_response() {
        return Err(Stop::Rejected(rejection));
    }
    let limiter = Limiter::find(parts);
    if resolution.rules().is_empty() {
        if resolution.has_exempt_rules() {
            report::exempt(limiter, parts, resolution.exempt_rules());
        }
        return Ok(Admission::unlimited());
    }
    let is_layered = parts.extensions.get::<Limiter>().is_some();
    if let Some(checked) = check_resolved_single(limiter, is_layered, parts, timing, resolution) {
        return checked;
    }
    let mut request_limits = start_tracking(limiter.clone(), parts, resolution);
    if request_limits.limiter.observer().hook_gets_all() {
        request_limits.keep_head(parts);
    }
    let checked = match timing {
        ChargeTiming::BeforeExtraction => Arc::new(request_limits).consume(Admission::tracked),
        ChargeTiming::AfterExtraction => {
            request_limits.keep_head(parts);
            Arc::new(request_limits).peek(Admission::tracked)
        }
    };
    match checked {
        MaybeReady::Ready(Ok(admission)) => Ok(admission),
        MaybeReady::Ready(Err(refusal)) => Err(Stop::Refused(refusal.into_response(parts).into())),
        MaybeReady::Pending(check) => Err(Stop::Pending(check)),
    }
}

/// Checks the live rules of a handler beside others in dry run. The state of an admitted request is
/// always kept: the response may have to refund what the others have charged.
///
/// # Errors
/// If the request is refused or rejected.
async fn check_live(
    limiter: &Limiter,
    timing: ChargeTiming,
    parts: &mut Parts,
    resolution: &mut Resolution,
    dry_run: &DryRunRules,
) -> Result<Arc<RequestLimits>, Stop> {
    if let Some(rejection) = resolution.take_response() {
        return Err(Stop::Rejected(rejection));
    }
    let mut limits = start_tracking(limiter.clone(), parts, resolution);
    limits.exempt.extend(dry_run.names());
    if limits.rules.is_empty() {
        report::without_live_rules(&limits);
        return Ok(Arc::new(limits));
    }
    if limiter.observer().hook_gets_all() {
        limits.keep_head(parts);
    }
    let checked = match timing {
        ChargeTiming::BeforeExtraction => Arc::new(limits).consume(|limits| limits),
        ChargeTiming::AfterExtraction => {
            limits.keep_head(parts);
            Arc::new(limits).peek(|limits| limits)
        }
    };
    match ready_or_await!(checked) {
        Ok(limits) => Ok(limits),
        Err(refusal) => Err(Stop::Refused(refusal.into_response(parts).into())),
    }
}

/// [`check_single`] for a rule that has been resolved. `None` if there is another number of rules,
/// or a rejection.
fn check_resolved_single(
    limiter: &Limiter,
    is_layered: bool,
    parts: &Parts,
    timing: ChargeTiming,
    resolution: &mut Resolution,
) -> Option<Result<Admission, Stop>> {
    let rule = resolution.single_rule()?;
    let checked = check_single(limiter, is_layered, parts, timing, &rule)?;
    if resolution.has_exempt_rules() {
        report::exempt_rules(limiter, parts, resolution.exempt_rules());
    }
    Some(match checked {
        CheckedSingle::Refused(response) => Err(Stop::Refused(response)),
        CheckedSingle::Admitted(admission, at) => {
            resolution.set_charged_at(at);
            Ok(admission)
        }
    })
}

/// The result of [`check_single`].
pub(crate) enum CheckedSingle {
    /// With the time of the charge, by the store's clock.
    Admitted(Admission, u64),
    Refused(EarlyResponse),
}

/// Checks the only rule of a request in memory, without any state of the request. Returns `None`,
/// and charges nothing, if that is not possible: the store has to be awaited, the charge is not
/// final once it is made, there are limits around the handler, or responses describe their limits.
fn check_single(
    limiter: &Limiter,
    is_layered: bool,
    parts: &Parts,
    timing: ChargeTiming,
    rule: &SingleRule<'_>,
) -> Option<CheckedSingle> {
    let config = rule.config;
    let settings = limiter.response_settings();
    let is_final = timing == ChargeTiming::BeforeExtraction
        && config.count_when.is_none()
        && config.cap_cost.is_none()
        && config.wait.is_zero();
    // There are no enclosing limits without the limiter of a layer.
    if !is_final
        || settings.response_info
        || (is_layered && parts.extensions.get::<EnclosingLimits>().is_some())
    {
        return None;
    }
    let charge = rule.charge(parts);
    if limiter.wait_queues().has_waiters(slice::from_ref(&charge)) {
        return None;
    }
    let timer = limiter.observer().start_timer();
    let strictest = limiter.try_check_strictest(&charge);
    // Not moved, because it is large.
    let Some(strictest) = strictest.as_ref() else {
        limiter.observer().cancel_timer();
        return None;
    };
    if let Some(started) = timer {
        limiter.observer().stop_timer(started, config.id());
    }
    if !strictest.outcome.is_allowed() {
        let response = refuse_single(limiter, parts, rule, &charge, strictest);
        return Some(CheckedSingle::Refused(response));
    }
    report::admitted_by_single(limiter, parts, rule, strictest);
    let (at, style) = (strictest.charged_at, &settings.header_style);
    if let Some(headers) = LiteralHeaders::new(rule.limits, strictest, style) {
        let admission = Admission::with_literal_headers(headers);
        return Some(CheckedSingle::Admitted(admission, at));
    }
    let (name, strategy) = (config.name, charge.strategy);
    let headers = Headers::of_one(name, rule.limits, strategy, strictest, style);
    Some(CheckedSingle::Admitted(
        Admission::with_headers(headers),
        at,
    ))
}

/// The response to a request that its only rule refuses.
#[cold]
fn refuse_single(
    limiter: &Limiter,
    parts: &Parts,
    rule: &SingleRule<'_>,
    charge: &Charge<'_>,
    strictest: &StrictestOutcome,
) -> EarlyResponse {
    let has_several = rule.limits.len() > 1;
    let peeked = has_several.then(|| limiter.try_check_all(slice::from_ref(charge), Action::Peek));
    let decision = match peeked {
        // The other limits are shown as they are a moment later.
        Some(Ok(decision)) => {
            let outcomes = decision.outcomes().iter().enumerate();
            Decision::new(outcomes.map(|(index, outcome)| {
                if index == usize::from(strictest.limit_index) {
                    strictest.outcome
                } else {
                    *outcome
                }
            }))
        }
        None | Some(Err(_)) => Decision::new([strictest.outcome]),
    };
    denied_by_single(limiter, parts, rule, &decision)
}

/// Creates the state of a request with several rules, or with one that may need it after the check.
fn start_tracking(
    limiter: Limiter,
    parts: &mut Parts,
    resolution: &mut Resolution,
) -> RequestLimits {
    let route = parts.extensions.get::<MatchedPath>().cloned();
    resolution.merge_same_budgets(route.as_ref());
    if resolution.has_exempt_rules() {
        report::exempt_rules(&limiter, parts, resolution.exempt_rules());
    }
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
    let mut request_limits = start_tracking(limiter.clone(), parts, &mut resolution);
    if limiter.observer().hook_gets_all() {
        request_limits.keep_head(parts);
    }
    let request_limits = Arc::new(request_limits);
    parts
        .extensions
        .insert(EnclosingLimits::new(request_limits.clone()));
    request_limits.consume(Admission::tracked)
}

/// Exempts the request from a layer whose limits function returned `None`, or that is in dry run,
/// and counts it for its route. Limits without rules become a request extension: a `RateLimit`
/// inside must not charge the budgets of the layers outside, and handlers inside must not count the
/// request again.
pub(crate) fn exempt_from_layer(
    limiter: &Limiter,
    parts: &mut Parts,
    name: &'static str,
) -> Arc<RequestLimits> {
    report::count_request(limiter, parts);
    let outer = parts.extensions.get::<EnclosingLimits>();
    let outer = outer.map(|outer| outer.limits().clone());
    let limits = RequestLimits::exempted_by_layer(limiter.clone(), name, outer);
    let limits = Arc::new(limits);
    parts
        .extensions
        .insert(EnclosingLimits::new(limits.clone()));
    limits
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
        if resolution.is_refused() {
            return *response;
        }
        if let Some(config) = resolution.rejecting_rule() {
            report::unchecked(&limiter, parts, config, Reason::Rejected, false);
        }
        if resolution.rules().is_empty() {
            report::exempt(&limiter, parts, resolution.exempt_rules());
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
