//! Counts what policies have found for a request, and reports it.

use super::{
    denial::DenialRef, enclosing_limits::EnclosingLimits, hold::Hold, permit_rule::PermitRule,
    request_limits::RequestLimits,
};
use crate::{
    decision::{Decision, Outcome, Receipt, StrictestOutcome},
    instruments::{self, UnitsKind},
    key::Key,
    limiter::{Limiter, permits::HeldPermits, wait_queue::MaxWait},
    observe::{Reason, observer::Finding, reservations::ReservationCounters},
    policy::{
        config::PolicyConfig,
        resolved_rule::{ResolvedRule, SingleRule},
        rule::Rules,
    },
    response::too_many_requests::as_exhausted,
    store::StoreError,
};
#[cfg(feature = "metrics")]
use crate::{instruments::Waiting, observe::policy_record::PolicyRecord};
use axum::extract::MatchedPath;
use http::request::Parts;
use limit_core::Unit;
#[cfg(feature = "metrics")]
use smallvec::SmallVec;
use std::{slice, time::Duration};

/// The route template of a request, which is empty if it has no route.
#[inline]
fn route_of(parts: &Parts) -> &str {
    let route = parts.extensions.get::<MatchedPath>();
    route.map_or("", MatchedPath::as_str)
}

/// Counts a request that its only rule has admitted.
#[inline]
pub(super) fn admitted_by_single(
    limiter: &Limiter,
    parts: &Parts,
    rule: &SingleRule<'_>,
    strictest: &StrictestOutcome,
) {
    let observer = limiter.observer();
    if !observer.counts() {
        return;
    }
    if observer.hook_gets_all() {
        report_single(
            limiter,
            parts,
            rule,
            Reason::Allowed,
            slice::from_ref(&strictest.outcome),
        );
        observer.add_units(rule.config.id(), UnitsKind::Charged, rule.cost);
    } else {
        let outcome = &strictest.outcome;
        observer.admitted_by_single(rule.config.id(), route_of(parts), outcome, rule.cost);
    }
}

/// Counts and reports a request that its only rule has refused.
#[cold]
pub(super) fn refused_by_single(
    limiter: &Limiter,
    parts: &Parts,
    rule: &SingleRule<'_>,
    decision: &Decision,
) {
    let exhausted = as_exhausted(decision);
    let decision = exhausted.as_ref().unwrap_or(decision);
    let reason = reason_of_refusal(decision.outcomes());
    report_single(limiter, parts, rule, reason, decision.outcomes());
}

#[cold]
fn report_single(
    limiter: &Limiter,
    parts: &Parts,
    rule: &SingleRule<'_>,
    reason: Reason,
    outcomes: &[Outcome],
) {
    limiter.observer().report_single(&Finding {
        policy: rule.config.id(),
        route: route_of(parts),
        reason,
        is_dry_run: false,
        outcomes,
        cost: rule.cost,
        unit: rule.limits.unit(),
        key_label: rule.config.key_label,
        key: Some(rule.key),
        jitter: limiter.retry_jitter(rule.key),
        parts: Some(parts),
    });
}

/// Counts and reports a request that none of its rules limits: once for its route.
#[cold]
pub(super) fn exempt(
    limiter: &Limiter,
    parts: &Parts,
    configs: impl Iterator<Item = &'static PolicyConfig>,
) {
    exempt_rules(limiter, parts, configs);
    count_request(limiter, parts);
}

/// Counts a request for its route, unless limits around the handler or layer have counted it.
#[cold]
pub(super) fn count_request(limiter: &Limiter, parts: &Parts) {
    let outer = parts.extensions.get::<EnclosingLimits>();
    let request = Request {
        limiter,
        route: route_of(parts),
        outer: outer.map(|outer| &**outer.limits()),
        parts: None,
        is_dry_run: false,
    };
    request.count();
}

/// Counts and reports the rules that do not limit a request.
#[cold]
pub(super) fn exempt_rules(
    limiter: &Limiter,
    parts: &Parts,
    configs: impl Iterator<Item = &'static PolicyConfig>,
) {
    configs.for_each(|config| unchecked(limiter, parts, config, Reason::Exempt, false));
}

/// Counts and reports a rule or a layer that was not checked.
#[cold]
pub(crate) fn unchecked(
    limiter: &Limiter,
    parts: &Parts,
    config: &PolicyConfig,
    reason: Reason,
    is_dry_run: bool,
) {
    let request = Request {
        limiter,
        route: route_of(parts),
        outer: None,
        parts: Some(parts),
        is_dry_run,
    };
    request.report_without_outcomes(config, None, 0, reason);
}

/// [`unchecked`] for a request of which the head may not be at hand any more.
#[cold]
pub(super) fn unchecked_in(
    limits: &RequestLimits,
    parts: Option<&Parts>,
    config: &PolicyConfig,
    reason: Reason,
    is_dry_run: bool,
) {
    let request = Request {
        is_dry_run,
        ..Request::of(limits, parts)
    };
    request.report_without_outcomes(config, None, 0, reason);
}

/// Counts and reports a request that `skip_when` exempts from all rules of its handler.
#[cold]
pub(super) fn skipped<S, R: Rules<S>>(limiter: &Limiter, parts: &Parts, rules: &R) {
    // A disabled limiter counts nothing.
    if limiter.is_enabled() {
        rules.for_each_config(&mut |config| {
            unchecked(limiter, parts, config, Reason::Exempt, false);
        });
        count_request(limiter, parts);
    }
}

/// Counts a request without a live rule for its route.
#[cold]
pub(super) fn without_live_rules(limits: &RequestLimits) {
    Request::of(limits, None).count();
}

/// Counts and reports a rule in dry run, and the rules merged into it, after its check. Without a
/// decision, the store did not answer.
#[cold]
pub(super) fn in_dry_run(
    limits: &RequestLimits,
    rule: usize,
    cost: u64,
    decision: Option<&Decision>,
    parts: Option<&Parts>,
) {
    let outcomes = decision.map_or(&[][..], Decision::outcomes);
    let reason = match decision {
        None => Reason::StoreError,
        Some(decision) if !decision.is_allowed() => Reason::WouldLimit,
        Some(decision) if is_of_fallback(&limits.limiter, decision) => Reason::Fallback,
        Some(_) => Reason::Allowed,
    };
    if let Some(rule) = limits.rules.get(rule) {
        let request = Request {
            is_dry_run: true,
            ..Request::of(limits, parts)
        };
        request.report_rule(rule, outcomes, cost, reason);
    }
}

/// Whether an allowed charge was admitted without an answer of the remote store.
fn is_of_fallback(limiter: &Limiter, decision: &Decision) -> bool {
    let receipt = decision.receipts().first();
    !limiter.counts_in_memory() && receipt.is_none_or(Receipt::is_local_only)
}

/// Counts and reports a request that all of its rules have admitted.
pub(super) fn admitted(limits: &RequestLimits, costs: &[u64], decision: &Decision, waited: bool) {
    let reason = reason_of_admission(is_of_fallback(&limits.limiter, decision), waited);
    let parts = limits.head.as_deref();
    let request = Request::of(limits, parts);
    request.count();
    request.report_rules(&limits.rules, costs, decision, |_| reason);
}

/// Counts the units that each rule has charged, if the decision has consumed any.
#[inline]
pub(super) fn charged(limits: &RequestLimits, costs: &[u64], decision: &Decision) {
    let receipt = decision.receipts().first();
    if instruments::IS_ENABLED && receipt.is_some_and(|receipt| !receipt.is_uncounted()) {
        for (rule, &cost) in costs.iter().enumerate() {
            units(limits, rule, UnitsKind::Charged, cost);
        }
    }
}

/// Counts units that a rule, and those merged into it, have charged or given back.
#[inline]
pub(super) fn units(limits: &RequestLimits, rule: usize, kind: UnitsKind, units: u64) {
    if !instruments::IS_ENABLED {
        return;
    }
    let observer = limits.limiter.observer();
    let configs = limits.rules.get(rule).into_iter();
    for config in configs.flat_map(ResolvedRule::configs) {
        observer.add_units(config.id(), kind, units);
    }
}

/// Counts a reservation of a rule, and of those merged into it.
pub(super) fn reserved(limits: &RequestLimits, rule: usize) {
    reservations(limits, rule, ReservationCounters::open);
}

/// Counts units that a reservation of a rule gives back.
pub(super) fn given_back(limits: &RequestLimits, rule: usize, units: u64) {
    reservations(limits, rule, |counters| counters.give_back(units));
}

/// Counts units that a reservation of a rule charges beyond what was reserved.
pub(super) fn forced(limits: &RequestLimits, rule: usize, units: u64) {
    reservations(limits, rule, |counters| counters.force(units));
}

/// Counts a reservation of a rule that has been settled.
pub(super) fn settled(limits: &RequestLimits, rule: usize, reserved: u64, used: u64) {
    reservations(limits, rule, |counters| counters.settle(reserved, used));
}

fn reservations(limits: &RequestLimits, rule: usize, count: impl Fn(&ReservationCounters)) {
    let configs = limits.rules.get(rule).into_iter();
    for config in configs.flat_map(ResolvedRule::configs) {
        if let Some(record) = limits.limiter.observer().record(config.id()) {
            count(&record.reservations);
        }
    }
}

/// How long a request may wait for room in the budget of a rule.
pub(super) fn max_wait(limiter: &Limiter, rule: &ResolvedRule) -> MaxWait {
    let reserves = |config: &PolicyConfig| {
        let record = limiter.observer().record(config.id());
        record.is_some_and(|record| record.reservations.is_used())
    };
    MaxWait {
        time: rule.max_wait(),
        may_end_sooner: rule.configs().any(reserves),
    }
}

/// Counts the request as one that waits for room under a rule, until the result is dropped.
#[cfg(feature = "metrics")]
pub(super) fn start_wait(limits: &RequestLimits, rule: usize) -> SmallVec<[Waiting<'_>; 1]> {
    let observer = limits.limiter.observer();
    let configs = limits.rules.get(rule).into_iter();
    let records = configs
        .flat_map(ResolvedRule::configs)
        .filter_map(|config| observer.record(config.id()));
    records.map(PolicyRecord::start_wait).collect()
}

/// Without metrics, nothing is counted.
#[cfg(not(feature = "metrics"))]
pub(super) fn start_wait(_: &RequestLimits, _: usize) {}

/// Counts the request as one that waits for a permit, until the result is dropped.
#[cfg(feature = "metrics")]
pub(super) fn start_wait_for_permit(limits: &RequestLimits, permit: usize) -> Option<Waiting<'_>> {
    let observer = limits.limiter.observer();
    let config = limits.permits.get(permit)?.config();
    observer.record(config.id()).map(PolicyRecord::start_wait)
}

/// Without metrics, nothing is counted.
#[cfg(not(feature = "metrics"))]
pub(super) fn start_wait_for_permit(_: &RequestLimits, _: usize) {}

/// Counts and reports the concurrency limits without other limits of a request that is admitted.
pub(super) fn admitted_by_permits(limits: &RequestLimits, hold: &Hold) {
    if !limits.limiter.observer().counts() {
        return;
    }
    let reason = reason_of_admission(hold.is_of_fallback(), hold.has_waited());
    let request = Request::of(limits, limits.head.as_deref());
    if limits.rules.is_empty() {
        request.count();
    }
    request.report_permits_alone(&limits.permits, reason);
}

/// Counts and reports a request that a concurrency limit has refused.
#[cold]
pub(super) fn refused_by_permit(limits: &RequestLimits, rule: &PermitRule, parts: Option<&Parts>) {
    let request = Request::of(limits, parts);
    request.count();
    let observer = limits.limiter.observer();
    observer.add_refused_request(limits.route_template());
    request.report_permit(rule, Reason::Limited);
}

/// Counts and reports what a concurrency limit in dry run has found. One with other limits is
/// counted with these, unless it would have refused the request.
#[cold]
pub(super) fn permit_in_dry_run(
    limits: &RequestLimits,
    rule: &PermitRule,
    acquired: &Result<Result<HeldPermits, usize>, StoreError>,
    parts: Option<&Parts>,
) {
    let reason = match acquired {
        Ok(Ok(_)) if rule.config().has_limits() => return,
        Ok(Ok(held)) if held.is_of_fallback() => Reason::Fallback,
        Ok(Ok(_)) => Reason::Allowed,
        Ok(Err(_)) => Reason::WouldLimit,
        Err(_) => Reason::StoreError,
    };
    let request = Request {
        is_dry_run: true,
        ..Request::of(limits, parts)
    };
    request.report_permit(rule, reason);
}

/// Counts and reports a request that some of its rules have refused.
#[cold]
pub(super) fn refused(
    limiter: &Limiter,
    parts: &Parts,
    denial: &DenialRef<'_>,
    outer: Option<&RequestLimits>,
) {
    let route = denial.route.map_or("", MatchedPath::as_str);
    let request = Request {
        limiter,
        route,
        outer,
        parts: denial.has_head.then_some(parts),
        is_dry_run: false,
    };
    request.count();
    limiter.observer().add_refused_request(route);
    let exhausted = as_exhausted(denial.decision);
    let decision = exhausted.as_ref().unwrap_or(denial.decision);
    let costs = denial.costs;
    request.report_rules(denial.rules, costs, decision, |outcomes| {
        match outcomes.iter().all(Outcome::is_allowed) {
            true => Reason::Allowed,
            false => reason_of_refusal(outcomes),
        }
    });
}

/// Counts and reports a request without an answer of the store, which is refused.
#[cold]
pub(super) fn failed(limits: &RequestLimits) {
    undecided(limits, Reason::StoreError);
    let observer = limits.limiter.observer();
    observer.add_refused_request(limits.route_template());
}

/// Counts and reports a request that has ended before its check was decided.
#[cold]
pub(super) fn abandoned(limits: &RequestLimits) {
    undecided(limits, Reason::Abandoned);
}

fn undecided(limits: &RequestLimits, reason: Reason) {
    let request = Request::of(limits, limits.head.as_deref());
    request.count();
    let costs = limits.costs();
    request.report_rules(&limits.rules, &costs, &Decision::empty(), |_| reason);
    request.report_permits_alone(&limits.permits, reason);
}

/// The request of a check by several rules.
struct Request<'a> {
    limiter: &'a Limiter,
    route: &'a str,
    outer: Option<&'a RequestLimits>,
    parts: Option<&'a Parts>,
    is_dry_run: bool,
}

impl<'a> Request<'a> {
    fn of(limits: &'a RequestLimits, parts: Option<&'a Parts>) -> Self {
        Self {
            limiter: &limits.limiter,
            route: limits.route_template(),
            outer: limits.outer.as_deref(),
            parts,
            is_dry_run: false,
        }
    }

    /// Counts the request for its route, unless limits outside of these have counted it.
    fn count(&self) {
        let mut outer = RequestLimits::innermost_first(self.outer);
        if !outer.any(|outer| outer.limiter.is(self.limiter)) {
            self.limiter.observer().add_request(self.route);
        }
    }

    /// Counts and reports each rule, and the rules merged into it, with its outcomes.
    fn report_rules(
        &self,
        rules: &[ResolvedRule],
        costs: &[u64],
        decision: &Decision,
        reason: impl Fn(&[Outcome]) -> Reason,
    ) {
        let mut rest = decision.outcomes();
        for (index, rule) in rules.iter().enumerate() {
            let (outcomes, others) = rest.split_at(rule.limits.len().min(rest.len()));
            rest = others;
            let cost = costs.get(index).copied().unwrap_or(rule.cost);
            self.report_rule(rule, outcomes, cost, reason(outcomes));
        }
    }

    /// Counts and reports a concurrency limit.
    fn report_permit(&self, rule: &PermitRule, reason: Reason) {
        self.report_without_outcomes(rule.config(), Some(&rule.key), 1, reason);
    }

    /// Counts and reports the concurrency limits without other limits. Those with other limits are
    /// reported with these.
    fn report_permits_alone(&self, permits: &[PermitRule], reason: Reason) {
        let alone = permits.iter().filter(|rule| !rule.config().has_limits());
        alone.for_each(|rule| self.report_permit(rule, reason));
    }

    /// Counts and reports a policy of which no limit was checked.
    fn report_without_outcomes(
        &self,
        config: &PolicyConfig,
        key: Option<&Key>,
        cost: u64,
        reason: Reason,
    ) {
        self.limiter.observer().report(&Finding {
            policy: config.id(),
            route: self.route,
            reason,
            is_dry_run: self.is_dry_run,
            outcomes: &[],
            cost,
            unit: Unit::REQUESTS,
            key_label: config.key_label,
            key,
            jitter: Duration::ZERO,
            parts: self.parts,
        });
    }

    /// Counts and reports a rule, and the rules merged into it.
    fn report_rule(&self, rule: &ResolvedRule, outcomes: &[Outcome], cost: u64, reason: Reason) {
        // Only a client that is refused waits.
        let jitter = match reason.is_without_room() {
            true => self.limiter.retry_jitter(&rule.key),
            false => Duration::ZERO,
        };
        for config in rule.configs() {
            self.limiter.observer().report(&Finding {
                policy: config.id(),
                route: self.route,
                reason,
                is_dry_run: self.is_dry_run,
                outcomes,
                cost,
                unit: rule.limits.unit(),
                key_label: config.key_label,
                key: Some(&rule.key),
                jitter,
                parts: self.parts,
            });
        }
    }
}

fn reason_of_admission(is_of_fallback: bool, has_waited: bool) -> Reason {
    match has_waited {
        _ if is_of_fallback => Reason::Fallback,
        true => Reason::Waited,
        false => Reason::Allowed,
    }
}

fn reason_of_refusal(outcomes: &[Outcome]) -> Reason {
    match outcomes.iter().any(Outcome::exceeds_capacity) {
        true => Reason::ExceedsCapacity,
        false => Reason::Limited,
    }
}
