//! Ledger of the units that one request has consumed, for refunds and for response headers.

use crate::{
    decision::{Decision, Receipt},
    policy::rule::RuleSet,
};
use smallvec::SmallVec;

/// One value for each rule of a request; most requests have one rule.
pub(super) type PerRule<T> = SmallVec<[T; 1]>;

/// The store's last decision on a request, and the charges that can be refunded.
#[derive(Clone, Debug, Default)]
pub(super) struct Ledger {
    /// The last decision on all rules; `None` before the first check.
    pub(super) decision: Option<Decision>,
    /// Charges and what is left of them after refunds, oldest first.
    entries: SmallVec<[LedgerEntry; 1]>,
    /// The rules in dry run that would have refused the request, by their index in the request.
    pub(super) would_refuse: RuleSet,
}

/// Units that one rule has consumed, with the receipt that a refund needs.
#[derive(Clone, Debug)]
pub(super) struct LedgerEntry {
    /// Index of the rule among the rules of the request.
    pub(super) rule: usize,
    pub(super) cost: u64,
    pub(super) receipt: Receipt,
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
            }));
        self.decision = Some(decision);
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
            }));
    }

    /// The units that `rule` has consumed, less refunds.
    pub(super) fn consumed(&self, rule: usize) -> u64 {
        let entries = self.entries.iter().filter(|entry| entry.rule == rule);
        entries.fold(0, |sum, entry| sum.saturating_add(entry.cost))
    }

    /// Removes up to `units` (one number for each rule), newest charges first, and returns what
    /// was removed. The caller refunds it; no unit is refunded twice.
    pub(super) fn take_back(&mut self, mut units: PerRule<u64>) -> PerRule<LedgerEntry> {
        let mut taken = SmallVec::new();
        for entry in self.entries.iter_mut().rev() {
            let Some(left) = units.get_mut(entry.rule) else {
                continue;
            };
            let cost = entry.cost.min(*left);
            if cost > 0 {
                *left -= cost;
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
