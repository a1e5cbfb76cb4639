//! An admitted request: charges it after extraction if needed, and adds headers to its response.

use super::{
    late_body::drain_if_refused, refusal::Refusal, request_limits::RequestLimits,
    response_headers::add_headers, settling::Tracked,
};
use crate::{
    extract::maybe_ready::{BoxFuture, MaybeReady, ready_or_await},
    policy::charge_timing::ChargeTiming,
    response::headers::{Headers, LiteralHeaders},
    store::Action,
};
use axum::{body::Body, response::Response};
use http::request::Parts;
use std::{
    fmt, mem,
    sync::Arc,
    task::{Context, Poll},
};

/// A request that passed its check, and what remains to do for it.
///
/// Costs that depend on arguments are charged after extraction; headers are added to the response.
#[derive(Default)]
pub struct Admission {
    /// The headers of literal limits, if the charge is final: the common case.
    literal_headers: Option<LiteralHeaders>,
    /// Everything else; `None` if no limit applies. A single box, so that a future that holds the
    /// common cases is cheap to drop.
    other: Option<Box<Other>>,
}

#[expect(clippy::large_enum_variant, reason = "it is boxed")]
enum Other {
    /// The charge is final, and other headers remain.
    Headers(Headers),
    /// The state is shared with the request's `RateLimit` extractors.
    Tracked(Tracked),
    /// The response while a charge is refunded or corrected, after the handler has returned.
    Refunding(BoxFuture<Response>),
}

impl Admission {
    /// A request that no limit applies to.
    pub(crate) fn unlimited() -> Self {
        Self::default()
    }

    /// A request whose charge is final, under literal limits.
    #[inline]
    pub(crate) fn with_literal_headers(headers: LiteralHeaders) -> Self {
        Self {
            literal_headers: Some(headers),
            other: None,
        }
    }

    /// A request whose charge is final.
    pub(crate) fn with_headers(headers: Headers) -> Self {
        Self::with_other(Other::Headers(headers))
    }

    /// A request whose charge is still to be made or may change.
    pub(crate) fn tracked(request_limits: Arc<RequestLimits>) -> Self {
        Self::with_other(Other::Tracked(Tracked(request_limits)))
    }

    /// [`tracked`](Self::tracked) with what ends the request.
    pub(super) fn tracked_by(tracked: Tracked) -> Self {
        Self::with_other(Other::Tracked(tracked))
    }

    fn with_other(other: Other) -> Self {
        Self {
            literal_headers: None,
            other: Some(Box::new(other)),
        }
    }

    /// The per-request state, if there is one.
    #[inline]
    pub(crate) fn request_limits(&self) -> Option<&Arc<RequestLimits>> {
        match self.other.as_deref() {
            Some(Other::Tracked(tracked)) => Some(&tracked.0),
            Some(Other::Headers(_) | Other::Refunding(_)) | None => None,
        }
    }

    /// Charges all rules after extraction. `known` has the costs that depend on the arguments, by
    /// the index of their attribute.
    ///
    /// # Errors
    /// Why the request is refused; nothing has been consumed then.
    pub(crate) fn charge(&self, known: &[Option<u64>]) -> MaybeReady<Result<(), Refusal>> {
        let Some(request_limits) = self.request_limits() else {
            // With headers only, the charge has been made before extraction.
            debug_assert!(
                self.literal_headers.is_none() && self.other.is_none(),
                "charged twice"
            );
            return MaybeReady::Ready(Ok(()));
        };
        if request_limits.dry_run().is_some() {
            return MaybeReady::Pending(Self::charge_with_dry_run(request_limits, known));
        }
        let costs = request_limits.costs_with(known);
        request_limits.clone().check(costs, Action::Consume, drop)
    }

    /// [`charge`](Self::charge) of rules beside others in dry run, which are charged afterwards.
    #[cold]
    fn charge_with_dry_run(
        request_limits: &Arc<RequestLimits>,
        known: &[Option<u64>],
    ) -> BoxFuture<Result<(), Refusal>> {
        let (request_limits, known) = (request_limits.clone(), known.to_vec());
        Box::pin(async move {
            if !request_limits.rules.is_empty() {
                let costs = request_limits.costs_with(&known);
                let live = request_limits.clone();
                ready_or_await!(live.check(costs, Action::Consume, drop))?;
            }
            request_limits.charge_dry_run(&known).await;
            Ok(())
        })
    }

    /// The response to a request whose arguments could not be extracted. Such a request counts: a
    /// charge after extraction is made now, with 1 for each cost that depends on the arguments.
    #[cold]
    pub(crate) fn reject(self, rejection: Response, timing: ChargeTiming) -> BoxFuture<Response> {
        Box::pin(async move {
            if timing == ChargeTiming::AfterExtraction
                && let Err(refusal) = ready_or_await!(self.charge(&[]))
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
        if timing == ChargeTiming::AfterExtraction
            && let Some(request_limits) = self.request_limits()
        {
            let body = drain_if_refused(parts, body, request_limits);
            return (self, body);
        }
        (self, body)
    }

    /// The response to a request that is refused after its arguments have been extracted.
    #[cold]
    pub(crate) fn refuse_late(&self, refusal: Refusal) -> Response {
        let Some(request_limits) = self.request_limits() else {
            return refusal.into_late_response(None);
        };
        request_limits.mark_refused();
        refusal.into_late_response(request_limits.head.as_deref())
    }

    /// Completes the response to a request that has been charged.
    pub(crate) fn complete(mut self, mut response: Response) -> MaybeReady<Response> {
        if self.finish(&mut response) {
            return MaybeReady::Ready(response);
        }
        match self.other.map(|other| *other) {
            Some(Other::Refunding(response)) => MaybeReady::Pending(response),
            _ => MaybeReady::Ready(response),
        }
    }

    /// Adds the rate-limit headers to the response. Returns whether it is complete.
    ///
    /// If a `count_when` excludes the response, its charge has to be refunded first: `response` is
    /// then moved into a future, which [`poll_refund`](Self::poll_refund) polls.
    #[inline]
    pub(crate) fn finish(&mut self, response: &mut Response) -> bool {
        if let Some(headers) = &self.literal_headers {
            headers.add_to_response(response);
        }
        match &mut self.other {
            None => true,
            Some(other) => other.finish(response),
        }
    }

    /// Polls the response whose charge is refunded; `None` if no charge is.
    #[inline]
    pub(crate) fn poll_refund(&mut self, cx: &mut Context<'_>) -> Option<Poll<Response>> {
        match self.other.as_deref_mut() {
            Some(Other::Refunding(response)) => Some(response.as_mut().poll(cx)),
            _ => None,
        }
    }
}

impl Other {
    /// [`Admission::finish`].
    fn finish(&mut self, response: &mut Response) -> bool {
        match self {
            Self::Headers(headers) => {
                headers.add_to_response(response);
                true
            }
            Self::Tracked(Tracked(request_limits)) => {
                let uncounted = request_limits.uncounted_rules(response);
                let dry_run = request_limits.dry_run();
                let uncounted_dry_run = dry_run
                    .map(|dry_run| dry_run.uncounted_rules(response))
                    .unwrap_or_default();
                request_limits.close_settlements(&uncounted);
                request_limits.end_request(Some(response.status()));
                let is_unconfirmed = request_limits.take_unconfirmed();
                if uncounted.is_empty() && uncounted_dry_run.is_empty() && !is_unconfirmed {
                    add_headers(request_limits, response);
                    return true;
                }
                let (request_limits, mut response) = (request_limits.clone(), mem::take(response));
                *self = Self::Refunding(Box::pin(async move {
                    if is_unconfirmed {
                        request_limits.await_corrections().await;
                    }
                    refund(&request_limits, &uncounted).await;
                    if let Some(dry_run) = request_limits.dry_run() {
                        refund(dry_run, &uncounted_dry_run).await;
                    }
                    add_headers(&request_limits, &mut response);
                    response
                }));
                false
            }
            Self::Refunding(_) => false,
        }
    }
}

/// Refunds the charges of these rules.
async fn refund(request_limits: &RequestLimits, uncounted: &[usize]) {
    let is_uncounted = |index| uncounted.contains(&index);
    if let Err(error) = request_limits.refund(is_uncounted, u64::MAX).await {
        tracing::warn!(%error, "cannot refund a charge that `count_when` excludes");
    }
}

impl fmt::Debug for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admission").finish_non_exhaustive()
    }
}
