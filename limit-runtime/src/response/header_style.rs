//! The choice of rate-limit headers.

use super::header_names::{RETRY_AFTER_MS, X_SHOULD_RETRY};
use http::HeaderName;
use limit_core::Unit;

/// The rate-limit headers of responses.
///
/// They describe the strictest limit on the request: the one with the longest wait if the request
/// is refused, else the one with the fewest units remaining. `RateLimit-Policy` lists all limits.
///
/// Limits of different [units](crate::Unit) are not compared with each other. Under limits on
/// requests and on tokens, `RateLimit` has an item for the strictest of each unit, and
/// [`OpenAi`](Self::OpenAi) has headers for each. Styles with numbers of one limit describe the one
/// with the longest wait, and if the request is admitted, the strictest on requests, or of the unit
/// that comes first.
///
/// `Retry-After`, `retry-after-ms` and `x-should-retry` of refused requests do not depend on the
/// style.
///
/// Values:
///
/// - **Limit**: the count of the limit. Under [GCRA](crate::Strategy::Gcra) with a burst above the
///   count, it is the burst, and `w` is the time in which the burst is replenished:
///   `gcra(burst = 10)` on `3/minute` is `q=10;w=200`, which is an equal rate. So the limit is
///   never less than what remains.
/// - **Remaining**: the units that can be consumed now.
/// - **Reset** (`t` in `RateLimit`, `X-RateLimit-Reset`): when more units become available
///   ([`Outcome::next_after`](crate::Outcome::next_after), rounded up to seconds). If the request
///   is refused, it equals `Retry-After`. A client that sleeps until the reset whenever nothing
///   remains gets its full rate. In [`OpenAi`](Self::OpenAi) it is when all units are available
///   again.
///
/// ```
/// use limit_runtime::{HeaderStyle, Limiter};
///
/// let limiter = Limiter::builder().header_style(HeaderStyle::OpenAi).build();
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeaderStyle {
    /// `RateLimit-Policy` with all limits, and `RateLimit` with the strictest, as in
    /// [draft-ietf-httpapi-ratelimit-headers]. Times are in seconds. A unit other than requests is
    /// in the parameter `qu`: `"predict";q=100000;qu="tokens";w=60`. Bytes are `content-bytes`.
    ///
    /// [draft-ietf-httpapi-ratelimit-headers]:
    ///     https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/
    #[default]
    Ietf,
    /// `X-RateLimit-Limit`, `X-RateLimit-Remaining`, and `X-RateLimit-Reset` as a Unix time in
    /// seconds. [GitHub] and slowapi send them.
    ///
    /// [GitHub]: https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api
    XRateLimit,
    /// `x-ratelimit-limit-requests`, `x-ratelimit-remaining-requests`, and
    /// `x-ratelimit-reset-requests` as a duration such as `6m0s`. [OpenAI] sends them.
    ///
    /// Limits of another [unit](crate::Unit) are in headers of their own, which end with its name:
    /// `x-ratelimit-limit-tokens` and so on.
    ///
    /// [OpenAI]: https://platform.openai.com/docs/guides/rate-limits
    OpenAi,
    /// The headers of [`Ietf`](Self::Ietf) and of [`XRateLimit`](Self::XRateLimit).
    Both,
    /// The headers of [`XRateLimit`](Self::XRateLimit), under other names.
    Named(Box<HeaderNames>),
    /// No rate-limit headers.
    Off,
}

/// Header names for [`HeaderStyle::Named`].
///
/// ```
/// use axum::http::HeaderName;
/// use limit_runtime::{HeaderNames, HeaderStyle, Limiter};
///
/// let names = HeaderNames::new(
///     HeaderName::from_static("x-quota"),
///     HeaderName::from_static("x-quota-left"),
///     HeaderName::from_static("x-quota-reset"),
/// );
/// let limiter = Limiter::builder()
///     .header_style(HeaderStyle::Named(Box::new(names)))
///     .build();
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HeaderNames {
    /// The header with the count of the limit.
    pub limit: HeaderName,
    /// The header with the units that remain.
    pub remaining: HeaderName,
    /// The header with the time, in seconds since 1970, at which more units become available. If
    /// the request is refused, it is the time at which a retry is admitted.
    pub reset: HeaderName,
}

impl HeaderNames {
    /// The names of the headers for the limit, the units that remain, and the reset.
    #[must_use]
    pub const fn new(limit: HeaderName, remaining: HeaderName, reset: HeaderName) -> Self {
        Self {
            limit,
            remaining,
            reset,
        }
    }
}

impl HeaderStyle {
    /// The names of the styles in environment variables and configuration files.
    pub(crate) const WORDS: [(&str, Self); 5] = [
        ("ietf", Self::Ietf),
        ("x-ratelimit", Self::XRateLimit),
        ("openai", Self::OpenAi),
        ("both", Self::Both),
        ("off", Self::Off),
    ];

    pub(crate) const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
    pub(crate) const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
    pub(crate) const X_RATE_LIMIT: [HeaderName; 3] = [
        HeaderName::from_static("x-ratelimit-limit"),
        HeaderName::from_static("x-ratelimit-remaining"),
        HeaderName::from_static("x-ratelimit-reset"),
    ];
    pub(crate) const OPEN_AI_REQUESTS: [HeaderName; 3] = [
        HeaderName::from_static("x-ratelimit-limit-requests"),
        HeaderName::from_static("x-ratelimit-remaining-requests"),
        HeaderName::from_static("x-ratelimit-reset-requests"),
    ];
    pub(crate) const OPEN_AI_TOKENS: [HeaderName; 3] = [
        HeaderName::from_static("x-ratelimit-limit-tokens"),
        HeaderName::from_static("x-ratelimit-remaining-tokens"),
        HeaderName::from_static("x-ratelimit-reset-tokens"),
    ];

    /// The names for the limit, the units that remain and the reset of a unit in the style of
    /// OpenAI. Never `None`: units are letters and hyphens.
    pub(crate) fn open_ai_names(unit: Unit) -> Option<[HeaderName; 3]> {
        let name = |part: &str| HeaderName::try_from(format!("x-ratelimit-{part}-{unit}")).ok();
        Some([name("limit")?, name("remaining")?, name("reset")?])
    }

    /// The names of all headers that responses may have in this style, including `Retry-After`,
    /// `retry-after-ms` and `x-should-retry`. In [`OpenAi`](Self::OpenAi), those of requests and
    /// tokens; add the ones of other units that your limits count.
    ///
    /// List them in `Access-Control-Expose-Headers`, or scripts of other origins cannot read them:
    ///
    /// ```
    /// use limit_runtime::HeaderStyle;
    /// use tower_http::cors::CorsLayer;
    ///
    /// let cors = CorsLayer::new().expose_headers(HeaderStyle::Ietf.names());
    /// ```
    #[must_use]
    pub fn names(&self) -> Vec<HeaderName> {
        let ietf = [Self::RATE_LIMIT_POLICY, Self::RATE_LIMIT];
        let mut names = match self {
            Self::Ietf => ietf.to_vec(),
            Self::XRateLimit => Self::X_RATE_LIMIT.to_vec(),
            Self::OpenAi => [Self::OPEN_AI_REQUESTS, Self::OPEN_AI_TOKENS].concat(),
            Self::Both => ietf.into_iter().chain(Self::X_RATE_LIMIT).collect(),
            Self::Named(names) => vec![
                names.limit.clone(),
                names.remaining.clone(),
                names.reset.clone(),
            ],
            Self::Off => Vec::new(),
        };
        names.extend([http::header::RETRY_AFTER, RETRY_AFTER_MS, X_SHOULD_RETRY]);
        names
    }
}
