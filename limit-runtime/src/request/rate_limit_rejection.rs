//! Errors of the `RateLimit` extractor: no limits on the handler, or no policy of a given name.

use crate::response::problem::problem;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use std::{fmt, sync::Once};

/// Rejection of a [`RateLimit`](crate::RateLimit) argument without limits: the handler has no
/// `#[rate_limit]`, and no layer of a limiter is around it.
///
/// The response is 500 with the code `no_rate_limit`. Its text is [`body_text`](Self::body_text);
/// the log has the text of `Display`, once, with what to write instead.
///
/// ```
/// use axum::{extract::FromRequestParts, http::{Request, StatusCode}};
/// use limit_runtime::RateLimit;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let (mut parts, ()) = Request::new(()).into_parts();
/// let extracted = <RateLimit as FromRequestParts<()>>::from_request_parts(&mut parts, &()).await;
/// assert_eq!(extracted.unwrap_err().status(), StatusCode::INTERNAL_SERVER_ERROR);
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct RateLimitRejection;

impl RateLimitRejection {
    /// The status of the response: 500.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        StatusCode::INTERNAL_SERVER_ERROR
    }

    /// The `detail` text of the problem document in the response.
    #[must_use]
    pub fn body_text(&self) -> String {
        "This handler has no rate limit; see the server's log".to_owned()
    }
}

impl fmt::Display for RateLimitRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a `RateLimit` argument needs limits on the handler: annotate it with \
             `#[rate_limit(…)]`, or add a layer of a limiter to its router",
        )
    }
}

impl std::error::Error for RateLimitRejection {}

impl IntoResponse for RateLimitRejection {
    fn into_response(self) -> Response {
        static LOGGED: Once = Once::new();
        LOGGED.call_once(|| tracing::error!("{self}"));
        problem(self.status(), "no_rate_limit", &self.body_text())
    }
}

/// Rejection of a [`Permit`](crate::Permit) argument without limits: the handler has no
/// `#[rate_limit]`, and no layer of a limiter is around it.
///
/// The response is 500 with the code `no_rate_limit`. Its text is [`body_text`](Self::body_text);
/// the log has the text of `Display`, once, with what to write instead.
///
/// ```
/// use axum::{extract::FromRequestParts, http::{Request, StatusCode}};
/// use limit_runtime::Permit;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let (mut parts, ()) = Request::new(()).into_parts();
/// let extracted = <Permit as FromRequestParts<()>>::from_request_parts(&mut parts, &()).await;
/// assert_eq!(extracted.unwrap_err().status(), StatusCode::INTERNAL_SERVER_ERROR);
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct PermitRejection;

impl PermitRejection {
    /// The status of the response: 500.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        StatusCode::INTERNAL_SERVER_ERROR
    }

    /// The `detail` text of the problem document in the response.
    #[must_use]
    pub fn body_text(&self) -> String {
        RateLimitRejection.body_text()
    }
}

impl fmt::Display for PermitRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a `Permit` argument needs a concurrency limit on the handler: annotate it with \
             `#[rate_limit(concurrency = 4)]`, or add `.concurrency(4)` to a layer around it",
        )
    }
}

impl std::error::Error for PermitRejection {}

impl IntoResponse for PermitRejection {
    fn into_response(self) -> Response {
        static LOGGED: Once = Once::new();
        LOGGED.call_once(|| tracing::error!("{self}"));
        problem(self.status(), "no_rate_limit", &self.body_text())
    }
}

/// Error of [`RateLimit::only`](crate::RateLimit::only): no policy of the handler has this name.
///
/// As a response it is 500 with the code `unknown_policy`. Its text is
/// [`body_text`](Self::body_text); the log has the text of `Display`, with the names that exist.
///
/// ```
/// use limit_runtime::{RateLimit, UnknownPolicy, rate_limit};
///
/// #[rate_limit("100_000 tokens/hour", name = "tokens")]
/// async fn complete(limit: RateLimit) -> Result<String, UnknownPolicy> {
///     let tokens = limit.only("tokens")?;
///     Ok(format!("{:?} tokens left", tokens.remaining()))
/// }
/// ```
#[derive(Clone, Debug)]
pub struct UnknownPolicy {
    /// `None` if no policy was named, and there is not exactly one to reserve under.
    found: Option<Box<str>>,
    known: Vec<&'static str>,
}

impl UnknownPolicy {
    pub(super) fn new(found: &str, known: Vec<&'static str>) -> Self {
        Self {
            found: Some(found.into()),
            known,
        }
    }

    /// For a reservation under none of several policies, or under none at all.
    pub(super) fn to_reserve_under(known: Vec<&'static str>) -> Self {
        Self { found: None, known }
    }

    /// Whether there are policies that could have been meant.
    pub(super) fn has_alternatives(&self) -> bool {
        !self.known.is_empty()
    }

    /// The status of the response: 500.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        StatusCode::INTERNAL_SERVER_ERROR
    }

    /// The `detail` text of the problem document in the response.
    #[must_use]
    pub fn body_text(&self) -> String {
        "This handler uses an unknown rate-limit policy; see the server's log".to_owned()
    }
}

impl fmt::Display for UnknownPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = self.known.join("`, `");
        match &self.found {
            Some(found) => {
                write!(
                    f,
                    "no policy of the handler is named `{found}`; use one of `{known}`"
                )
            }
            None if known.is_empty() => f.write_str(
                "a `Reservation` needs a policy with a cost: write `cost = …` in the \
                 `#[rate_limit(…)]` of the handler",
            ),
            None => write!(
                f,
                "several policies of the handler have a cost: take a `RateLimit`, and choose one \
                 of `{known}`, as in `limit.only(\"{}\")?.reservation()?`",
                self.known.first().copied().unwrap_or_default()
            ),
        }
    }
}

impl std::error::Error for UnknownPolicy {}

impl IntoResponse for UnknownPolicy {
    fn into_response(self) -> Response {
        tracing::error!("{self}");
        problem(self.status(), "unknown_policy", &self.body_text())
    }
}
