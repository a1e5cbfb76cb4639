//! An admitted request: adds headers to its response.

use super::{
    hold::Hold, permit_body::hold_until_end, request_limits::RequestLimits,
    response_headers::add_headers, settling::Tracked,
};
use crate::{
    extract::maybe_ready::{BoxFuture, MaybeReady},
    response::headers::{Headers, LiteralHeaders},
};
use axum::response::Response;
use std::{
    fmt, mem,
    sync::Arc,
    task::{Context, Poll},
};

/// A request that passed its check, and what remains to do for it.
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
    /// The state is shared with the request's `RateLimit` extractors. Its permits are held until
    /// the body of the response has ended.
    Tracked(Tracked, Option<Arc<Hold>>),
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
        Self::tracked_by(Tracked(request_limits))
    }

    /// [`tracked`](Self::tracked) with what ends the request.
    pub(super) fn tracked_by(tracked: Tracked) -> Self {
        Self::with_other(Other::Tracked(tracked, None))
    }

    /// Adds the permits that the request holds.
    pub(crate) fn holding(mut self, hold: Hold) -> Self {
        if let Some(Other::Tracked(tracked, held)) = self.other.as_deref_mut() {
            let hold = Arc::new(hold);
            tracked.0.set_hold(&hold);
            *held = Some(hold);
        }
        self
    }

    /// Adds the permits that the request holds under rules in dry run.
    pub(crate) fn holding_in_dry_run(mut self, hold: Hold) -> Self {
        match self.other.as_deref_mut() {
            Some(Other::Tracked(_, Some(live))) => {
                live.set_dry_run(hold);
                self
            }
            _ => self.holding(hold),
        }
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
            Some(Other::Tracked(tracked, _)) => Some(&tracked.0),
            Some(Other::Headers(_) | Other::Refunding(_)) | None => None,
        }
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
            Self::Tracked(Tracked(request_limits), hold) => {
                let uncounted = request_limits.uncounted_rules(response);
                let dry_run = request_limits.dry_run();
                let uncounted_dry_run = dry_run
                    .map(|dry_run| dry_run.uncounted_rules(response))
                    .unwrap_or_default();
                request_limits.exclude(&uncounted);
                if let Some(dry_run) = dry_run {
                    dry_run.exclude(&uncounted_dry_run);
                }
                request_limits.end_request(Some(response.status()));
                let is_unconfirmed = request_limits.take_unconfirmed();
                if uncounted.is_empty() && uncounted_dry_run.is_empty() && !is_unconfirmed {
                    add_headers(request_limits, response);
                    hold_by_body(response, hold.take());
                    return true;
                }
                let hold = hold.take();
                let (request_limits, mut response) = (request_limits.clone(), mem::take(response));
                *self = Self::Refunding(Box::pin(async move {
                    refund(&request_limits, &uncounted).await;
                    if let Some(dry_run) = request_limits.dry_run() {
                        refund(dry_run, &uncounted_dry_run).await;
                    }
                    // Afterwards: a client that leaves meanwhile loses no refund.
                    if is_unconfirmed {
                        request_limits.await_corrections().await;
                    }
                    add_headers(&request_limits, &mut response);
                    hold_by_body(&mut response, hold);
                    response
                }));
                false
            }
            Self::Refunding(_) => false,
        }
    }
}

/// Lets the body of the response hold the permits of the request.
fn hold_by_body(response: &mut Response, hold: Option<Arc<Hold>>) {
    if let Some(hold) = hold {
        let body = mem::take(response.body_mut());
        *response.body_mut() = hold_until_end(body, hold);
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
