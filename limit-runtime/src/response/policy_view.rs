//! The parts of a policy that responses describe.

use crate::extract::limits::LimitsRef;
use limit_core::header_text::{self, Label};

/// One policy on a request. It holds no key, so all of it may be in a response.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PolicyView<'a> {
    /// The name of the policy.
    pub(crate) name: &'static str,
    /// The key expression in the source code. It never contains the key itself.
    pub(crate) key_label: &'static str,
    /// All limits of the policy.
    pub(crate) limits: &'a LimitsRef,
    /// The units that the request consumed, or that it requested if it was refused.
    pub(crate) cost: u64,
}

/// The label of each limit of these policies, in the order of the decision's outcomes.
pub(super) fn labels<'a>(
    policies: impl Iterator<Item = PolicyView<'a>>,
) -> impl Iterator<Item = Label<'static>> {
    policies.flat_map(|policy| header_text::labels(policy.name, policy.limits))
}
