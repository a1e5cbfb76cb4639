//! Refuses a request by its cheap rules, before any function of the application runs.
//!
//! A rule is cheap if its key, limits and cost are constants or functions of this crate.

use super::{
    denial::DenialRef, enclosing_limits::EnclosingLimits, ledger::Costs,
    permit_rule::rules_with_limits, refusal::denied_response, report,
};
use crate::{
    limiter::{
        Limiter,
        wait_queue::{self, MaxWait},
    },
    policy::{resolution::Resolution, resolved_rule::ResolvedRules},
    store::Charge,
};
use axum::{extract::MatchedPath, response::Response};
use http::request::Parts;
use smallvec::SmallVec;

/// Refuses the request if the rules resolved so far, the cheap ones, deny it.
///
/// Consumes nothing and calls no remote store: only what this process knows counts.
pub(crate) fn refuse_by_cheap_rules(limiter: &Limiter, parts: &Parts, resolution: &mut Resolution) {
    if let Some(response) = denied_by_cheap_rules(limiter, parts, resolution) {
        resolution.refuse(Box::new(response));
    }
}

fn denied_by_cheap_rules(
    limiter: &Limiter,
    parts: &Parts,
    resolution: &mut Resolution,
) -> Option<Response> {
    let route = parts.extensions.get::<MatchedPath>();
    resolution.merge_same_budgets(route);
    let outer = parts.extensions.get::<EnclosingLimits>();
    let outer = outer.map(|outer| &**outer.limits());
    // Concurrency limits are not asked before a request is ready to be admitted.
    let with_limits: ResolvedRules;
    let rules = match resolution.rules() {
        rules if rules.iter().all(|rule| rule.config.has_limits()) => rules,
        rules => {
            with_limits = rules_with_limits(rules).cloned().collect();
            &with_limits
        }
    };
    let charges: SmallVec<[Charge<'_>; 2]> = rules.iter().map(|rule| rule.charge(route)).collect();
    let max_waits: SmallVec<[MaxWait; 2]> = rules
        .iter()
        .map(|rule| report::max_wait(limiter, rule))
        .collect();
    let (rules, decision) = match wait_queue::refused_now(limiter, &charges, &max_waits) {
        Some(decision) => (rules.clone(), decision),
        None => {
            let (index, decision) = limiter.known_denial(&charges)?;
            // The decision is on one rule, or on all of them.
            let denied = match index {
                None => 0..charges.len(),
                Some(index) => index..index + 1,
            };
            let (denied_charges, denied_waits) =
                (charges.get(denied.clone())?, max_waits.get(denied.clone())?);
            if wait_queue::may_wait(denied_charges, denied_waits, &decision) {
                return None;
            }
            (rules.get(denied)?.into(), decision)
        }
    };
    let costs: Costs = rules.iter().map(|rule| rule.cost).collect();
    let denial = DenialRef {
        rules: &rules,
        costs: &costs,
        decision: &decision,
        route,
        has_head: true,
    };
    Some(denied_response(limiter, parts, &denial, outer))
}
