//! An admitted request: charges it after extraction if needed, and adds headers to its response.

use super::{
    late_body::drain_if_refused, refusal::Refusal, request_limits::RequestLimits,
    response_headers::add_headers,
};
use crate::{
    extract::maybe_ready::{BoxFuture, MaybeReady, ready_or_await},
    limiter::Limiter,
    policy::charge_timing::ChargeTiming,
    response::headers::Headers,
    store::Action,
};
use axum::{body::Body, response::Response};
use http::request::Parts;
use std::{mem, sync::Arc};

/// A request that passed its check, and what remains to do for it.
///
/// Costs that depend on arguments are charged after extraction; headers are added to the response.
#[derive(Debug)]
pub struct Admission(State);

#[derive(Debug)]
enum State {
    /// No limit applies: nothing is charged, and no headers are added.
    Unlimited,
    /// The common case, without an allocation: the charge is final, and only headers remain.
    HeadersOnly(Headers, Limiter),
    /// Everything else. The state is shared with the request's `RateLimit` extractors.
    Tracked(Arc<RequestLimits>),
}

impl Admission {
    /// A request that no limit applies to.
    pub(crate) fn unlimited() -> Self {
        Self(State::Unlimited)
    }

    /// A request whose charge is final.
    #[inline]
    pub(crate) fn headers_only(headers: Headers, limiter: Limiter) -> Self {
        Self(State::HeadersOnly(headers, limiter))
    }

    /// A request whose charge is still to be made or may change.
    pub(crate) fn tracked(request_limits: Arc<RequestLimits>) -> Self {
        Self(State::Tracked(request_limits))
    }

    /// The per-request state, if there is one.
    pub(crate) fn request_limits(&self) -> Option<&Arc<RequestLimits>> {
        match &self.0 {
            State::Tracked(request_limits) => Some(request_limits),
            State::Unlimited | State::HeadersOnly(..) => None,
        }
    }

    /// The limiter that admitted the request, if there is no per-request state.
    pub(crate) fn limiter(&self) -> Option<&Limiter> {
        match &self.0 {
            State::HeadersOnly(_, limiter) => Some(limiter),
            State::Unlimited | State::Tracked(_) => None,
        }
    }

    /// Charges all rules after extraction. `known` has the costs that depend on the arguments, by
    /// the index of their attribute.
    ///
    /// # Errors
    /// Why the request is refused; nothing has been consumed then.
    pub(crate) fn charge(&self, known: &[Option<u64>]) -> MaybeReady<Result<(), Refusal>> {
        let State::Tracked(request_limits) = &self.0 else {
            // `HeadersOnly` means that the charge has been made before extraction.
            debug_assert!(matches!(self.0, State::Unlimited), "charged twice");
            return MaybeReady::Ready(Ok(()));
        };
        let costs = request_limits.rules.iter().map(|rule| {
            // A computed cost of 0, such as for an empty batch, counts as 1.
            let known = |rule: usize| Some(known.get(rule).copied().flatten()?.max(1));
            let known = rule.indices().filter_map(known).max();
            known.map_or(rule.cost, |known| known.max(rule.cost))
        });
        request_limits
            .clone()
            .check(costs.collect(), Action::Consume, drop)
    }

    /// The response to a request whose arguments could not be extracted. Such a request counts: a
    /// charge after extraction is made now, with 1 for each cost that depends on the arguments.
    #[cold]
    pub(crate) fn reject(self, rejection: Response, timing: ChargeTiming) -> BoxFuture<Response> {
        Box::pin(async move {
            if timing == ChargeTiming::AfterExtraction
                && let State::Tracked(request_limits) = &self.0
                && let Err(refusal) = ready_or_await!(request_limits.clone().consume(drop))
            {
                return self.refuse_late(refusal);
            }
            ready_or_await!(self.complete(rejection))
        })
    }

    /// The request body for extraction. If the charge comes after extraction and is refused, the
    /// unread rest of the body is drained.
    #[inline]
    pub(crate) fn wrap_body(self, timing: ChargeTiming, parts: &Parts, body: Body) -> (Self, Body) {
        match &self.0 {
            State::Tracked(request_limits) if timing == ChargeTiming::AfterExtraction => {
                let body = drain_if_refused(parts, body, request_limits);
                (self, body)
            }
            _ => (self, body),
        }
    }

    /// The response to a request that is refused after its arguments have been extracted.
    #[cold]
    pub(crate) fn refuse_late(&self, refusal: Refusal) -> Response {
        let State::Tracked(request_limits) = &self.0 else {
            return refusal.into_late_response(None);
        };
        request_limits.mark_refused();
        refusal.into_late_response(request_limits.head.as_deref())
    }

    /// Completes the response to a request that has been charged and does not reach its handler.
    pub(crate) fn complete(mut self, mut response: Response) -> MaybeReady<Response> {
        match self.finish(&mut response) {
            None => MaybeReady::Ready(response),
            Some(pending) => MaybeReady::Pending(pending),
        }
    }

    /// Adds the rate-limit headers to the response.
    ///
    /// If a `count_when` excludes the response, its charge has to be refunded first: `response` is
    /// then moved into the returned future, which completes it.
    pub(crate) fn finish(&mut self, response: &mut Response) -> Option<BoxFuture<Response>> {
        match &mut self.0 {
            State::Unlimited => None,
            State::HeadersOnly(headers, _) => {
                headers.add_to_response(response);
                None
            }
            State::Tracked(request_limits) => {
                let uncounted = request_limits.uncounted_rules(response);
                if uncounted.is_empty() {
                    add_headers(request_limits, response);
                    return None;
                }
                let (request_limits, mut response) = (request_limits.clone(), mem::take(response));
                Some(Box::pin(async move {
                    let is_uncounted = |index| uncounted.contains(&index);
                    if let Err(error) = request_limits.refund(is_uncounted, u64::MAX).await {
                        tracing::warn!(%error, "cannot refund a charge that `count_when` excludes");
                    }
                    add_headers(&request_limits, &mut response);
                    response
                }))
            }
        }
    }
}
