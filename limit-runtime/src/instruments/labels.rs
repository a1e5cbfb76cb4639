//! Labels with a fixed set of values.

/// The label `outcome` of `rate_limit_requests_total`.
#[derive(Clone, Copy, Debug)]
pub(crate) enum RequestOutcome {
    Allowed,
    Limited,
    WouldLimit,
    ExceedsCapacity,
    Exempt,
    StoreError,
    Fallback,
}

/// The label `kind` of `rate_limit_units_total`.
#[derive(Clone, Copy, Debug)]
pub(crate) enum UnitsKind {
    Charged,
    Refunded,
    Forced,
}

#[cfg(feature = "metrics")]
impl RequestOutcome {
    /// All of them, in the order of their numbers.
    pub(super) const ALL: [Self; 7] = [
        Self::Allowed,
        Self::Limited,
        Self::WouldLimit,
        Self::ExceedsCapacity,
        Self::Exempt,
        Self::StoreError,
        Self::Fallback,
    ];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Limited => "limited",
            Self::WouldLimit => "would_limit",
            Self::ExceedsCapacity => "exceeds_capacity",
            Self::Exempt => "exempt",
            Self::StoreError => "store_error",
            Self::Fallback => "fallback",
        }
    }
}

#[cfg(feature = "metrics")]
impl UnitsKind {
    /// All of them, in the order of their numbers.
    pub(super) const ALL: [Self; 3] = [Self::Charged, Self::Refunded, Self::Forced];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Charged => "charged",
            Self::Refunded => "refunded",
            Self::Forced => "forced",
        }
    }
}

#[cfg(all(test, feature = "metrics"))]
mod tests {
    use super::*;

    #[test]
    fn each_label_is_at_the_place_of_its_number() {
        for (number, outcome) in RequestOutcome::ALL.into_iter().enumerate() {
            assert_eq!(outcome as usize, number, "{outcome:?}");
        }
        for (number, kind) in UnitsKind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, number, "{kind:?}");
        }
    }
}
