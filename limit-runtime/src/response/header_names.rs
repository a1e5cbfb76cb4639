//! Header names that are not in the `http` crate.

use http::HeaderName;

/// Milliseconds; the client libraries of OpenAI and Anthropic read it before `Retry-After`.
pub(crate) const RETRY_AFTER_MS: HeaderName = HeaderName::from_static("retry-after-ms");
/// The same client libraries repeat a 429 by themselves unless this is `false`.
pub(crate) const X_SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");
