//! What a limit counts.

/// What a limit counts.
///
/// Only requests for now; tokens and bytes may follow.
///
/// ```
/// use limit_core::{Unit, limits};
///
/// assert_eq!(limits!("10/minute").first().unit(), Unit::Requests);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Unit {
    /// Requests, each with its cost.
    #[default]
    Requests,
}

impl Unit {
    /// Its number, which is kept in a [`Limit`](crate::Limit).
    pub(crate) const fn number(self) -> u8 {
        match self {
            Self::Requests => 0,
        }
    }

    /// The unit of this number.
    pub(crate) const fn from_number(_number: u8) -> Self {
        Self::Requests
    }
}
