//! What a handler holds of the check that let it run.

use super::{
    admit::Admit,
    headers::{Headers, Told},
    rate_limit_info::RateLimitInfo,
    refusal::Refused,
    rejection,
    soon::{Later, Soon, answer_of},
    standing::Standing,
};
use crate::{limiter::Limiter, store::Action};
use axum::{body::Body, response::Response};
use http::request::Parts;
use std::{mem, sync::Arc};

/// A request that was let through: it charges what is still to be charged, and adds the headers.
#[derive(Debug)]
pub struct Admission(Held);

#[derive(Debug)]
enum Held {
    /// No limit applies: nothing is charged, and no headers are added.
    Nothing,
    /// The common case, small and without an allocation: all that is left to do is to add headers.
    Told(Headers, Limiter),
    /// Shared with the handles on it.
    Standing(Arc<Standing>),
}

/// A response that already tells of all policies, those of the layers around included.
#[derive(Clone, Copy)]
struct AllTold;

impl Admission {
    /// A request that no limit applies to.
    pub(super) fn unlimited() -> Self {
        Self(Held::Nothing)
    }

    /// A request whose charge nothing can change any more.
    #[inline]
    pub(super) fn told(headers: Headers, limiter: &Limiter) -> Self {
        Self(Held::Told(headers, limiter.clone()))
    }

    /// Any other request that is limited.
    pub(super) fn standing(standing: Arc<Standing>) -> Self {
        Self(Held::Standing(standing))
    }

    /// The state of the request, where it has one.
    pub(super) fn shared(&self) -> Option<&Arc<Standing>> {
        match &self.0 {
            Held::Standing(standing) => Some(standing),
            Held::Nothing | Held::Told(..) => None,
        }
    }

    /// The limiter that admitted the request, where nothing else is known of it.
    pub(super) fn limiter(&self) -> Option<&Limiter> {
        match &self.0 {
            Held::Told(_, limiter) => Some(limiter),
            Held::Nothing | Held::Standing(_) => None,
        }
    }

    /// Consumes the costs of all rules, now that those which depend on the arguments are `known`.
    ///
    /// # Errors
    /// If the cost does not fit.
    pub(super) fn charge(&self, known: &[Option<u64>]) -> Soon<Result<(), Refused>> {
        let Held::Standing(standing) = &self.0 else {
            // What is charged later was not charged at once.
            debug_assert!(matches!(self.0, Held::Nothing), "charged twice");
            return Soon::Now(Ok(()));
        };
        let costs = standing.demands.iter().map(|demand| {
            // An empty batch is a request all the same.
            let known = |rule: usize| Some(known.get(rule).copied().flatten()?.max(1));
            let known = demand.rules().filter_map(known).max();
            known.map_or(demand.cost, |known| known.max(demand.cost))
        });
        standing
            .clone()
            .settle(costs.collect(), Action::Consume, drop)
    }

    /// The answer to a request whose arguments could not be extracted. It counts all the same: where the charge
    /// waits for the arguments, it is made now, as if each cost that depends on them were 1.
    #[cold]
    pub(super) fn reject(self, rejection: Response, how: Admit) -> Later<Response> {
        Box::pin(async move {
            if how == Admit::Peek
                && let Held::Standing(standing) = &self.0
                && let Err(refused) = answer_of!(standing.clone().admit(drop))
            {
                return self.refuse_late(refused);
            }
            answer_of!(self.complete(rejection))
        })
    }

    /// The request body for extraction: watched where the charge comes after it.
    #[inline]
    pub(super) fn watch_body(self, how: Admit, parts: &Parts, body: Body) -> (Self, Body) {
        match &self.0 {
            Held::Standing(standing) if how == Admit::Peek => {
                let body = rejection::watch_body(parts, body, standing);
                (self, body)
            }
            _ => (self, body),
        }
    }

    /// The response to a request that is refused after its arguments have been extracted.
    #[cold]
    pub(super) fn refuse_late(&self, refused: Refused) -> Response {
        let Held::Standing(standing) = &self.0 else {
            return refused.into_late_response(None);
        };
        standing.mark_refused();
        refused.into_late_response(standing.head.as_deref())
    }

    /// The response to a request that has been counted and does not reach its handler.
    pub(super) fn complete(mut self, mut response: Response) -> Soon<Response> {
        match self.finish(&mut response) {
            None => Soon::Now(response),
            Some(later) => Soon::Later(later),
        }
    }

    /// Adds the headers of the limits to the handler's answer. Where the answer does not count, it is taken, and
    /// comes back once its charge has been given back.
    pub(super) fn finish(&mut self, response: &mut Response) -> Option<Later<Response>> {
        match &mut self.0 {
            Held::Nothing => None,
            Held::Told(headers, _) => {
                if !is_told(response) {
                    headers.add_to(response.headers_mut());
                }
                None
            }
            Held::Standing(standing) => {
                let uncounted = standing.uncounted(response);
                if uncounted.is_empty() {
                    tell(standing, response);
                    return None;
                }
                let (standing, mut response) = (standing.clone(), mem::take(response));
                Some(Box::pin(async move {
                    let is_uncounted = |index| uncounted.contains(&index);
                    if let Err(error) = standing.give_back(is_uncounted, u64::MAX).await {
                        tracing::warn!(%error, "a charge that does not count could not be given back");
                    }
                    tell(&standing, &mut response);
                    response
                }))
            }
        }
    }
}

/// Whether somebody further in has told of all policies.
fn is_told(response: &Response) -> bool {
    response.extensions().get::<AllTold>().is_some()
}

/// Adds the headers of all policies on the request, unless it has been done.
fn tell(standing: &Standing, response: &mut Response) {
    if is_told(response) {
        return;
    }
    if let Some(decision) = standing.decision() {
        let mut told = Told::default();
        told.add(&standing.demands, &decision);
        tell_with_outer(&standing.limiter, standing.outer.as_deref(), told, response);
        if standing.limiter.response_info() {
            let mut info = RateLimitInfo::default();
            info.add_admitted(Some(standing));
            response.extensions_mut().insert(info);
        }
    }
}

/// The same, with what is `told` already and the policies of the layers around.
pub(super) fn tell_with_outer(
    limiter: &Limiter,
    outer: Option<&Standing>,
    mut told: Told,
    response: &mut Response,
) {
    if outer.is_some() {
        response.extensions_mut().insert(AllTold);
    }
    for standing in Standing::outwards(outer) {
        if let Some(decision) = standing.decision() {
            told.add(&standing.demands, &decision);
        }
    }
    told.headers(limiter.header_style())
        .add_to(response.headers_mut());
}
