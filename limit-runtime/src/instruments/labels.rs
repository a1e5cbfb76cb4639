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
