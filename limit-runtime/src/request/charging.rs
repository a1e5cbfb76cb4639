//! Checks, charges and refunds of a request under all its rules.

use super::{
    ledger::{Costs, PerRule},
    pending_check::PendingCheck,
    refusal::{Denial, Refusal},
    report,
    request_limits::RequestLimits,
};
use crate::{
    decision::{Decision, Receipt},
    extract::maybe_ready::MaybeReady,
    instruments::UnitsKind,
    limiter::{
        Limiter,
        wait_queue::{self, MaxWait, WaitMode},
    },
    policy::resolved_rule::ResolvedRule,
    store::{Action, Charge, Fallback, StoreError},
};
use std::{sync::Arc, time::Instant};

/// In each check, `on_allowed` converts the state into the result that the caller needs. A pending
/// check then needs no second future around it.
impl RequestLimits {
    /// Consumes the resolved cost of each rule, all or nothing.
    ///
    /// # Errors
    /// Why the request is refused; nothing has been consumed then.
    pub(crate) fn consume<T: 'static>(
        self: Arc<Self>,
        on_allowed: fn(Arc<Self>) -> T,
    ) -> MaybeReady<Result<T, Refusal>> {
        let costs = self.costs();
        self.check(costs, Action::Consume, on_allowed)
    }

    /// [`consume`](Self::consume) for a request that must not wait for room, whatever its rules
    /// allow.
    pub(crate) fn consume_without_waiting<T: 'static>(
        self: Arc<Self>,
        on_allowed: fn(Arc<Self>) -> T,
    ) -> MaybeReady<Result<T, Refusal>> {
        let costs = self.costs();
        self.check_in_mode(costs, Action::Consume, WaitMode::Never, on_allowed)
    }

    /// Refuses the request if a limit has nothing left; consumes nothing.
    ///
    /// # Errors
    /// Why the request is refused.
    pub(crate) fn peek<T: 'static>(
        self: Arc<Self>,
        on_allowed: fn(Arc<Self>) -> T,
    ) -> MaybeReady<Result<T, Refusal>> {
        let costs = self.costs();
        self.check(costs, Action::Peek, on_allowed)
    }

    /// Checks all rules at `costs`, one for each, and waits for room where the rules allow it.
    ///
    /// # Errors
    /// Why the request is refused; nothing has been consumed then.
    pub(crate) fn check<T: 'static>(
        self: Arc<Self>,
        costs: Costs,
        action: Action,
        on_allowed: fn(Arc<Self>) -> T,
    ) -> MaybeReady<Result<T, Refusal>> {
        self.check_in_mode(costs, action, WaitMode::Allowed, on_allowed)
    }

    fn check_in_mode<T: 'static>(
        self: Arc<Self>,
        costs: Costs,
        action: Action,
        mode: WaitMode,
        on_allowed: fn(Arc<Self>) -> T,
    ) -> MaybeReady<Result<T, Refusal>> {
        let charges = self.charges_with(|index, _| costs.get(index).copied());
        let timer = self.limiter.observer().start_timer();
        if !self.limiter.wait_queues().has_waiters(&charges)
            && let Ok(decision) = self.limiter.try_check_all(&charges, action)
        {
            let is_final = decision.is_allowed() || mode == WaitMode::Never || !self.may_wait();
            if is_final {
                stop_timer(&self.limiter, timer, &self.rules);
                drop(charges);
                self.report_if_admitted(&costs, &decision, action, false);
                return MaybeReady::Ready(
                    self.record_or_refuse(costs, decision, action)
                        .map(on_allowed),
                );
            }
        }
        drop(charges);
        let mut pending = PendingCheck::new(self);
        MaybeReady::Pending(Box::pin(async move {
            let limits = pending.limits.clone();
            let charges = limits.charges_with(|index, _| costs.get(index).copied());
            let max_waits: PerRule<MaxWait> = limits
                .rules
                .iter()
                .map(|rule| report::max_wait(&limits.limiter, rule))
                .collect();
            let start_wait = |rule| report::start_wait(&limits, rule);
            let acquired = wait_queue::acquire(
                &limits.limiter,
                &charges,
                action,
                &max_waits,
                mode,
                start_wait,
            )
            .await;
            drop(charges);
            pending.set_decided();
            stop_timer(&limits.limiter, timer, &limits.rules);
            match acquired {
                Ok((decision, has_waited)) => {
                    limits.report_if_admitted(&costs, &decision, action, has_waited);
                    limits
                        .record_or_refuse(costs, decision, action)
                        .map(on_allowed)
                }
                Err(error) => {
                    report::failed(&limits);
                    Err(Refusal::Store(error))
                }
            }
        }))
    }

    /// Counts and reports a check that admits the request. A check that only reads is followed by
    /// one that consumes, and a refusal is reported with its response.
    fn report_if_admitted(
        &self,
        costs: &[u64],
        decision: &Decision,
        action: Action,
        has_waited: bool,
    ) {
        if action == Action::Consume && decision.is_allowed() && self.limiter.observer().counts() {
            report::admitted(self, costs, decision, has_waited);
        }
    }

    /// Whether a rule lets the request wait for room.
    fn may_wait(&self) -> bool {
        let mut rules = self.rules.iter();
        rules.any(|rule| !rule.max_wait().is_zero())
    }

    /// Records an allowed decision on `costs`.
    ///
    /// # Errors
    /// If the decision is a denial.
    fn record_or_refuse(
        self: Arc<Self>,
        costs: Costs,
        decision: Decision,
        action: Action,
    ) -> Result<Arc<Self>, Refusal> {
        if decision.is_allowed() {
            report::charged(&self, &costs, &decision);
            let mut ledger = self.ledger.lock();
            ledger.record(&costs, decision);
            if action == Action::Consume {
                ledger.set_charged(&costs);
            }
            drop(ledger);
            if action == Action::Consume {
                self.report_reserved();
            }
            return Ok(self);
        }
        Err(Refusal::Denied(Box::new(Denial {
            request_limits: self,
            costs,
            decision,
        })))
    }

    /// Charges `cost` more on the selected rules: all or nothing with [`Action::Consume`], even
    /// beyond the limits with [`Action::Force`]. Returns the decision on these rules.
    ///
    /// # Errors
    /// If the store could not answer.
    pub(crate) async fn charge_more(
        &self,
        is_selected: impl Fn(usize) -> bool,
        cost: u64,
        action: Action,
    ) -> Result<Decision, StoreError> {
        if !(0..self.rules.len()).any(&is_selected) {
            return Ok(Decision::empty());
        }
        let is_on_all = (0..self.rules.len()).all(&is_selected);
        // A forced charge of nothing reads the other rules in the same call. Without force, they
        // could deny the charge.
        let reads_all = is_on_all || action == Action::Force;
        let mut charges = self.charges_with(|index, _| match is_selected(index) {
            true => Some(cost),
            false => reads_all.then_some(0),
        });
        if !is_on_all && reads_all {
            for (index, charge) in charges.iter_mut().enumerate() {
                if !is_selected(index) {
                    // Only the selected rules decide what happens if the store does not answer.
                    charge.on_store_error = Some(Fallback::Allow);
                }
            }
        }
        let mut decision = self.limiter.check_all(&charges, action).await?;
        let receipts = decision.take_receipts();
        let of_charges = (0..self.rules.len()).filter(|&index| reads_all || is_selected(index));
        let selected = of_charges
            .zip(receipts)
            .filter(|&(rule, _)| is_selected(rule));
        let kind = match action {
            Action::Force => UnitsKind::Forced,
            Action::Consume | Action::Peek => UnitsKind::Charged,
        };
        let selected = selected.inspect(|&(rule, ref receipt)| {
            if !receipt.is_uncounted() {
                report::units(self, rule, kind, cost);
            }
        });
        {
            let mut ledger = self.ledger.lock();
            ledger.record_more(selected, cost);
            if reads_all {
                ledger.decision = Some(decision.peeked());
            }
        }
        if !reads_all {
            self.refresh_decision().await;
            return Ok(decision);
        }
        if is_on_all {
            return Ok(decision);
        }
        let mut outcomes = decision.outcomes().iter();
        let mut of_selected = Decision::empty();
        for (index, charge) in charges.iter().enumerate() {
            let of_rule = outcomes.by_ref().take(charge.limits.len());
            of_rule
                .filter(|_| is_selected(index))
                .for_each(|&outcome| of_selected.push(outcome));
        }
        Ok(of_selected)
    }

    /// Refunds up to `units` of what each selected rule has consumed, newest charges first.
    ///
    /// # Errors
    /// If the store cannot take this refund. If it only does not answer, the refund is kept and
    /// sent when it does.
    pub(crate) async fn refund(
        &self,
        is_selected: impl Fn(usize) -> bool,
        units: u64,
    ) -> Result<(), StoreError> {
        let units: PerRule<u64> = (0..self.rules.len())
            .map(|index| if is_selected(index) { units } else { 0 })
            .collect();
        let taken = self.ledger.lock().take_back(units);
        if taken.is_empty() {
            return Ok(());
        }
        let charges: PerRule<Charge<'_>> = taken
            .iter()
            .filter_map(|entry| {
                let rule = self.rules.get(entry.rule)?;
                Some(Charge {
                    cost: entry.cost,
                    ..rule.charge(self.route.as_ref())
                })
            })
            .collect();
        let refunded = taken.iter();
        let refunded: PerRule<(usize, u64)> = refunded
            .map(|entry| (entry.rule, entry.counted_units()))
            .collect();
        let receipts: PerRule<Receipt> = taken.into_iter().map(|entry| entry.receipt).collect();
        self.limiter.refund(&charges, &receipts).await?;
        for (rule, units) in refunded {
            report::units(self, rule, UnitsKind::Refunded, units);
        }
        self.refresh_decision().await;
        Ok(())
    }

    /// Updates the last decision on all rules after a charge or refund. If the store does not
    /// answer, the previous decision stays: the charge itself has been made.
    pub(super) async fn refresh_decision(&self) {
        let charges = self.charges_with(|_, _| Some(0));
        if let Ok(decision) = self.limiter.check_all(&charges, Action::Peek).await {
            self.ledger.lock().decision = Some(decision);
        }
    }
}

/// Records the time of a check, for each of its rules and of those merged into them.
pub(super) fn stop_timer<'a>(
    limiter: &Limiter,
    started: Option<Instant>,
    rules: impl IntoIterator<Item = &'a ResolvedRule>,
) {
    if let Some(started) = started {
        for config in rules.into_iter().flat_map(ResolvedRule::configs) {
            limiter.observer().stop_timer(started, config.id());
        }
    }
}
