//! Refused requests and their responses: over a limit, or without an answer from the store.

use super::{
    request_limits::{Costs, RequestLimits},
    response_headers::add_policy_headers,
};
use crate::{
    decision::Decision,
    limiter::Limiter,
    policy::{config::PolicyConfig, resolved_rule::ResolvedRule},
    response::{
        exceeded::{Exceeded, OnLimited},
        grpc,
        headers::{Headers, PolicyReport},
        policy_view::PolicyView,
        rate_limit_info::RateLimitInfo,
        too_many_requests::{as_exhausted, too_many_requests, with_wait_of_header},
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
    /// The store could not answer.
    Store(StoreError),
    /// The response exists already.
    Response(Response),
}

/// A denied check, with the state of its request.
pub(crate) struct Denial {
    pub(crate) request_limits: Arc<RequestLimits>,
    pub(crate) costs: Costs,
    pub(crate) decision: Decision,
}

/// A denied check, borrowed.
pub(super) struct DenialRef<'a> {
    pub(super) rules: &'a [ResolvedRule],
    /// The units that the request needs, one number for each rule.
    pub(super) costs: &'a [u64],
    pub(super) decision: &'a Decision,
}

impl<'a> DenialRef<'a> {
    fn policy_views(&self) -> impl Iterator<Item = PolicyView<'a>> {
        let costs = self.costs.iter().copied().chain(std::iter::repeat(1));
        let rules = self.rules.iter().zip(costs);
        rules.map(|(rule, cost)| rule.view(cost))
    }
}

impl Refusal {
    /// The response to the request with this head.
    #[cold]
    pub(crate) fn into_response(self, parts: &Parts) -> Response {
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
                };
                let outer = request_limits.outer.as_deref();
                denied_response(&request_limits.limiter, parts, &denial, outer)
            }
            Self::Store(error) => error.into_response(),
            Self::Response(response) => response,
        }
    }

    /// The response after extraction, which has consumed the request's head. `head` is a copy that
    /// exists only if this response may need it.
    #[cold]
    pub(super) fn into_late_response(self, head: Option<&Parts>) -> Response {
        match head {
            Some(head) => grpc::for_client(&head.headers, self.into_response(head)),
            None => self.into_response(&Request::new(()).into_parts().0),
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
    let settings = limiter.response_settings();
    let exhausted = as_exhausted(denial.decision);
    let decision = exhausted.as_ref().unwrap_or(denial.decision);
    let key = denial.rules.first().map(|rule| &rule.key);
    let jitter = key.map_or(Duration::ZERO, |key| limiter.retry_jitter(key));
    let exceeded = Exceeded::new(parts, denial.policy_views(), decision, jitter);
    let own_response = own_response(denial.rules, &exceeded);
    let mut response = too_many_requests(settings, &exceeded, own_response);
    let wait = exceeded.retry_after();
    let mut info = RateLimitInfo::of_refused(denial.policy_views(), decision, wait);
    for limits in RequestLimits::innermost_first(outer) {
        limits.add_to_info(&mut info);
    }
    response.extensions_mut().insert(info);
    let shown = with_wait_of_header(decision, wait, response.headers());
    let decision = shown.as_ref().unwrap_or(decision);
    if let ([rule], None) = (denial.rules, outer) {
        let (name, outcomes) = (rule.config.name, decision.outcomes());
        Headers::of_one(name, outcomes, &settings.header_style).add_to(response.headers_mut());
        return response;
    }
    let mut report = PolicyReport::default();
    report.add(denial.policy_views(), decision);
    add_policy_headers(limiter, outer, report, &mut response);
    response
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
