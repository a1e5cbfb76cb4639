//! The limits of the request whose arguments are being extracted on this thread, for the `RateLimit`
//! extractor: in whatever extractor of the user's it is, and at little cost for handlers without it.
//!
//! The shared state of a request is made only when it is asked for. Most requests are admitted
//! without an allocation, and what is left of their check is kept here until the arguments are
//! extracted.

use super::{
    admission::Admission, handle::RateLimit, policy::Exempt, policy::Resolved, spec::Demands,
    standing::Standing,
};
use crate::{
    decision::{Decision, Outcome, Receipt},
    limiter::Limiter,
};
use axum::extract::MatchedPath;
use http::Extensions;
use std::{cell::RefCell, mem, sync::Arc};

scoped_tls::scoped_thread_local!(static CURRENT: CurrentRequest);

/// What is known of a request's limits while its arguments are extracted.
#[derive(Debug, Default)]
pub(super) struct CurrentRequest(RefCell<State>);

/// Written field by field: a request that nobody asks about writes only some of them.
#[derive(Debug, Default)]
struct State {
    /// Set once the check has admitted the request.
    limiter: Option<Limiter>,
    demands: Demands,
    exempt: Exempt,
    /// The answer to a single limit, or else to all of them; neither where no limit applies.
    outcome: Option<(Outcome, Option<Receipt>)>,
    decision: Option<Decision>,
    /// The request's state, once it has been asked for.
    shared: Option<Arc<Standing>>,
}

impl State {
    fn share(&mut self, extensions: &Extensions) -> Option<Arc<Standing>> {
        if let Some(standing) = &self.shared {
            return Some(standing.clone());
        }
        let route = extensions.get::<MatchedPath>().cloned();
        let outer = extensions.get::<RateLimit>();
        let outer = outer.map(|handle| handle.standing().clone());
        let demands = mem::take(&mut self.demands);
        let mut standing = Standing::new(self.limiter.take()?, route, demands, outer);
        standing.exempt = mem::take(&mut self.exempt);
        let outcome = self.outcome.take();
        let single = outcome.map(|(outcome, receipt)| Decision::single(outcome, receipt));
        if let Some(decision) = single.or_else(|| self.decision.take()) {
            standing.set_decision(decision);
        }
        let standing = Arc::new(standing);
        self.shared = Some(standing.clone());
        Some(standing)
    }
}

impl CurrentRequest {
    /// Polls with this as the current request of the thread.
    #[inline]
    pub(super) fn during<T>(&self, poll: impl FnOnce() -> T) -> T {
        CURRENT.set(self, poll)
    }

    /// The request's state if an argument has asked for it: then a charge may have changed what
    /// responses say.
    #[inline]
    pub(super) fn replaced(&self, admission: Admission) -> Admission {
        match &self.0.borrow().shared {
            None => admission,
            Some(standing) => Admission::standing(standing.clone()),
        }
    }
}

/// Keeps the answer of a check for those who ask while the arguments are extracted.
#[inline]
pub(super) fn keep(limiter: &Limiter, resolved: &mut Resolved, answer: Answer) {
    if CURRENT.is_set() {
        CURRENT.with(|current| {
            let state = &mut *current.0.borrow_mut();
            state.limiter = Some(limiter.clone());
            resolved.move_to(&mut state.demands, &mut state.exempt);
            match answer {
                Answer::Unlimited => {}
                Answer::Single(outcome, receipt) => state.outcome = Some((outcome, receipt)),
                Answer::Several(decision) => state.decision = Some(decision),
            }
        });
    }
}

/// What a check answered.
pub(super) enum Answer {
    /// No limit applies.
    Unlimited,
    /// There is one limit.
    Single(Outcome, Option<Receipt>),
    /// There are several.
    Several(Decision),
}

/// The same for a request that has its state already.
pub(super) fn keep_shared(standing: &Arc<Standing>) {
    if CURRENT.is_set() {
        CURRENT.with(|current| current.0.borrow_mut().shared = Some(standing.clone()));
    }
}

/// Whether the arguments of a limited handler are being extracted on this thread.
pub(super) fn is_set() -> bool {
    CURRENT.is_set()
}

/// The state of the request whose arguments are being extracted on this thread; `None` if there is
/// no such request, or its check has not been made yet.
pub(super) fn share(extensions: &Extensions) -> Option<Arc<Standing>> {
    if !CURRENT.is_set() {
        return None;
    }
    CURRENT.with(|current| current.0.borrow_mut().share(extensions))
}
