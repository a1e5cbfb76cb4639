//! Rules in dry run: they count in budgets of their own, and refuse no request.
//!
//! They are resolved after the live rules have admitted the request, and each is checked by itself.
//! What they find is counted and reported; a failed function or store is, too, and has no other
//! effect.

use super::{admission::Admission, charging::stop_timer, report, request_limits::RequestLimits};
use crate::{
    instruments::UnitsKind,
    limiter::Limiter,
    observe::Reason,
    policy::{
        config::PolicyConfig,
        resolution::Resolution,
        resolved_rule::ResolvedRule,
        rule::{RuleSet, Rules},
    },
    store::Action,
};
use axum::extract::MatchedPath;
use http::request::Parts;
use smallvec::SmallVec;
use std::slice;

/// The rules of a handler that are in dry run for one request.
#[derive(Debug, Default)]
pub(super) struct DryRunRules {
    configs: SmallVec<[&'static PolicyConfig; 2]>,
    indices: RuleSet,
}

impl DryRunRules {
    pub(super) fn of<S, R: Rules<S>>(limiter: &Limiter, rules: &R) -> Self {
        let mut found = Self::default();
        let mut index = 0;
        rules.for_each_config(&mut |config| {
            if limiter
                .observer()
                .is_dry_run(config.id(), config.is_dry_run)
            {
                found.configs.push(config);
                found.indices.insert(index);
            }
            index += 1;
        });
        found
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.configs.iter().map(|config| config.name)
    }

    pub(super) fn indices(&self) -> RuleSet {
        self.indices
    }
}

/// Charges the resolved rules in dry run of a request that the live ones have admitted. `parts` is
/// its head, if that is at hand.
///
/// Returns the admission of the request, which holds the permits of these rules, too.
pub(crate) async fn charge_dry_run(
    admission: Admission,
    parts: Option<&Parts>,
    resolution: &mut Resolution,
) -> Admission {
    let Some(limits) = admission.request_limits().cloned() else {
        return admission;
    };
    let limiter = &limits.limiter;
    if let Some(config) = resolution.rejecting_rule() {
        report::unchecked_in(&limits, parts, config, Reason::Rejected, true);
    }
    for config in resolution.exempt_rules() {
        report::unchecked_in(&limits, parts, config, Reason::Exempt, true);
    }
    if resolution.rules().is_empty() {
        return admission;
    }
    let route = match parts {
        Some(parts) => parts.extensions.get::<MatchedPath>().cloned(),
        None => limits.route.clone(),
    };
    resolution.merge_same_budgets(route.as_ref());
    let mut dry_run = RequestLimits::from_resolution(limiter.clone(), route, resolution, None);
    for rule in &mut dry_run.rules {
        rule.key = rule.key.in_dry_run();
    }
    for rule in &mut dry_run.permits {
        rule.key = rule.key.in_dry_run();
    }
    let hold = dry_run.acquire_dry_run_permits(parts).await;
    dry_run.charge_each(parts).await;
    limits.set_dry_run(dry_run);
    limits.report_reserved_in_dry_run();
    match hold {
        Some(hold) => admission.holding_in_dry_run(hold),
        None => admission,
    }
}

impl RequestLimits {
    /// Charges the rules in dry run for which `is_selected` is true `cost` more, whatever their
    /// limits: the work is done. Rules that would have refused the request are left out: live, they
    /// would have kept the handler from the work.
    pub(super) async fn force_dry_run(
        &self,
        is_selected: impl Fn(&ResolvedRule) -> bool,
        cost: u64,
    ) {
        let Some(dry_run) = self.dry_run() else {
            return;
        };
        let would_refuse = dry_run.ledger.lock().would_refuse;
        let is_charged = |index: usize, rule: &ResolvedRule| {
            !would_refuse.contains_index(index) && is_selected(rule)
        };
        let selected = |index, rule: &ResolvedRule| is_charged(index, rule).then_some(cost);
        let indices = dry_run.rules.iter().enumerate();
        let indices = indices
            .filter(|&(index, rule)| is_charged(index, rule))
            .map(|(index, _)| index);
        for (index, charge) in indices.zip(dry_run.charges_with(selected)) {
            let forced = self
                .limiter
                .check_all(slice::from_ref(&charge), Action::Force);
            // The guard of the store has logged an error.
            if let Ok(mut decision) = forced.await {
                let receipts = decision.take_receipts().into_iter();
                let receipts = receipts.map(|receipt| (index, receipt));
                report::units(dry_run, index, UnitsKind::Forced, cost);
                dry_run.ledger.lock().record_more(receipts, cost);
            }
        }
    }

    /// Refunds up to `units` of the rules in dry run for which `is_selected` is true.
    pub(super) async fn refund_dry_run(
        &self,
        is_selected: impl Fn(&ResolvedRule) -> bool,
        units: u64,
    ) {
        if let Some(dry_run) = self.dry_run() {
            let is_selected = |index| dry_run.rules.get(index).is_some_and(&is_selected);
            // The guard of the store has logged an error.
            let _ = dry_run.refund(is_selected, units).await;
        }
    }

    /// Charges each of these rules, which are in dry run, by itself.
    async fn charge_each(&self, parts: Option<&Parts>) {
        let charges = self.charges_with(|_, rule| Some(rule.cost));
        self.ledger.lock().set_charged(&self.costs());
        for (index, charge) in charges.iter().enumerate() {
            let timer = self.limiter.observer().start_timer();
            let checked = self
                .limiter
                .check_all(slice::from_ref(charge), Action::Consume);
            let checked = checked.await;
            let rule = self.rules.get(index).into_iter();
            stop_timer(&self.limiter, timer, rule);
            match checked {
                Ok(mut decision) => {
                    report::in_dry_run(self, index, charge.cost, Some(&decision), parts);
                    let receipt = decision.take_receipts().into_iter().next();
                    if receipt.as_ref().is_some_and(|it| !it.is_uncounted()) {
                        report::units(self, index, UnitsKind::Charged, charge.cost);
                    }
                    let mut ledger = self.ledger.lock();
                    ledger.record_one(index, charge.cost, receipt);
                    if let (false, Ok(index)) = (decision.is_allowed(), u8::try_from(index)) {
                        ledger.would_refuse.insert(index);
                    }
                }
                // The guard of the store has logged it.
                Err(_) => report::in_dry_run(self, index, charge.cost, None, parts),
            }
        }
    }
}
