//! The parts of a check: one slot for each budget that it reads or writes.

use super::identity::{Owner, Variant};
use crate::window::Strategy;
use limit_core::Limit;

/// One limit of a charge, or all limits of a charge that share one log.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot<'a> {
    pub(super) owner: Owner,
    pub(super) variant: Variant,
    pub(super) limits: &'a [Limit],
    pub(super) cost: u64,
    pub(super) strategy: Strategy,
    /// The place of its charge in the check.
    pub(super) charge: usize,
}

impl Slot<'_> {
    pub(super) fn is_same_budget(&self, other: &Self) -> bool {
        self.owner == other.owner && self.variant == other.variant
    }
}
