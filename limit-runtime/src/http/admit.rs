//! One all-or-nothing check for all the limits on a handler.

use super::{
    admission::Admission,
    client_ip::client_ip,
    exceeded::Denial,
    handle::RateLimit,
    headers::Headers,
    instead::{Instead, instead},
    refusal::{Refused, refuse},
    soon::Soon,
    spec::{Demand, Demands, Spec, SpecRef},
    standing::Standing,
};
use crate::{
    decision::Decision,
    key::{IntoKey, Key},
    limiter::Limiter,
    store::Action,
};
use axum::extract::{FromRequestParts, MatchedPath};
use http::request::Parts;
use std::{convert::Infallible, sync::Arc};

/// Whether the check consumes, or the charge comes once the cost is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admit {
    /// The costs are known.
    Consume,
    /// The costs are not known yet: refuse those who have nothing left.
    Peek,
}

/// What is done with a request that is let through.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    pub(super) how: Admit,
    /// Whether somebody asks for the handle.
    pub(super) is_handled: bool,
}

/// Whether the limiter looks at this request at all.
pub(super) fn is_limited(parts: &Parts) -> bool {
    !Limiter::find(parts).skips(parts)
}

/// Checks all `demands` as one.
///
/// # Errors
/// Why the request is refused.
pub(super) fn admit(
    parts: &mut Parts,
    demands: &mut Demands,
    terms: Terms,
) -> Soon<Result<Admission, Refused>> {
    if demands.is_empty() {
        if terms.is_handled {
            let standing = Standing::of_nothing(Limiter::find(parts).clone());
            leave(parts, Arc::new(standing));
        }
        return Soon::Now(Ok(Admission::unlimited()));
    }
    // Whoever leaves a handle leaves its limiter, too.
    let (limiter, outer) = match parts.extensions.get::<Limiter>() {
        Some(limiter) => (limiter, parts.extensions.get::<RateLimit>()),
        None => (Limiter::without_layer(), None),
    };
    if outer.is_none()
        && let Some((demand, spec)) = charged_only(demands, terms)
    {
        let charges = [demand.charge(parts.extensions.get::<MatchedPath>())];
        let told = |outcomes| {
            let headers = Headers::of_one(spec.name, outcomes, limiter.header_style());
            Soon::Now(Ok(Admission::told(headers)))
        };
        // By reference: a decision is large to move, and most requests need none.
        let decision = &match limiter.consume_quickly(&charges[0]) {
            Some(outcome) if outcome.is_allowed() => return told(&[outcome]),
            Some(refused) => Ok(Decision::new([refused])),
            None => limiter.decide_at_length(&charges, Action::Consume),
        };
        match decision {
            Ok(decision) if decision.is_allowed() => return told(decision.outcomes()),
            Ok(decision) => {
                let denial = Denial {
                    demands,
                    costs: &[charges[0].cost],
                    decision,
                };
                let response = refuse(limiter, parts, &denial, None);
                return Soon::Now(Err(Refused::Response(response)));
            }
            Err(_) => {}
        }
    }
    let outer = outer.map(|handle| handle.standing().clone());
    let route = parts.extensions.get::<MatchedPath>().cloned();
    let mut standing = Standing::new(limiter.clone(), route, std::mem::take(demands), outer);
    if terms.how == Admit::Peek {
        standing.keep_head(parts);
    }
    let standing = Arc::new(standing);
    standing.warn_of_double_charge();
    if terms.is_handled {
        leave(parts, standing.clone());
    } else if standing.outer.is_some() {
        // The handle of a layer is not this handler's: an extractor must not charge the wrong budget.
        parts.extensions.remove::<RateLimit>();
    }
    match terms.how {
        Admit::Consume => standing.admit(Admission::standing),
        Admit::Peek => standing.peek(Admission::standing),
    }
}

/// Leaves the handle for whoever asks for it, further in, too.
fn leave(parts: &mut Parts, standing: Arc<Standing>) {
    let limiter = Limiter::find(parts).clone();
    parts.extensions.insert(limiter);
    parts.extensions.insert(RateLimit::new(standing));
}

/// Leaves an empty handle where no limit applies, unless a layer around has left one of its own.
pub(super) fn leave_empty(parts: &mut Parts) {
    if parts.extensions.get::<RateLimit>().is_none() {
        let standing = Standing::of_nothing(Limiter::find(parts).clone());
        leave(parts, Arc::new(standing));
    }
}

/// The attribute whose charge is all there is to do for the request, if one is, and what it demands.
fn charged_only(demands: &Demands, terms: Terms) -> Option<(&Demand, &'static Spec)> {
    let [demand] = demands.as_slice() else {
        return None;
    };
    let SpecRef::Static(spec) = demand.spec else {
        return None;
    };
    let is_all = terms.how == Admit::Consume
        && !terms.is_handled
        && spec.count_when.is_none()
        && spec.wait.is_zero();
    is_all.then_some((demand, spec))
}

impl Limiter {
    /// The limiter that a request is checked by: that of the nearest layer around, or else the process's.
    #[must_use]
    pub fn of(parts: &Parts) -> &Self {
        match parts.extensions.get::<Self>() {
            Some(limiter) => limiter,
            None => Self::without_layer(),
        }
    }

    /// The same for a request that is checked later, where [`without_layer`](Self::without_layer) is
    /// called once.
    pub(super) fn find(parts: &Parts) -> &Self {
        let limiter = parts.extensions.get::<Self>();
        limiter.unwrap_or_else(|| Self::global())
    }

    /// The key of a request where neither attribute nor layer names one.
    pub(super) async fn default_key(parts: &mut Parts) -> Result<Option<Key>, Instead> {
        match Self::find(parts).own_key().cloned() {
            Some(key) => key(parts).await,
            None => match client_ip(parts) {
                Ok(address) => Ok(Some(address.into_key())),
                Err(rejection) => Err(instead(rejection)),
            },
        }
    }
}

/// The limiter that the request is checked by: to clear a client, to check what no attribute covers.
impl<S: Sync> FromRequestParts<S> for Limiter {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(parts).clone())
    }
}
