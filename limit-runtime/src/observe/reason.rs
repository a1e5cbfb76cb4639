//! What a policy has found for a request, as a word.

use crate::instruments::RequestOutcome;
use std::fmt;

/// What a policy has found for one request.
///
/// With several policies on a handler, each has its own: one may be [`Allowed`](Self::Allowed),
/// although another has refused the request.
///
/// ```
/// use limit_runtime::observe::Reason;
///
/// assert_eq!(Reason::ExceedsCapacity.as_str(), "exceeds_capacity");
/// assert!(Reason::ExceedsCapacity.is_refusal() && !Reason::WouldLimit.is_refusal());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// The policy had room for the request.
    Allowed,
    /// The policy had room for the request after it had waited.
    Waited,
    /// The store did not answer, and the [`Fallback`](crate::store::Fallback) admitted the request.
    Fallback,
    /// The policy does not limit the request: by its limits function, its methods or exceptions, or
    /// a `skip_when`.
    Exempt,
    /// The policy had no room for the request.
    Limited,
    /// The cost of the request exceeds the capacity of a limit, so it can never be admitted.
    ExceedsCapacity,
    /// A policy in dry run had no room for the request, or could never have admitted it, and has
    /// let it pass.
    WouldLimit,
    /// The store did not answer, and the fallback is to refuse. A policy in dry run has let the
    /// request pass.
    StoreError,
    /// A key, limits, scope or cost function of the policy has failed. A policy in dry run has let
    /// the request pass.
    Rejected,
    /// The request has ended before the policy had decided: the client left, or a timeout ended
    /// the request, while it waited for room or for the store.
    Abandoned,
}

impl Reason {
    /// The number of reasons.
    pub(crate) const COUNT: usize = 10;

    /// The word for it in labels and logs, such as `would_limit`. It does not change between
    /// versions.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Waited => "waited",
            Self::Fallback => "fallback",
            Self::Exempt => "exempt",
            Self::Limited => "limited",
            Self::ExceedsCapacity => "exceeds_capacity",
            Self::WouldLimit => "would_limit",
            Self::StoreError => "store_error",
            Self::Rejected => "rejected",
            Self::Abandoned => "abandoned",
        }
    }

    /// The outcome that the metric of requests has. `None` for a rejection, as the response is one
    /// of the application, and for a request without a response.
    #[inline]
    pub(super) const fn in_metrics(self) -> Option<RequestOutcome> {
        Some(match self {
            Self::Allowed | Self::Waited => RequestOutcome::Allowed,
            Self::Fallback => RequestOutcome::Fallback,
            Self::Exempt => RequestOutcome::Exempt,
            Self::Limited => RequestOutcome::Limited,
            Self::ExceedsCapacity => RequestOutcome::ExceedsCapacity,
            Self::WouldLimit => RequestOutcome::WouldLimit,
            Self::StoreError => RequestOutcome::StoreError,
            Self::Rejected | Self::Abandoned => return None,
        })
    }

    /// Whether the policy had no room for the request, and refused it or would have.
    #[inline]
    pub(crate) const fn is_without_room(self) -> bool {
        self.is_refusal() || matches!(self, Self::WouldLimit)
    }

    /// Whether the policy had no room for the request, and refused it.
    #[must_use]
    pub const fn is_refusal(self) -> bool {
        matches!(self, Self::Limited | Self::ExceedsCapacity)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
