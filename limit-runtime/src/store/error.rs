//! The error of a store.

use std::fmt;

/// A store could not answer a call.
///
/// A remote store's errors count for the circuit breaker and in
/// [`Health::failed`](super::Health::failed), and the last one is in
/// [`Health::last_error`](super::Health::last_error).
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
    kind: StoreErrorKind,
}

/// What an error says about the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    not(any(feature = "memcached", feature = "redis")),
    expect(dead_code, reason = "only stores on a server return such errors")
)]
pub(crate) enum StoreErrorKind {
    /// The store cannot count at the moment. Every error is one of these unless more is known.
    Outage,
    /// The store did not answer in time, and may have counted.
    Deadline,
    /// The store answers, but its set-up has to be changed, such as a missing permission.
    Misconfiguration,
    /// Only this request failed, for the reason that the text names. Others may succeed.
    Request(&'static str),
}

impl StoreErrorKind {
    /// The word for it in metrics.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Outage => "outage",
            Self::Deadline => "deadline",
            Self::Misconfiguration => "misconfiguration",
            Self::Request(_) => "request",
        }
    }
}

impl StoreError {
    /// An error with a message that states what failed.
    #[must_use]
    pub fn new(message: impl Into<Box<str>>) -> Self {
        Self {
            message: message.into(),
            source: None,
            kind: StoreErrorKind::Outage,
        }
    }

    /// The error with another kind.
    pub(crate) fn with_kind(self, kind: StoreErrorKind) -> Self {
        Self { kind, ..self }
    }

    /// What the error says about the store.
    pub(crate) fn kind(&self) -> StoreErrorKind {
        self.kind
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
            kind: StoreErrorKind::Outage,
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
