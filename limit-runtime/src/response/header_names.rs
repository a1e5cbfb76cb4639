//! Names of response headers that the `http` crate does not define.

use http::HeaderName;

/// The wait in milliseconds. The client libraries of OpenAI and Anthropic read it before
/// `Retry-After`.
pub(crate) const RETRY_AFTER_MS: HeaderName = HeaderName::from_static("retry-after-ms");
/// The client libraries of OpenAI and Anthropic retry a 429 automatically unless this is `false`.
pub(crate) const X_SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");
