//! An admitted request: makes the charge that is still to come, and adds headers to the response.

use super::{
    late_body,
    report::{has_headers, report},
    request_limits::{Refused, RequestLimits},
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

/// A request that was let through: it charges what is still to be charged, and adds the headers.
#[derive(Debug)]
pub struct Admission(State);

#[derive(Debug)]
enum State {
    /// No limit applies: nothing is charged, and no headers are added.
    Unlimited,
    /// The common case, small and without an allocation: all that is left to do is to add headers.
    HeadersOnly(Headers, Limiter),
    /// Shared with the handles on it.
    Tracked(Arc<RequestLimits>),
}

impl Admission {
    /// A request that no limit applies to.
    pub(crate) fn unlimited() -> Self {
        Self(State::Unlimited)
    }

    /// A request whose charge nothing can change any more.
    #[inline]
    pub(crate) fn headers_only(headers: Headers, limiter: &Limiter) -> Self {
        Self(State::HeadersOnly(headers, limiter.clone()))
    }

    /// Any other request that is limited.
    pub(crate) fn tracked(request_limits: Arc<RequestLimits>) -> Self {
        Self(State::Tracked(request_limits))
    }

    /// The state of the request, where it has one.
    pub(crate) fn shared(&self) -> Option<&Arc<RequestLimits>> {
        match &self.0 {
            State::Tracked(request_limits) => Some(request_limits),
            State::Unlimited | State::HeadersOnly(..) => None,
        }
    }

    /// The limiter that admitted the request, where nothing else is known of it.
    pub(crate) fn limiter(&self) -> Option<&Limiter> {
        match &self.0 {
            State::HeadersOnly(_, limiter) => Some(limiter),
            State::Unlimited | State::Tracked(_) => None,
        }
    }

    /// Consumes the costs of all rules, now that those which depend on the arguments are `known`.
    ///
    /// # Errors
    /// If the cost does not fit.
    pub(crate) fn charge(&self, known: &[Option<u64>]) -> MaybeReady<Result<(), Refused>> {
        let State::Tracked(request_limits) = &self.0 else {
            // What is charged later was not charged at once.
            debug_assert!(matches!(self.0, State::Unlimited), "charged twice");
            return MaybeReady::Ready(Ok(()));
        };
        let costs = request_limits.rules.iter().map(|rule| {
            // An empty batch is a request all the same.
            let known = |rule: usize| Some(known.get(rule).copied().flatten()?.max(1));
            let known = rule.indices().filter_map(known).max();
            known.map_or(rule.cost, |known| known.max(rule.cost))
        });
        request_limits
            .clone()
            .settle(costs.collect(), Action::Consume, drop)
    }

    /// The answer to a request whose arguments could not be extracted. It counts all the same: where the charge
    /// waits for the arguments, it is made now, as if each cost that depends on them were 1.
    #[cold]
    pub(crate) fn reject(self, rejection: Response, timing: ChargeTiming) -> BoxFuture<Response> {
        Box::pin(async move {
            if timing == ChargeTiming::AfterExtraction
                && let State::Tracked(request_limits) = &self.0
                && let Err(refused) = ready_or_await!(request_limits.clone().admit(drop))
            {
                return self.refuse_late(refused);
            }
            ready_or_await!(self.complete(rejection))
        })
    }

    /// The request body for extraction: watched where the charge comes after it.
    #[inline]
    pub(crate) fn watch_body(
        self,
        timing: ChargeTiming,
        parts: &Parts,
        body: Body,
    ) -> (Self, Body) {
        match &self.0 {
            State::Tracked(request_limits) if timing == ChargeTiming::AfterExtraction => {
                let body = late_body::watch_body(parts, body, request_limits);
                (self, body)
            }
            _ => (self, body),
        }
    }

    /// The response to a request that is refused after its arguments have been extracted.
    #[cold]
    pub(crate) fn refuse_late(&self, refused: Refused) -> Response {
        let State::Tracked(request_limits) = &self.0 else {
            return refused.into_late_response(None);
        };
        request_limits.mark_refused();
        refused.into_late_response(request_limits.head.as_deref())
    }

    /// The response to a request that has been counted and does not reach its handler.
    pub(crate) fn complete(mut self, mut response: Response) -> MaybeReady<Response> {
        match self.finish(&mut response) {
            None => MaybeReady::Ready(response),
            Some(later) => MaybeReady::Pending(later),
        }
    }

    /// Adds the headers of the limits to the handler's answer. Where the answer does not count, it is taken, and
    /// comes back once its charge has been given back.
    pub(crate) fn finish(&mut self, response: &mut Response) -> Option<BoxFuture<Response>> {
        match &mut self.0 {
            State::Unlimited => None,
            State::HeadersOnly(headers, _) => {
                if !has_headers(response) {
                    headers.add_to(response.headers_mut());
                }
                None
            }
            State::Tracked(request_limits) => {
                let uncounted = request_limits.uncounted(response);
                if uncounted.is_empty() {
                    report(request_limits, response);
                    return None;
                }
                let (request_limits, mut response) = (request_limits.clone(), mem::take(response));
                Some(Box::pin(async move {
                    let is_uncounted = |index| uncounted.contains(&index);
                    if let Err(error) = request_limits.give_back(is_uncounted, u64::MAX).await {
                        tracing::warn!(%error, "a charge that does not count could not be given back");
                    }
                    report(&request_limits, &mut response);
                    response
                }))
            }
        }
    }
}
