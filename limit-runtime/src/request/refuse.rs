//! The response to a request that is refused: by its limits, or because the store cannot answer.

use super::{
    report::write_headers,
    request_limits::{Exceedance, Refused, RequestLimits},
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
};
use axum::response::{IntoResponse, Response};
use http::{Request, request::Parts};
use std::time::Duration;

/// What a store refused.
pub(super) struct Denial<'a> {
    pub(super) rules: &'a [ResolvedRule],
    /// The units that the request asked for, one for each rule.
    pub(super) costs: &'a [u64],
    pub(super) decision: &'a Decision,
}

impl<'a> Denial<'a> {
    fn views(&self) -> impl Iterator<Item = PolicyView<'a>> {
        let costs = self.costs.iter().copied().chain(std::iter::repeat(1));
        let rules = self.rules.iter().zip(costs);
        rules.map(|(rule, cost)| rule.view(cost))
    }
}

impl Refused {
    /// The response for the request with this head.
    #[cold]
    pub(crate) fn into_response(self, parts: &Parts) -> Response {
        match self {
            Self::Exceeded(exceedance) => {
                let Exceedance {
                    request_limits,
                    costs,
                    decision,
                } = &*exceedance;
                let denial = Denial {
                    rules: &request_limits.rules,
                    costs,
                    decision,
                };
                let outer = request_limits.outer.as_deref();
                refuse(&request_limits.limiter, parts, &denial, outer)
            }
            Self::Store(error) => error.into_response(),
            Self::Response(response) => response,
        }
    }

    /// The response if the head of the request is gone, because the arguments have been extracted.
    /// `head` is the copy that was made if this response may need one.
    #[cold]
    pub(super) fn into_late_response(self, head: Option<&Parts>) -> Response {
        match head {
            Some(head) => grpc::for_client(&head.headers, self.into_response(head)),
            None => self.into_response(&Request::new(()).into_parts().0),
        }
    }
}

/// The response to a refused request: that of the handler's `on_limited`, of the limiter's, or the
/// standard 429. Its headers cover all policies, including those of the layers around the handler.
#[cold]
pub(super) fn refuse(
    limiter: &Limiter,
    parts: &Parts,
    denial: &Denial<'_>,
    outer: Option<&RequestLimits>,
) -> Response {
    let settings = limiter.response_settings();
    let exhausted = as_exhausted(denial.decision);
    let decision = exhausted.as_ref().unwrap_or(denial.decision);
    let key = denial.rules.first().map(|rule| &rule.key);
    let jitter = key.map_or(Duration::ZERO, |key| limiter.retry_jitter(key));
    let exceeded = Exceeded::new(parts, denial.views(), decision, jitter);
    let own_response = own_response(denial.rules, &exceeded);
    let mut response = too_many_requests(settings, &exceeded, own_response);
    let wait = exceeded.retry_after();
    let mut info = RateLimitInfo::of_refused(denial.views(), decision, wait);
    for limits in RequestLimits::outwards(outer) {
        limits.describe(&mut info);
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
    report.add(denial.views(), decision);
    write_headers(limiter, outer, report, &mut response);
    response
}

/// The `on_limited` of the handler or layer, if the policy that refused has one.
fn own_response<'a>(rules: &'a [ResolvedRule], exceeded: &Exceeded<'_>) -> Option<&'a OnLimited> {
    let mut all = rules.iter().flat_map(ResolvedRule::configs);
    if all.all(|config| config.own_response().is_none()) {
        return None;
    }
    exceeded
        .refusing_policies()
        .filter_map(|index| rules.get(index))
        .flat_map(ResolvedRule::configs)
        .find_map(PolicyConfig::own_response)
}
