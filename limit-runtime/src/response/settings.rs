//! Settings for the responses of a limiter.

use super::{exceeded::OnLimited, header_style::HeaderStyle, retry_after::RetryAfterStyle};
use http::StatusCode;
use std::{fmt, time::Duration};

/// How a limiter responds to requests.
pub(crate) struct ResponseSettings {
    pub(crate) header_style: HeaderStyle,
    pub(crate) retry_after_style: RetryAfterStyle,
    /// The largest jitter to add to `Retry-After`.
    pub(crate) retry_jitter: Duration,
    /// Makes the response to refused requests. `None` for the default 429.
    pub(crate) on_limited: Option<Box<OnLimited>>,
    /// The status for a cost that exceeds the capacity of a limit.
    pub(crate) exceeds_capacity_status: StatusCode,
    /// Whether responses to admitted requests carry a `RateLimitInfo`.
    pub(crate) response_info: bool,
}

impl Default for ResponseSettings {
    fn default() -> Self {
        Self {
            header_style: HeaderStyle::default(),
            retry_after_style: RetryAfterStyle::default(),
            retry_jitter: Duration::ZERO,
            on_limited: None,
            exceeds_capacity_status: StatusCode::TOO_MANY_REQUESTS,
            response_info: false,
        }
    }
}

impl fmt::Debug for ResponseSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseSettings")
            .field("header_style", &self.header_style)
            .finish_non_exhaustive()
    }
}
