//! The rate-limit headers of a response, for all policies on its request.

use super::request_limits::RequestLimits;
use crate::{
    limiter::Limiter,
    response::{headers::PolicyReport, rate_limit_info::RateLimitInfo},
};
use axum::response::Response;

/// Marks a response that has the headers of all policies, including those of the layers around.
#[derive(Clone, Copy)]
struct HeadersComplete;

/// Whether a handler or layer further in has added the headers of all policies.
pub(super) fn has_headers(response: &Response) -> bool {
    response.extensions().get::<HeadersComplete>().is_some()
}

/// Adds the headers of all policies on an admitted request, unless the response has them.
pub(super) fn report(limits: &RequestLimits, response: &mut Response) {
    if has_headers(response) {
        return;
    }
    if let Some(decision) = limits.decision() {
        let mut report = PolicyReport::default();
        report.add(limits.views(), &decision);
        write_headers(&limits.limiter, limits.outer.as_deref(), report, response);
        if limits.limiter.response_settings().response_info {
            let mut info = RateLimitInfo::default();
            for limits in RequestLimits::outwards(Some(limits)) {
                limits.describe(&mut info);
            }
            response.extensions_mut().insert(info);
        }
    }
}

/// Adds the headers of the policies in `report` and of the layers around.
pub(super) fn write_headers(
    limiter: &Limiter,
    outer: Option<&RequestLimits>,
    mut report: PolicyReport,
    response: &mut Response,
) {
    if outer.is_some() {
        response.extensions_mut().insert(HeadersComplete);
    }
    for limits in RequestLimits::outwards(outer) {
        if let Some(decision) = limits.decision() {
            report.add(limits.views(), &decision);
        }
    }
    report
        .headers(&limiter.response_settings().header_style)
        .add_to(response.headers_mut());
}
