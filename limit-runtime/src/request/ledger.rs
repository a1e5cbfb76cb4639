//! Ledger of the units that one request has consumed, for refunds and for response headers.

use crate::{
    decision::{Decision, LateCount, Receipt},
    policy::rule::RuleSet,
};
use smallvec::SmallVec;
use std::sync::Arc;

/// The cost of each rule, in the order of the rules.
pub(crate) type Costs = SmallVec<[u64; 4]>;

/// One value for each rule of a request; most requests have one rule.
pub(super) type PerRule<T> = SmallVec<[T; 1]>;

/// The store's last decision on a request, and the charges that can be refunded.
#[derive(Clone, Debug, Default)]
pub(super) struct Ledger {
    /// The last decision on all rules; `None` before the first check.
    pub(super) decision: Option<Decision>,
    /// What each rule was charged at admission. Empty before that.
    charged: Costs,
    /// Charges and what is left of them after refunds, oldest first.
    entries: SmallVec<[LedgerEntry; 1]>,
    /// The rules in dry run that would have refused the request, by their index in the request.
    pub(super) would_refuse: RuleSet,
    /// The rules under which the response does not count.
    pub(super) excluded: RuleSet,
}

/// Units that one rule has consumed, with the receipt that a refund needs.
#[derive(Clone, Debug)]
pub(super) struct LedgerEntry {
    /// Index of the rule among the rules of the request.
    pub(super) rule: usize,
    pub(super) cost: u64,
    pub(super) receipt: Receipt,
    /// Charged at admission or by a reservation, not by the handler.
    is_reserved: bool,
}

impl LedgerEntry {
    /// Its units, as far as something is known to have counted them.
    pub(super) fn counted_units(&self) -> u64 {
        match self.receipt.is_uncounted() {
            true => 0,
            false => self.cost,
        }
    }
}

impl Ledger {
    /// Moves what each rule has consumed to the place of the rule that `place` returns for it.
    pub(super) fn move_rules(&mut self, place: impl Fn(usize) -> Option<usize>) {
        self.entries.retain_mut(|entry| match place(entry.rule) {
            Some(rule) => {
                entry.rule = rule;
                true
            }
            None => false,
        });
    }

    /// Records an allowed check of all rules at `costs`, one cost for each rule.
    pub(super) fn record(&mut self, costs: &[u64], mut decision: Decision) {
        let receipts = costs.iter().zip(decision.take_receipts()).enumerate();
        self.entries
            .extend(receipts.map(|(rule, (&cost, receipt))| LedgerEntry {
                rule,
                cost,
                receipt,
                is_reserved: true,
            }));
        self.decision = Some(decision);
    }

    /// Notes that the request has been charged at `costs`, one cost for each rule.
    pub(super) fn set_charged(&mut self, costs: &[u64]) {
        self.charged = Costs::from_slice(costs);
    }

    /// What the rule was charged at admission. `None` before that.
    pub(super) fn charged_cost(&self, rule: usize) -> Option<u64> {
        self.charged.get(rule).copied()
    }

    /// Records the charge of one rule at admission.
    pub(super) fn record_one(&mut self, rule: usize, cost: u64, receipt: Option<Receipt>) {
        self.entries.extend(receipt.map(|receipt| LedgerEntry {
            rule,
            cost,
            receipt,
            is_reserved: true,
        }));
    }

    /// Records a further charge of `cost` on each of the rules, with its receipt.
    pub(super) fn record_more(
        &mut self,
        receipts: impl IntoIterator<Item = (usize, Receipt)>,
        cost: u64,
    ) {
        self.entries
            .extend(receipts.into_iter().map(|(rule, receipt)| LedgerEntry {
                rule,
                cost,
                receipt,
                is_reserved: false,
            }));
    }

    /// The units that `rule` has consumed, less refunds.
    pub(super) fn consumed(&self, rule: usize) -> u64 {
        let entries = self.entries.iter().filter(|entry| entry.rule == rule);
        entries.fold(0, |sum, entry| sum.saturating_add(entry.cost))
    }

    /// The units that `rule` has reserved, with what reservations have charged beyond it, less
    /// refunds.
    pub(super) fn reserved(&self, rule: usize) -> u64 {
        let entries = self.entries.iter();
        let reserved = entries.filter(|entry| entry.is_reserved && entry.rule == rule);
        reserved.fold(0, |sum, entry| sum.saturating_add(entry.cost))
    }

    /// Charges anew what `rule` has reserved and a remote store is not known to have counted.
    /// `charge` is called with these units, and returns what shows when the store counts them;
    /// `None` if there is no room for the charge.
    pub(super) fn replace_uncounted(
        &mut self,
        rule: usize,
        charge: impl FnOnce(u64) -> Option<Arc<LateCount>>,
    ) {
        let entries = self.entries.iter_mut();
        let uncounted: PerRule<&mut LedgerEntry> = entries
            .filter(|entry| entry.is_reserved && entry.rule == rule && entry.receipt.replace())
            .collect();
        let units = uncounted.iter().map(|entry| entry.cost);
        let units = units.fold(0, u64::saturating_add);
        if units > 0 {
            let count = charge(units);
            for entry in uncounted {
                match &count {
                    Some(_) => entry.receipt = entry.receipt.late(entry.cost, count.clone()),
                    None => entry.receipt.keep(),
                }
            }
        }
    }

    /// Removes up to `units` (one number for each rule), newest charges first, and returns what
    /// was removed. The caller refunds it; no unit is refunded twice.
    pub(super) fn take_back(&mut self, mut units: PerRule<u64>) -> PerRule<LedgerEntry> {
        self.take(|entry| match units.get_mut(entry.rule) {
            Some(left) => claim(left, entry.cost),
            None => 0,
        })
    }

    /// [`take_back`](Self::take_back) for what `rule` has reserved.
    pub(super) fn take_back_reserved(&mut self, rule: usize, units: u64) -> PerRule<LedgerEntry> {
        let mut units = units;
        self.take(|entry| match entry.is_reserved && entry.rule == rule {
            true => claim(&mut units, entry.cost),
            false => 0,
        })
    }

    /// Removes from each entry as many units as `claim` returns for it.
    fn take(&mut self, mut claim: impl FnMut(&LedgerEntry) -> u64) -> PerRule<LedgerEntry> {
        let mut taken = SmallVec::new();
        for entry in self.entries.iter_mut().rev() {
            let cost = claim(entry);
            if cost > 0 {
                entry.cost -= cost;
                taken.push(LedgerEntry {
                    cost,
                    ..entry.clone()
                });
            }
        }
        taken
    }
}

/// Takes up to `most` of what is `left`.
fn claim(left: &mut u64, most: u64) -> u64 {
    let claimed = most.min(*left);
    *left -= claimed;
    claimed
}
