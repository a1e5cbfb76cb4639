//! The `Reservation` extractor: what a request has set aside, settled at what it uses.

use super::{
    rate_limit::RateLimit,
    rate_limit_rejection::{RateLimitRejection, UnknownPolicy},
    request_limits::RequestLimits,
    settlement::Settlement,
};
use axum::{
    extract::{FromRequestParts, OptionalFromRequestParts},
    response::{IntoResponse, Response},
};
use http::{StatusCode, request::Parts};
use std::{fmt, sync::Arc, thread};

#[doc = include_str!("../docs/reservation.md")]
pub struct Reservation(Option<Handle>);

/// A handle of a settlement, which it holds.
struct Handle {
    limits: Arc<RequestLimits>,
    settlement: Arc<Settlement>,
}

impl Handle {
    /// The state of the request. It may have been replaced since the reservation was made.
    fn limits(&self) -> &RequestLimits {
        self.limits.current()
    }
}

impl Clone for Handle {
    fn clone(&self) -> Self {
        self.settlement.hold();
        Self {
            limits: self.limits.clone(),
            settlement: self.settlement.clone(),
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if thread::panicking() {
            self.settlement.note_panic(self.limits());
        }
        self.settlement.release(self.limits());
    }
}

impl Clone for Reservation {
    /// A handle of the same reservation, which is settled when the last one has been dropped.
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl Reservation {
    /// The units that the request was charged when it was admitted. 0 if it is not limited, and
    /// before it has been charged.
    #[must_use]
    pub fn reserved(&self) -> u64 {
        let handle = self.0.as_ref();
        let reserved = handle.and_then(|handle| handle.settlement.reserved(handle.limits()));
        reserved.unwrap_or(0)
    }

    /// Says that exactly so many units have been used so far.
    ///
    /// ```
    /// use limit_runtime::Reservation;
    ///
    /// fn on_prompt(reservation: &Reservation, prompt_tokens: u64) {
    ///     reservation.used(prompt_tokens);
    /// }
    /// ```
    pub fn used(&self, units: u64) {
        self.note(|settlement| settlement.use_exactly(units));
    }

    /// Says that exactly so many more units have been used.
    pub fn add(&self, units: u64) {
        self.note(|settlement| settlement.use_more(units));
    }

    /// Says that at least so many units have been used. As long as nothing more is known, units
    /// above what was reserved are charged, and none are given back.
    pub fn at_least(&self, units: u64) {
        self.note(|settlement| settlement.use_at_least(units));
    }

    /// Settles now: exactly so many units have been used.
    ///
    /// ```
    /// use axum::Json;
    /// use limit_runtime::{Reservation, rate_limit};
    ///
    /// # struct Completion { text: String, total_tokens: u64 }
    /// # async fn run_model(prompt: &str) -> Completion { unimplemented!() }
    /// #[rate_limit("100_000/minute", cost = 2_000)]
    /// async fn complete(reservation: Reservation, prompt: String) -> Json<String> {
    ///     let completion = run_model(&prompt).await;
    ///     reservation.commit(completion.total_tokens);
    ///     Json(completion.text)
    /// }
    /// ```
    pub fn commit(self, units: u64) {
        if let Some(handle) = &self.0 {
            handle.settlement.use_exactly(units);
            handle.settlement.settle(handle.limits());
        }
    }

    /// Settles now: nothing has been used.
    pub fn release(self) {
        self.commit(0);
    }

    fn note(&self, note: impl FnOnce(&Settlement)) {
        if let Some(handle) = &self.0 {
            note(&handle.settlement);
            handle.settlement.charge_excess(handle.limits());
        }
    }
}

impl fmt::Debug for Reservation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reservation")
            .field("reserved", &self.reserved())
            .finish_non_exhaustive()
    }
}

impl RateLimit {
    /// What the request has reserved under the selected policy that has a `cost`.
    ///
    /// It does nothing if no policy limits the request. All reservations of one policy on one
    /// request are one.
    ///
    /// ```
    /// use limit_runtime::{RateLimit, UnknownPolicy, rate_limit};
    ///
    /// #[rate_limit("100_000/minute", name = "tokens", cost = 2_000)]
    /// #[rate_limit("60/minute", name = "images", cost = 4)]
    /// async fn draw(limit: RateLimit) -> Result<&'static str, UnknownPolicy> {
    ///     let (tokens, images) = (limit.only("tokens")?, limit.only("images")?);
    ///     tokens.reservation()?.commit(1_500);
    ///     images.reservation()?.commit(1);
    ///     Ok("…")
    /// }
    /// ```
    ///
    /// # Errors
    /// If several of the selected policies have a cost, or none of them.
    pub fn reservation(&self) -> Result<Reservation, UnknownPolicy> {
        let limits = self.limits();
        let only = self.selected();
        let live = limits.rules.iter().filter(|rule| rule.reserves_under(only));
        let live = live.map(|rule| rule.config.name);
        // Those over arguments that are not known yet.
        let unresolved = limits.unresolved.iter();
        let unresolved = unresolved
            .filter(|config| config.has_cost() && only.is_none_or(|name| name == config.name))
            .map(|config| config.name);
        let names: Vec<_> = live.chain(unresolved).collect();
        let policy = match names.as_slice() {
            [] => None,
            [name] => Some(*name),
            [..] => return Err(UnknownPolicy::to_reserve_under(names)),
        };
        // A policy that does not limit the request may have a cost.
        let has_exempt = self.exempt_names().next().is_some();
        if policy.is_none() && !has_exempt && limits.dry_run().is_none() {
            return match limits.rules.iter().any(|rule| self.selects(rule)) {
                true => Err(UnknownPolicy::to_reserve_under(names)),
                false => Ok(Reservation(None)),
            };
        }
        Ok(Reservation(Some(Handle {
            settlement: limits.settlement(policy, only),
            limits: self.shared_limits().clone(),
        })))
    }
}

/// Rejection of a [`Reservation`] argument: the handler has no limits, none of its policies has a
/// `cost`, or several have.
///
/// The response is 500 with the code `no_rate_limit` or `unknown_policy`. The log has the text of
/// `Display`, with what to write instead.
///
/// ```
/// use axum::{extract::FromRequestParts, http::{Request, StatusCode}};
/// use limit_runtime::{Reservation, ReservationRejection};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let (mut parts, ()) = Request::new(()).into_parts();
/// let extracted = <Reservation as FromRequestParts<_>>::from_request_parts(&mut parts, &()).await;
/// let rejection: ReservationRejection = extracted.unwrap_err();
/// assert_eq!(rejection.status(), StatusCode::INTERNAL_SERVER_ERROR);
/// # }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ReservationRejection {
    /// The handler has no limits.
    NoRateLimit(RateLimitRejection),
    /// No policy of the handler has a `cost`, or several have.
    UnknownPolicy(UnknownPolicy),
}

impl ReservationRejection {
    /// The status of the response: 500.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::NoRateLimit(rejection) => rejection.status(),
            Self::UnknownPolicy(error) => error.status(),
        }
    }

    /// The `detail` text of the problem document in the response.
    #[must_use]
    pub fn body_text(&self) -> String {
        match self {
            Self::NoRateLimit(rejection) => rejection.body_text(),
            Self::UnknownPolicy(error) => error.body_text(),
        }
    }
}

impl fmt::Display for ReservationRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRateLimit(_) => f.write_str(
                "a `Reservation` argument needs limits on the handler: annotate it with \
                 `#[rate_limit(…, cost = …)]`",
            ),
            Self::UnknownPolicy(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ReservationRejection {}

impl IntoResponse for ReservationRejection {
    fn into_response(self) -> Response {
        match self {
            Self::NoRateLimit(rejection) => {
                tracing::error!("{self}");
                rejection.into_response()
            }
            Self::UnknownPolicy(error) => error.into_response(),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Reservation {
    type Rejection = ReservationRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let limit = RateLimit::find(parts).await;
        let limit = limit.ok_or(ReservationRejection::NoRateLimit(RateLimitRejection))?;
        limit
            .reservation()
            .map_err(ReservationRejection::UnknownPolicy)
    }
}

/// `None` on a handler without limits, or without a policy that has a `cost`.
impl<S: Sync> OptionalFromRequestParts<S> for Reservation {
    type Rejection = ReservationRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Self::Rejection> {
        let Some(limit) = RateLimit::find(parts).await else {
            return Ok(None);
        };
        match limit.reservation() {
            Ok(reservation) => Ok(Some(reservation)),
            Err(error) if error.has_alternatives() => {
                Err(ReservationRejection::UnknownPolicy(error))
            }
            Err(_) => Ok(None),
        }
    }
}
