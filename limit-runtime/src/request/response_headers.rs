//! Adds the rate-limit headers of all policies on a request to its response.

use super::request_limits::RequestLimits;
use crate::{
    limiter::Limiter,
    response::{
        headers::{PolicyReport, has_headers, mark_complete},
        rate_limit_info::RateLimitInfo,
    },
};
use axum::response::Response;

/// Adds the headers of all policies on an admitted request, unless the response has them.
pub(super) fn add_headers(limits: &RequestLimits, response: &mut Response) {
    if has_headers(response) {
        return;
    }
    let decision = limits.decision();
    if decision.is_some() || limits.needs_permits() {
        let mut report = PolicyReport::default();
        if let Some(decision) = decision {
            report.add(limits.policy_views(), &decision);
        }
        report.add_permits(limits.permit_views());
        let outer = limits.outer.as_deref();
        add_policy_headers(&limits.limiter, outer, report, response);
        if limits.limiter.response_settings().response_info {
            let mut info = RateLimitInfo::default();
            for limits in RequestLimits::innermost_first(Some(limits)) {
                limits.add_to_info(&mut info);
            }
            response.extensions_mut().insert(info);
        }
    }
}

/// Adds the headers of the policies in `report` and of all policies in `outer`.
pub(super) fn add_policy_headers(
    limiter: &Limiter,
    outer: Option<&RequestLimits>,
    mut report: PolicyReport,
    response: &mut Response,
) {
    if outer.is_some() {
        mark_complete(response);
    }
    for limits in RequestLimits::innermost_first(outer) {
        if let Some(decision) = limits.decision() {
            report.add(limits.policy_views(), &decision);
        }
        report.add_permits(limits.permit_views());
    }
    report
        .headers(&limiter.response_settings().header_style)
        .add_to(response.headers_mut());
}
