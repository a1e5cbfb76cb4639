//! The error of a store.

use std::fmt;

/// A store could not answer a call.
///
/// A remote store's errors count for the circuit breaker and in
/// [`Health::failed`](super::Health::failed).
///
/// ```
/// use limit_runtime::store::StoreError;
///
/// let error = StoreError::new("the counter service answered with status 500");
/// assert_eq!(error.to_string(), "the counter service answered with status 500");
/// ```
#[derive(Debug)]
pub struct StoreError {
    message: Box<str>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
    is_outage: bool,
}

impl StoreError {
    /// An error with a message that states what failed.
    #[must_use]
    pub fn new(message: impl Into<Box<str>>) -> Self {
        Self {
            message: message.into(),
            source: None,
            is_outage: true,
        }
    }

    /// An error that is not an outage: the store is reachable, but its answer is unexpected. It
    /// does not count for the circuit breaker.
    #[cfg_attr(
        not(feature = "redis"),
        expect(dead_code, reason = "only the Redis store returns such errors")
    )]
    pub(crate) fn bug(message: impl Into<Box<str>>) -> Self {
        Self {
            is_outage: false,
            ..Self::new(message)
        }
    }

    /// Whether the error counts for the circuit breaker.
    pub(crate) fn is_outage(&self) -> bool {
        self.is_outage
    }

    /// An error with a message that states what failed, and its cause.
    #[must_use]
    pub fn with_source(
        message: impl Into<Box<str>>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self {
            message: message.into(),
            source: Some(source.into()),
            is_outage: true,
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| &**source as _)
    }
}
