//! Errors of stores.

use std::fmt;

/// A store that could not answer.
#[derive(Debug)]
pub struct StoreError {
    message: Box<str>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
    is_outage: bool,
}

impl StoreError {
    /// An error that says what the store could not do.
    #[must_use]
    pub fn new(message: impl Into<Box<str>>) -> Self {
        Self {
            message: message.into(),
            source: None,
            is_outage: true,
        }
    }

    /// An error of ours: the store is well, so it does not count against it.
    #[cfg_attr(
        not(feature = "redis"),
        expect(dead_code, reason = "only remote stores err so")
    )]
    pub(crate) fn bug(message: impl Into<Box<str>>) -> Self {
        Self {
            is_outage: false,
            ..Self::new(message)
        }
    }

    /// Whether the store is out, so that asking it again soon is in vain.
    pub(crate) fn is_outage(&self) -> bool {
        self.is_outage
    }

    /// The same, with its cause.
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
