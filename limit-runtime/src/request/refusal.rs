//! Refused requests and their responses: over a limit, or without an answer from the store.

use super::{
    denial::DenialRef, early_response::EarlyResponse, ledger::Costs, no_permit::NoPermit, report,
    request_limits::RequestLimits, response_headers::add_policy_headers,
};
use crate::{
    decision::{Decision, StrictestOutcome, whole_micros},
    extract::limits::LimitsRef,
    limiter::Limiter,
    policy::{
        config::PolicyConfig,
        resolved_rule::{ResolvedRule, SingleRule},
    },
    response::{
        exceeded::{Exceeded, OnLimited},
        grpc,
        header_style::HeaderStyle,
        headers::{LiteralHeaders, PolicyReport},
        rate_limit_info::RateLimitInfo,
        retry_after::RetryAfterStyle,
        too_many_requests::{
            as_exhausted, literal_refusal, refusal_body, too_many_requests, with_wait_of_header,
        },
    },
    store::StoreError,
};
use axum::response::{IntoResponse, Response};
use http::{Request, request::Parts};
use std::{sync::Arc, time::Duration};

/// Why a request does not reach its handler.
///
/// [`into_response`](Self::into_response) needs the request's head, which the check does not keep.
pub(crate) enum Refusal {
    /// The request is over a limit.
    Denied(Box<Denial>),
    /// Too many requests are in flight.
    NoPermit(Box<NoPermit>),
    /// The store could not answer.
    Store(StoreError),
}

/// A denied check, with the state of its request.
pub(crate) struct Denial {
    pub(crate) request_limits: Arc<RequestLimits>,
    pub(crate) costs: Costs,
    pub(crate) decision: Decision,
}

impl Refusal {
    /// The response to the request with this head.
    #[cold]
    pub(crate) fn into_response(self, parts: &Parts) -> Response {
        self.into_response_of(parts, true)
    }

    #[cold]
    fn into_response_of(self, parts: &Parts, has_head: bool) -> Response {
        match self {
            Self::Denied(denial) => {
                let Denial {
                    request_limits,
                    costs,
                    decision,
                } = &*denial;
                let denial = DenialRef {
                    rules: &request_limits.rules,
                    costs,
                    decision,
                    route: request_limits.route.as_ref(),
                    has_head,
                };
                let outer = request_limits.outer.as_deref();
                denied_response(&request_limits.limiter, parts, &denial, outer)
            }
            Self::NoPermit(no_permit) => no_permit.into_response(parts, has_head),
            Self::Store(error) => error.into_response(),
        }
    }

    /// The response after extraction, which has consumed the request's head. `head` is a copy that
    /// exists only if this response may need it.
    #[cold]
    pub(crate) fn into_late_response(self, head: Option<&Parts>) -> Response {
        match head {
            Some(head) => {
                let mut response = self.into_response(head);
                grpc::convert_for_client(&head.headers, &mut response);
                response
            }
            None => self.into_response_of(&Request::new(()).into_parts().0, false),
        }
    }
}

/// The response to a denied request: from the policy's `on_limited`, else from the limiter's, else
/// the standard 429. Its headers cover all policies, including those of `outer`.
#[cold]
pub(super) fn denied_response(
    limiter: &Limiter,
    parts: &Parts,
    denial: &DenialRef<'_>,
    outer: Option<&RequestLimits>,
) -> Response {
    report::refused(limiter, parts, denial, outer);
    let exhausted = as_exhausted(denial.decision);
    let decision = exhausted.as_ref().unwrap_or(denial.decision);
    let key = denial.rules.first().map(|rule| &rule.key);
    let jitter = key.map_or(Duration::ZERO, |key| limiter.retry_jitter(key));
    let exceeded = Exceeded::new(parts, denial.policy_views(), decision, jitter);
    let own_response = own_response(denial.rules, &exceeded);
    let (mut response, mut info, shown) = refuse(limiter, &exceeded, own_response);
    for limits in RequestLimits::innermost_first(outer) {
        limits.add_to_info(&mut info);
    }
    response.extensions_mut().insert(info);
    let mut report = PolicyReport::default();
    report.add(denial.policy_views(), shown.as_ref().unwrap_or(decision));
    add_policy_headers(limiter, outer, report, &mut response);
    if grpc::content_type(&parts.headers).is_some() {
        response.extensions_mut().insert(grpc_message(&exceeded));
    }
    response
}

/// [`denied_response`] for a request with one rule and no limits around the handler.
#[cold]
pub(super) fn denied_by_single(
    limiter: &Limiter,
    parts: &Parts,
    rule: &SingleRule<'_>,
    decision: &Decision,
) -> EarlyResponse {
    report::refused_by_single(limiter, parts, rule, decision);
    let jitter = limiter.retry_jitter(rule.key);
    if let Some(response) = denied_by_literal(limiter, parts, rule, decision, jitter) {
        return response;
    }
    let exhausted = as_exhausted(decision);
    let decision = exhausted.as_ref().unwrap_or(decision);
    let exceeded = Exceeded::new(parts, std::iter::once(rule.view()), decision, jitter);
    let (mut response, info, shown) = refuse(limiter, &exceeded, rule.config.own_response());
    let shown = shown.as_ref().unwrap_or(decision);
    let style = &limiter.response_settings().header_style;
    let literal = StrictestOutcome::of(shown)
        .and_then(|strictest| LiteralHeaders::new(rule.limits, &strictest, style));
    match literal {
        Some(headers) => headers.add_to(response.headers_mut()),
        None => {
            let mut report = PolicyReport::default();
            report.add(std::iter::once(rule.view()), shown);
            add_policy_headers(limiter, None, report, &mut response);
        }
    }
    if grpc::content_type(&parts.headers).is_some() {
        response.extensions_mut().insert(grpc_message(&exceeded));
        grpc::convert_for_client(&parts.headers, &mut response);
    }
    EarlyResponse::denied(response, info)
}

/// [`denied_by_single`] in the most common case: one literal limit has no room, and nothing changes
/// the default response. `None` in any other case.
fn denied_by_literal(
    limiter: &Limiter,
    parts: &Parts,
    rule: &SingleRule<'_>,
    decision: &Decision,
    jitter: Duration,
) -> Option<EarlyResponse> {
    let settings = limiter.response_settings();
    let LimitsRef::Literal(limits) = rule.limits else {
        return None;
    };
    if rule.config.own_response().is_some()
        || settings.on_limited.is_some()
        || settings.header_style != HeaderStyle::Ietf
        || settings.retry_after_style != RetryAfterStyle::Seconds
        || grpc::content_type(&parts.headers).is_some()
    {
        return None;
    }
    let mut refused = (0..)
        .zip(decision.outcomes())
        .filter(|(_, outcome)| !outcome.is_allowed());
    let (Some((index, outcome)), None) = (refused.next(), refused.next()) else {
        return None;
    };
    let wait = outcome.retry_after()?.saturating_add(jitter);
    let views = || std::iter::once(rule.view());
    let make_body = || refusal_body(&Exceeded::new(parts, views(), decision, jitter));
    let response = literal_refusal(
        limits,
        index,
        outcome.remaining(),
        whole_micros(wait),
        make_body,
    )?;
    let info = RateLimitInfo::of_refused(views(), decision, Some(wait));
    Some(EarlyResponse::denied(response, info))
}

/// The response without the rate-limit headers, the description of the refusal for it, and the
/// decision to show in the headers, if it is another one.
fn refuse(
    limiter: &Limiter,
    exceeded: &Exceeded<'_>,
    own_response: Option<&OnLimited>,
) -> (Response, RateLimitInfo, Option<Decision>) {
    let (settings, decision) = (limiter.response_settings(), exceeded.decision());
    let response = too_many_requests(settings, exceeded, own_response);
    let info = RateLimitInfo::of_refused(exceeded.policies(), decision, exceeded.retry_after());
    let is_own = own_response.is_some() || settings.on_limited.is_some();
    let shown = with_wait_of_header(decision, exceeded, is_own.then_some(response.headers()));
    (response, info, shown)
}

/// The text of the refusal for a gRPC client.
#[cold]
fn grpc_message(exceeded: &Exceeded<'_>) -> grpc::Message {
    grpc::Message(exceeded.to_string().into())
}

/// The `on_limited` of the first policy that denies the request and has one.
fn own_response<'a>(rules: &'a [ResolvedRule], exceeded: &Exceeded<'_>) -> Option<&'a OnLimited> {
    let mut configs = rules.iter().flat_map(ResolvedRule::configs);
    if configs.all(|config| config.own_response().is_none()) {
        return None;
    }
    exceeded
        .refusing_policies()
        .filter_map(|index| rules.get(index))
        .flat_map(ResolvedRule::configs)
        .find_map(PolicyConfig::own_response)
}
