//! Hashes of budgets, by which the process remembers what it knows of them.

use crate::store::charge::Charge;
use siphasher::sip128::{Hasher128, SipHasher13};
use std::hash::{BuildHasher, Hash, Hasher, RandomState};

/// A hash of scope, key and strategy. Different budgets have different hashes, except with a
/// negligible probability.
pub(super) type BudgetHash = u128;

/// Hashes with a random seed, so that clients cannot choose keys of equal hashes.
#[derive(Clone, Copy, Debug)]
pub(super) struct BudgetHasher(SipHasher13);

impl BudgetHasher {
    pub(super) fn new() -> Self {
        let seed = RandomState::new();
        let keys = (seed.hash_one(0), seed.hash_one(1));
        Self(SipHasher13::new_with_keys(keys.0, keys.1))
    }

    /// The hash of the budget of a charge.
    pub(super) fn budget(&self, charge: &Charge<'_>) -> BudgetHash {
        let mut hasher = self.0;
        hasher.write_u8(charge.strategy.number());
        let parts = charge.scope.texts().into_iter().map(str::as_bytes);
        for part in parts.chain([charge.key.as_bytes()]) {
            hasher.write_usize(part.len());
            hasher.write(part);
        }
        hasher.finish128().as_u128()
    }

    /// The hash of a charge on this budget, with its limits and cost.
    pub(super) fn charge(&self, charge: &Charge<'_>, budget: BudgetHash) -> u128 {
        let mut hasher = self.0;
        hasher.write_u128(budget);
        charge.strategy.hash(&mut hasher);
        charge.limits.hash(&mut hasher);
        hasher.write_u64(charge.cost.max(1));
        hasher.finish128().as_u128()
    }

    /// The hash of several hashes, in this order.
    pub(super) fn all(&self, hashes: &[u128]) -> u128 {
        let mut hasher = self.0;
        for &hash in hashes {
            hasher.write_u128(hash);
        }
        hasher.finish128().as_u128()
    }
}
