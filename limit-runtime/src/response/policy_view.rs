//! The parts of a policy that responses describe.

use super::label::Label;
use limit_core::Limits;

/// One policy on a request. It holds no key, so all of it may be in a response.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PolicyView<'a> {
    /// The name of the policy.
    pub(crate) name: &'static str,
    /// The key expression in the source code. It never contains the key itself.
    pub(crate) key_label: &'static str,
    /// All limits of the policy.
    pub(crate) limits: &'a Limits,
    /// The units that the request consumed, or that it requested if it was refused.
    pub(crate) cost: u64,
}

/// The label of each limit of these policies, in the order of the decision's outcomes.
pub(super) fn labels<'a>(
    policies: impl Iterator<Item = PolicyView<'a>>,
) -> impl Iterator<Item = Label> {
    policies.flat_map(|policy| {
        let has_several = policy.limits.len() > 1;
        policy.limits.iter().map(move |&limit| Label {
            name: policy.name,
            window: has_several.then_some(limit),
        })
    })
}
