//! The response to a request that a concurrency limit refuses.

use super::{report, request_limits::RequestLimits, response_headers::add_policy_headers};
use crate::{
    decision::Decision,
    response::{
        exceeded::Exceeded, grpc, headers::PolicyReport, rate_limit_info::RateLimitInfo,
        too_many_requests::too_many_requests,
    },
    store::charge::all_allowed,
};
use axum::response::Response;
use http::request::Parts;
use std::sync::Arc;

/// A concurrency limit has refused the request.
pub(crate) struct NoPermit {
    pub(super) request_limits: Arc<RequestLimits>,
    /// The index of the rule among the concurrency limits of the request.
    pub(super) rule: usize,
}

impl NoPermit {
    /// The response: from the policy's `on_limited`, else from the limiter's, else the standard
    /// 429. It does not say when to retry, because it is not known when another request ends.
    #[cold]
    pub(super) fn into_response(self, parts: &Parts, has_head: bool) -> Response {
        let limits = &*self.request_limits;
        let Some(rule) = limits.permits.get(self.rule) else {
            return Response::default();
        };
        report::refused_by_permit(limits, rule, has_head.then_some(parts));
        let (limiter, outer) = (&limits.limiter, limits.outer.as_deref());
        let view = rule.view();
        let unknown = Decision::empty();
        let exceeded = Exceeded::of_permit(parts, limits.policy_views(), &unknown, view);
        let own_response = rule.config().own_response();
        let mut response = too_many_requests(limiter.response_settings(), &exceeded, own_response);
        let mut info = RateLimitInfo::of_refused_permit(view);
        for limits in RequestLimits::innermost_first(outer) {
            limits.add_to_info(&mut info);
        }
        response.extensions_mut().insert(info);
        let mut report = PolicyReport::default();
        // Only the quotas of the limits are shown, which were not checked.
        let quotas = all_allowed(&limits.charges_with(|_, _| Some(0)));
        report.add(limits.policy_views(), &quotas);
        report.add_permits(limits.permit_views());
        report.set_refused_permit(view);
        add_policy_headers(limiter, outer, report, &mut response);
        if grpc::content_type(&parts.headers).is_some() {
            response
                .extensions_mut()
                .insert(grpc::Message(exceeded.to_string().into()));
        }
        response
    }
}
