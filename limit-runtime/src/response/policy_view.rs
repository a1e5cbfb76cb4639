//! What responses may say of a policy.

use super::label::Label;
use limit_core::Limits;

/// One policy on a request, as far as its response may describe it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PolicyView<'a> {
    /// The name of the policy.
    pub(crate) name: &'static str,
    /// What the policy counts by, as written in the source. Never the key itself.
    pub(crate) key_label: &'static str,
    /// All limits of the policy.
    pub(crate) limits: &'a Limits,
    /// Units that the request consumed, or asked for if it was refused.
    pub(crate) cost: u32,
}

/// The label of each limit of these policies, in the order of a decision's outcomes.
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
