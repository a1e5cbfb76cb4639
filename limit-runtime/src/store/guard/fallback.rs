//! What happens to requests while the store is out.

use crate::store::Charge;

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

    /// What holds for several charges at once: the strictest of what each asks for.
    pub(super) fn of(charges: &[Charge<'_>], default: Self) -> Self {
        let strictness = |fallback: &Self| match fallback {
            Self::Allow => 0,
            Self::Local => 1,
            Self::Deny => 2,
        };
        charges
            .iter()
            .map(|charge| charge.on_store_error.unwrap_or(default))
            .max_by_key(strictness)
            .unwrap_or(default)
    }

    /// In the words of the log.
    pub(super) fn consequence(self) -> &'static str {
        match self {
            Self::Local => "counted in this process",
            Self::Allow => "let through uncounted",
            Self::Deny => "refused with 503",
        }
    }
}
