//! A denied check.

use crate::{
    decision::Decision, policy::resolved_rule::ResolvedRule, response::policy_view::PolicyView,
};
use axum::extract::MatchedPath;

/// A denied check, borrowed.
pub(super) struct DenialRef<'a> {
    pub(super) rules: &'a [ResolvedRule],
    /// The units that the request needs, one number for each rule.
    pub(super) costs: &'a [u64],
    pub(super) decision: &'a Decision,
    pub(super) route: Option<&'a MatchedPath>,
    /// Whether the request's head is at hand.
    pub(super) has_head: bool,
}

impl<'a> DenialRef<'a> {
    pub(super) fn policy_views(&self) -> impl Iterator<Item = PolicyView<'a>> {
        let costs = self.costs.iter().copied().chain(std::iter::repeat(1));
        let rules = self.rules.iter().zip(costs);
        rules.map(|(rule, cost)| rule.view(cost))
    }
}
