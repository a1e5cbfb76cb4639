//! Which headers responses carry.

use super::refusal::{RETRY_AFTER_MS, X_SHOULD_RETRY};
use http::HeaderName;

/// Which headers responses carry. They tell of the strictest limit on a request, set once.
///
/// `Retry-After`, `retry-after-ms` and `x-should-retry` on a 429 are sent whatever the style.
///
/// The reset (`t` in `RateLimit`, `X-RateLimit-Reset`) is when more than what is shown remains:
/// [`Outcome::next_after`](crate::Outcome::next_after), rounded up. When a request is refused, it is
/// its `Retry-After`. A client that has nothing left and sleeps until then gets its full rate. OpenAI's
/// own names tell when all is available again.
///
/// The limit that is shown is never less than what remains. Under [GCRA](crate::Strategy::Gcra) with a burst
/// above the count, it is the burst, and `w` is the time in which the burst is replenished:
/// `gcra(burst = 10)` on `3/minute` is `q=10;w=200`, the same rate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeaderStyle {
    /// `RateLimit-Policy` with every limit and `RateLimit` with the strictest, after
    /// [draft-ietf-httpapi-ratelimit-headers](https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/).
    #[default]
    Ietf,
    /// `X-RateLimit-Limit`, `X-RateLimit-Remaining`, and `X-RateLimit-Reset` in seconds since 1970,
    /// as GitHub and slowapi send them.
    XRateLimit,
    /// `x-ratelimit-limit-requests`, `x-ratelimit-remaining-requests` and `x-ratelimit-reset-requests`
    /// (`6m0s`), as OpenAI sends them. A policy of the name `tokens` is told beside the others, as
    /// `x-ratelimit-limit-tokens` and so on.
    OpenAi,
    /// [`Ietf`](Self::Ietf) and [`XRateLimit`](Self::XRateLimit).
    Both,
    /// As [`XRateLimit`](Self::XRateLimit), under names of your own.
    Named(Box<HeaderNames>),
    /// None.
    Off,
}

/// Names for [`HeaderStyle::Named`].
///
/// ```
/// use axum::http::HeaderName;
/// use limit_runtime::{HeaderNames, HeaderStyle, Limiter};
///
/// let names = HeaderNames {
///     limit: HeaderName::from_static("x-quota"),
///     remaining: HeaderName::from_static("x-quota-left"),
///     reset: HeaderName::from_static("x-quota-reset"),
/// };
/// let limiter = Limiter::builder()
///     .header_style(HeaderStyle::Named(Box::new(names)))
///     .build();
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderNames {
    /// The count of the limit.
    pub limit: HeaderName,
    /// What is left of it.
    pub remaining: HeaderName,
    /// When more of it is available, or when a refused request may be repeated, in seconds since 1970.
    pub reset: HeaderName,
}

impl HeaderStyle {
    /// What each is called in the environment and in configuration files.
    pub(crate) const WORDS: [(&str, Self); 5] = [
        ("ietf", Self::Ietf),
        ("x-ratelimit", Self::XRateLimit),
        ("openai", Self::OpenAi),
        ("both", Self::Both),
        ("off", Self::Off),
    ];
    pub(super) const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
    pub(super) const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
    pub(super) const X_RATE_LIMIT: [HeaderName; 3] = [
        HeaderName::from_static("x-ratelimit-limit"),
        HeaderName::from_static("x-ratelimit-remaining"),
        HeaderName::from_static("x-ratelimit-reset"),
    ];
    pub(super) const OPEN_AI_REQUESTS: [HeaderName; 3] = [
        HeaderName::from_static("x-ratelimit-limit-requests"),
        HeaderName::from_static("x-ratelimit-remaining-requests"),
        HeaderName::from_static("x-ratelimit-reset-requests"),
    ];
    pub(super) const OPEN_AI_TOKENS: [HeaderName; 3] = [
        HeaderName::from_static("x-ratelimit-limit-tokens"),
        HeaderName::from_static("x-ratelimit-remaining-tokens"),
        HeaderName::from_static("x-ratelimit-reset-tokens"),
    ];

    /// The names of all headers that responses may carry in this style, with `Retry-After`,
    /// `retry-after-ms` and `x-should-retry`: for `Access-Control-Expose-Headers`, without which
    /// scripts of other origins cannot read them.
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
