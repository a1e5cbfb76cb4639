//! What to do with requests that a remote store does not answer.

/// What to do with a request if the remote store does not answer in time, or with an error.
///
/// ```
/// use limit_runtime::store::Fallback;
///
/// assert_eq!(Fallback::default(), Fallback::Local);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fallback {
    /// Limit by the counts of this process. They are kept up to date while the store answers, so a
    /// client does not get a second budget when an outage begins. What other processes admit is not
    /// counted. No request fails because of the store.
    #[default]
    Local,
    /// Admit the request without counting it.
    Allow,
    /// Reject the request with status 503 and `Retry-After`.
    Deny,
}

impl Fallback {
    /// The names in environment variables and configuration files.
    pub(crate) const WORDS: [(&str, Self); 3] = [
        ("local", Self::Local),
        ("allow", Self::Allow),
        ("deny", Self::Deny),
    ];

    /// The consequence of an outage, for the log.
    pub(crate) fn consequence(self) -> &'static str {
        match self {
            Self::Local => "requests are limited by the counts of this process alone",
            Self::Allow => "requests are admitted without limit",
            Self::Deny => "requests are rejected with status 503",
        }
    }
}
