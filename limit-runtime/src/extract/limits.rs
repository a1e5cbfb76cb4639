//! The limits that a rule applies to a request.

use limit_core::Limits;
use std::ops::Deref;

/// The limits of a rule. A pointer, because limits are large to move.
#[derive(Clone, Debug)]
pub enum LimitsRef {
    /// Limits of an attribute.
    Static(&'static Limits),
    /// Limits that a function has returned for this request.
    Own(Box<Limits>),
}

impl From<Limits> for LimitsRef {
    fn from(limits: Limits) -> Self {
        Self::Own(Box::new(limits))
    }
}

impl Deref for LimitsRef {
    type Target = Limits;

    #[inline]
    fn deref(&self) -> &Limits {
        match self {
            Self::Static(limits) => limits,
            Self::Own(limits) => limits,
        }
    }
}
