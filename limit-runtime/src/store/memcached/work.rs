//! What is asked of one item, owned, so that any task can do it.

use crate::{
    decision::{Decision, Receipt, recorded_cost},
    store::{Action, Charge, ChargeId},
    window::Strategy,
};
use limit_core::Limits;
use smallvec::SmallVec;

/// The shortest time for which an id is kept.
const MIN_ID_MILLIS: u64 = 60_000;

/// A charge on one item.
#[derive(Clone, Copy, Debug)]
pub(super) struct ItemCharge {
    pub(super) limits: Limits,
    pub(super) cost: u64,
    pub(super) strategy: Strategy,
    pub(super) id: Option<u64>,
    /// For how long the id is needed, in milliseconds.
    pub(super) id_millis: u64,
    /// When the charge was counted that is refunded.
    pub(super) at: u64,
}

pub(super) type ItemCharges = SmallVec<[ItemCharge; 1]>;

/// What is asked of an item.
#[derive(Debug)]
pub(super) enum Work {
    Check(ItemCharges, Action),
    /// Refunds the charges, then peeks at them.
    Refund(ItemCharges),
    /// Removes all counts.
    Reset,
}

/// The answer to a [`Work`].
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all answers are decisions"
)]
pub(super) enum Answer {
    /// Of a check or a refund.
    Decision(Decision),
    /// The number of strategies that counted something.
    Cleared(u64),
}

impl ItemCharge {
    pub(super) fn new(charge: &Charge<'_>) -> Self {
        Self {
            limits: *charge.limits,
            cost: recorded_cost(charge.cost),
            strategy: charge.strategy,
            id: charge.id.map(ChargeId::get),
            id_millis: charge.lifetime_millis().max(MIN_ID_MILLIS),
            at: 0,
        }
    }

    /// The refund of a charge.
    pub(super) fn refund(charge: &Charge<'_>, receipt: &Receipt) -> Self {
        let charge = Self::new(charge);
        Self {
            at: receipt.at(),
            // A charge and its refund are two things, even if they have one id.
            id: charge.id.map(|id| !id),
            ..charge
        }
    }
}

impl Work {
    /// The number of ids that it adds to an item.
    pub(super) fn ids(&self) -> usize {
        match self {
            Self::Check(charges, _) | Self::Refund(charges) => {
                charges.iter().filter(|charge| charge.id.is_some()).count()
            }
            Self::Reset => 0,
        }
    }

    /// Whether it may be sent again until it is confirmed, because its ids are counted once.
    pub(super) fn is_sent_again(&self) -> bool {
        match self {
            Self::Check(_, action) => *action == Action::Force,
            Self::Refund(_) => true,
            Self::Reset => false,
        }
    }
}
