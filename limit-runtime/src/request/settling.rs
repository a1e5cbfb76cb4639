//! Settles what a request has reserved: the charge of a rule is corrected to its use, once.

use super::{
    ledger::LedgerEntry,
    report,
    request_limits::RequestLimits,
    settlement::{Progress, Settlement},
};
use crate::{
    clock::Ticks,
    decision::Receipt,
    instruments::UnitsKind,
    policy::{reserve::OnUnknown, resolved_rule::ResolvedRule, rule::RuleSet},
    store::{Action, Charge},
};
use http::StatusCode;
use smallvec::SmallVec;
use std::{
    mem,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tokio::runtime::Handle;

/// How often the excess of a request is charged while it goes on.
const EXCESS_INTERVAL: Duration = Duration::from_secs(1);

impl Settlement {
    /// Gives up one hold. Settles if it was the last one.
    pub(super) fn release(&self, limits: &RequestLimits) {
        if self.holders.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.settle(limits);
        }
    }

    /// Notes that a handle is dropped by a panic.
    pub(super) fn note_panic(&self, limits: &RequestLimits) {
        if limits.settlements.0.lock().progress.is_open() {
            self.has_panicked.store(true, Ordering::Relaxed);
        }
    }

    /// Charges what is used beyond the charge so far, unless that is little, or was done just now.
    /// Called whenever a use becomes known.
    #[inline]
    pub(super) fn charge_excess(&self, limits: &RequestLimits) {
        if self.least() > self.excess_above.load(Ordering::Relaxed) {
            self.charge_excess_now_and_then(limits);
        }
    }

    #[cold]
    fn charge_excess_now_and_then(&self, limits: &RequestLimits) {
        let Some(reserved) = self.reserved(limits) else {
            return;
        };
        let is_first = self.excess_above.load(Ordering::Relaxed) == 0;
        if is_first {
            self.tolerate(reserved);
            if self.least() <= self.excess_above.load(Ordering::Relaxed) {
                return;
            }
        }
        let now = limits.limiter.clock().now();
        let last = Ticks::from_micros(self.excess_charged_at.load(Ordering::Relaxed));
        if now.since(last) < EXCESS_INTERVAL {
            return;
        }
        let _correcting = self.correcting.lock();
        if self.is_settled.load(Ordering::Relaxed) {
            return;
        }
        let used = self.least();
        self.charge_all_excess(limits, used);
        self.tolerate(used);
        self.excess_charged_at
            .store(now.as_micros(), Ordering::Relaxed);
    }

    /// The index of its live rule in the request. `None` if that is not resolved, or does not limit
    /// the request.
    fn rule(&self, limits: &RequestLimits) -> Option<usize> {
        let policy = self.policy()?;
        let mut rules = limits.rules.iter();
        rules.position(|rule| rule.configs().any(|config| config.name == policy))
    }

    /// The units that were charged at admission. `None` if none were: the request is not charged
    /// yet, or it was refused.
    pub(super) fn reserved(&self, limits: &RequestLimits) -> Option<u64> {
        match self.rule(limits) {
            Some(rule) => limits.charged_cost(rule),
            // Only rules in dry run have reserved.
            None if self.policy().is_none() || limits.dry_run().is_some() => Some(0),
            None => None,
        }
    }

    /// Settles each of its rules at the use that is known, unless that has been done.
    pub(super) fn settle(&self, limits: &RequestLimits) {
        let _correcting = self.correcting.lock();
        let progress = limits.settlements.0.lock().progress;
        if self.reserved(limits).is_none() {
            // What is known is settled when the request ends: it may be charged until then.
            if !progress.is_open() {
                self.is_settled.store(true, Ordering::Relaxed);
            }
            return;
        }
        if self.is_settled.swap(true, Ordering::Relaxed) {
            return;
        }
        let _entered = self.enter_runtime();
        let settle = |limits: &RequestLimits, rule| limits.settle(rule, self, progress);
        if let Some(rule) = self.rule(limits)
            && settle(limits, rule)
        {
            limits.refresh_after_correction();
        }
        for_each_dry_rule(self, limits, |limits, rule| {
            settle(limits, rule);
        });
    }

    /// Charges what is used beyond the charges of all its rules.
    fn charge_all_excess(&self, limits: &RequestLimits, used: u64) {
        let _entered = self.enter_runtime();
        for_each_rule(self, limits, |limits, rule| limits.force_excess(rule, used));
        limits.refresh_after_correction();
    }
}

/// Calls `f` with the live rule and with those in dry run that are settled with it.
fn for_each_rule(
    settlement: &Settlement,
    limits: &RequestLimits,
    f: impl Fn(&RequestLimits, usize),
) {
    if let Some(rule) = settlement.rule(limits) {
        f(limits, rule);
    }
    for_each_dry_rule(settlement, limits, f);
}

fn for_each_dry_rule(
    settlement: &Settlement,
    limits: &RequestLimits,
    f: impl Fn(&RequestLimits, usize),
) {
    if let Some(dry_run) = limits.dry_run() {
        let rules = dry_run.rules.iter().enumerate();
        for (index, _) in rules.filter(|(_, rule)| settlement.selects(rule)) {
            f(dry_run, index);
        }
    }
}

/// What a request has reserved.
impl RequestLimits {
    /// The settlement of a policy and of rules in dry run: the one that exists, or a new one. It is
    /// held for the caller.
    pub(super) fn settlement(
        &self,
        policy: Option<&'static str>,
        only: Option<&str>,
    ) -> Arc<Settlement> {
        let mut state = self.settlements.0.lock();
        let mut all = state.all.iter();
        if let Some(settlement) = all.find(|settlement| settlement.is_of(policy, only)) {
            settlement.hold();
            return settlement.clone();
        }
        let mut settlement = Settlement::new(policy, only, self.limiter.clock().now());
        if state.progress.is_open() {
            settlement.hold();
        }
        if !self.limiter.counts_in_memory() {
            settlement.runtime = Handle::try_current().ok();
        }
        let settlement = Arc::new(settlement);
        state.all.push(settlement.clone());
        drop(state);
        if settlement.reserved(self).is_some() {
            for_each_rule(&settlement, self, report::reserved);
        }
        settlement
    }

    /// Counts the reservations that were made before the request was charged.
    pub(super) fn report_reserved(&self) {
        let all = self.settlements.0.lock().all.clone();
        for settlement in all {
            if let Some(rule) = settlement.rule(self) {
                report::reserved(self, rule);
            }
        }
    }

    /// Counts the reservations that were made before the rules in dry run were charged.
    pub(super) fn report_reserved_in_dry_run(&self) {
        let all = self.settlements.0.lock().all.clone();
        for settlement in all {
            for_each_dry_rule(&settlement, self, report::reserved);
        }
    }

    /// Notes that the arguments of the handler are being extracted.
    pub(super) fn begin_extraction(&self) {
        self.settlements.0.lock().progress = Progress::Extracting;
    }

    /// Notes that the handler is being called.
    pub(super) fn end_extraction(&self) {
        self.settlements.0.lock().progress = Progress::Handling;
    }

    /// Notes that the request has a response of this status, or that it has been dropped. Settles
    /// what no handle holds.
    pub(super) fn end_request(&self, status: Option<StatusCode>) {
        let held = {
            let mut state = self.settlements.0.lock();
            if !state.progress.is_open() {
                return;
            }
            state.progress = state.progress.end(status);
            state.all.clone()
        };
        for settlement in held {
            settlement.release(self);
        }
    }

    /// Corrects the charges of these rules no more: they are refunded, because the response does
    /// not count.
    pub(super) fn exclude(&self, rules: &[usize]) {
        if rules.is_empty() {
            return;
        }
        self.ledger.lock().excluded = RuleSet::of(rules.iter().copied());
    }

    /// Whether the headers have to wait for corrections. Returns `true` once.
    pub(super) fn take_unconfirmed(&self) -> bool {
        mem::take(&mut self.settlements.0.lock().is_unconfirmed)
    }

    /// Waits until a remote store has the corrections, for one deadline at most, and asks it for
    /// what the headers show.
    pub(super) async fn await_corrections(&self) {
        let charges = self.charges_with(|_, _| Some(0));
        self.limiter.confirmed(&charges).await;
        drop(charges);
        self.refresh_decision().await;
    }

    /// What the rule was charged at admission. `None` before that.
    fn charged_cost(&self, rule: usize) -> Option<u64> {
        self.ledger.lock().charged_cost(rule)
    }

    /// What the rule holds of what was reserved, and of what was charged beyond it.
    fn reserved_units(&self, rule: usize) -> u64 {
        self.ledger.lock().reserved(rule)
    }

    /// Settles a rule at the use that is known. Returns whether its charge may have changed.
    fn settle(&self, rule: usize, settlement: &Settlement, progress: Progress) -> bool {
        let reserved = self.charged_cost(rule).unwrap_or(0);
        if self.ledger.lock().excluded.contains_index(rule) {
            report::settled(self, rule, reserved, 0);
            return false;
        }
        let used = settlement.settled_use(reserved, progress, self.on_unknown(rule));
        if let Some(used) = used {
            self.force_excess(rule, used);
            self.give_back(rule, used);
        }
        self.force_local_charges_in_store(rule);
        report::settled(self, rule, reserved, used.unwrap_or(reserved));
        used.is_some()
    }

    /// What becomes of the estimate of a rule if its use is not known. Of merged rules, one that
    /// gives back does.
    fn on_unknown(&self, rule: usize) -> OnUnknown {
        let rule = self.rules.get(rule).into_iter();
        let mut configs = rule.flat_map(ResolvedRule::configs);
        match configs.any(|config| config.on_unknown == OnUnknown::Release) {
            true => OnUnknown::Release,
            false => OnUnknown::Keep,
        }
    }

    /// Charges a rule what this use is beyond what it holds.
    fn force_excess(&self, rule: usize, used: u64) {
        let Some(resolved) = self.rules.get(rule) else {
            return;
        };
        let held = self.reserved_units(rule);
        if used > held && self.is_charged(rule) {
            let excess = used - held;
            let receipt = self.limiter.force_soon(&Charge {
                cost: excess,
                ..resolved.charge(self.route.as_ref())
            });
            self.ledger.lock().record_one(rule, excess, receipt);
            report::units(self, rule, UnitsKind::Forced, excess);
            report::forced(self, rule, excess);
        }
    }

    /// Gives back what a rule holds beyond this use.
    fn give_back(&self, rule: usize, used: u64) {
        let Some(resolved) = self.rules.get(rule) else {
            return;
        };
        let charge = |cost| Charge {
            cost,
            ..resolved.charge(self.route.as_ref())
        };
        let held = self.reserved_units(rule);
        if used < held {
            let taken = self.ledger.lock().take_back_reserved(rule, held - used);
            let charges: SmallVec<[Charge<'_>; 1]> =
                taken.iter().map(|entry| charge(entry.cost)).collect();
            let units = taken.iter().map(|entry| entry.cost).sum();
            let counted = taken.iter().map(LedgerEntry::counted_units).sum();
            let receipts: SmallVec<[Receipt; 1]> =
                taken.into_iter().map(|entry| entry.receipt).collect();
            self.limiter.refund_soon(&charges, &receipts);
            report::units(self, rule, UnitsKind::Refunded, counted);
            report::given_back(self, rule, units);
        }
    }

    /// Whether excess of this rule is charged. A rule in dry run that would have refused the
    /// request would have kept the handler from the work.
    fn is_charged(&self, rule: usize) -> bool {
        let ledger = self.ledger.lock();
        !ledger.excluded.contains_index(rule) && !ledger.would_refuse.contains_index(rule)
    }

    /// Charges a remote store what it is not known to have counted for a rule, because it did not
    /// answer. The work is done.
    fn force_local_charges_in_store(&self, rule: usize) {
        let Some(resolved) = self.rules.get(rule) else {
            return;
        };
        if self.limiter.counts_in_memory() {
            return;
        }
        self.ledger.lock().replace_uncounted(rule, |units| {
            self.limiter.force_in_store_soon(&Charge {
                cost: units,
                ..resolved.charge(self.route.as_ref())
            })
        });
    }

    /// Updates what the headers show after a correction. A remote store has to confirm it first.
    fn refresh_after_correction(&self) {
        let charges = self.charges_with(|_, _| Some(0));
        match self.limiter.try_check_all(&charges, Action::Peek) {
            Ok(decision) => self.ledger.lock().decision = Some(decision),
            Err(_) => self.settlements.0.lock().is_unconfirmed = true,
        }
    }
}

/// The state of a request that is being answered. If it is dropped without a response, the request
/// has ended.
#[derive(Debug)]
pub(super) struct Tracked(pub(super) Arc<RequestLimits>);

impl Drop for Tracked {
    fn drop(&mut self) {
        self.0.end_request(None);
    }
}
