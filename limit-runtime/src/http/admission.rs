//! What a handler holds of the check that let it run.

use super::{
    admit::Admit,
    headers::{self, Told},
    soon::{Later, Soon},
    spec::Spec,
    standing::Standing,
};
use crate::{decision::Outcome, limiter::Limiter, store::Action};
use axum::response::Response;
use smallvec::SmallVec;
use std::{mem, sync::Arc};

/// A request that was let through: it charges what is still to be charged, and adds the headers.
#[derive(Debug)]
pub struct Admission(Held);

#[derive(Debug)]
enum Held {
    /// No limit applies: nothing is charged, and no headers are added.
    Nothing,
    /// The common case, small and without an allocation: all that is left to do is to write headers.
    Charged(Charged),
    /// Shared with the handles on it.
    Standing(Arc<Standing>),
}

/// One attribute's limits, on a request that was charged for good.
#[derive(Debug)]
struct Charged {
    limiter: Limiter,
    spec: &'static Spec,
    outcomes: SmallVec<[Outcome; 2]>,
}

/// A response that already tells of all policies, those of the layers around included.
#[derive(Clone, Copy)]
struct AllTold;

impl Admission {
    /// A request that no limit applies to.
    pub(super) fn unlimited() -> Self {
        Self(Held::Nothing)
    }

    /// A request that one attribute limits, and whose charge nothing can change any more.
    #[inline]
    pub(super) fn charged(limiter: Limiter, spec: &'static Spec, outcomes: &[Outcome]) -> Self {
        Self(Held::Charged(Charged {
            limiter,
            spec,
            outcomes: SmallVec::from_slice(outcomes),
        }))
    }

    /// Any other request that is limited.
    pub(super) fn standing(standing: Arc<Standing>) -> Self {
        Self(Held::Standing(standing))
    }

    /// Consumes the costs of all rules, now that those which depend on the arguments are `known`.
    ///
    /// # Errors
    /// The response for a request whose cost does not fit.
    pub fn charge(&self, known: &[Option<u32>]) -> Soon<Result<(), Response>> {
        let Held::Standing(standing) = &self.0 else {
            // What is charged later was not charged at once.
            debug_assert!(matches!(self.0, Held::Nothing), "charged twice");
            return Soon::now(Ok(()));
        };
        let costs = standing.demands.iter().map(|demand| {
            let known = known.get(demand.rule).copied().flatten();
            // An empty batch is a request all the same.
            known.unwrap_or(demand.cost).max(1)
        });
        standing
            .clone()
            .settle(costs.collect(), Action::Consume, drop)
    }

    /// The answer to a request whose arguments could not be extracted. It counts all the same: where the charge
    /// waits for the arguments, it is made now, as if each cost that depends on them were 1.
    #[cold]
    pub(super) fn reject(self, mut rejection: Response, how: Admit) -> Later<Response> {
        Box::pin(async move {
            if how == Admit::Peek
                && let Held::Standing(standing) = &self.0
                && let Err(refusal) = standing.clone().admit(drop).await
            {
                return refusal;
            }
            match self.finish(&mut rejection) {
                None => rejection,
                Some(later) => later.await,
            }
        })
    }

    /// Adds the headers of the limits to the handler's answer. Where the answer does not count, it is taken, and
    /// comes back once its charge has been given back.
    pub(super) fn finish(&self, response: &mut Response) -> Option<Later<Response>> {
        match &self.0 {
            Held::Nothing => None,
            Held::Charged(charged) => {
                charged.tell(response);
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
                    if let Err(error) = standing.give_back(is_uncounted, u32::MAX).await {
                        tracing::warn!(%error, "a charge that does not count could not be given back");
                    }
                    tell(&standing, &mut response);
                    response
                }))
            }
        }
    }
}

impl Charged {
    fn tell(&self, response: &mut Response) {
        if is_told(response) {
            return;
        }
        headers::write_one(
            response.headers_mut(),
            self.limiter.header_style(),
            self.spec.name,
            &self.outcomes,
        );
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
    }
}

/// The same, with what is `told` already and the policies of the layers around.
pub(super) fn tell_with_outer<'a>(
    limiter: &Limiter,
    outer: Option<&'a Standing>,
    mut told: Told<'a>,
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
    told.write(response.headers_mut(), limiter.header_style());
}
