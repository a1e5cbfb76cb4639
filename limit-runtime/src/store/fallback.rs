//! What happens to requests while the store is out.

/// What to do with a request that the store cannot answer for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fallback {
    /// Count in this process. It has counted along while the store was well, so an outage hands out no
    /// second budget; what other machines admit is not seen. No request fails.
    #[default]
    Local,
    /// Let it through, uncounted.
    Allow,
    /// Refuse it with 503, and `Retry-After`.
    Deny,
}

impl Fallback {
    /// What each is called in the environment and in configuration files.
    pub(crate) const WORDS: [(&str, Self); 3] = [
        ("local", Self::Local),
        ("allow", Self::Allow),
        ("deny", Self::Deny),
    ];

    /// In the words of the log.
    pub(crate) fn consequence(self) -> &'static str {
        match self {
            Self::Local => "counted in this process",
            Self::Allow => "let through uncounted",
            Self::Deny => "refused with 503",
        }
    }
}
