//! Per-request state: resolved rules, the store's last decision, and charges that can be refunded.

use super::{
    hold::{Hold, LaterHold},
    ledger::{Costs, Ledger, PerRule},
    permit_rule::PermitRule,
    settlement::Settlements,
};
use crate::{
    decision::{Decision, Receipt},
    diagnostics::{self, Misconfiguration},
    limiter::Limiter,
    policy::{
        config::PolicyConfig,
        resolution::Resolution,
        resolved_rule::{ResolvedRule, ResolvedRules, use_same_budget},
        rule::RuleSet,
    },
    response::{grpc, policy_view::PolicyView, rate_limit_info::RateLimitInfo},
    store::{Action, Charge},
};
use axum::{extract::MatchedPath, response::Response};
use http::request::Parts;
use parking_lot::Mutex;
use smallvec::SmallVec;
use std::{
    mem,
    sync::{Arc, OnceLock, Weak},
};

/// The rules of one handler or one layer for one request, and what has been charged for them.
///
/// Its checks and charges are in [`charging`](super::charging).
#[derive(Debug)]
pub(crate) struct RequestLimits {
    pub(crate) limiter: Limiter,
    pub(crate) route: Option<MatchedPath>,
    pub(crate) rules: ResolvedRules,
    /// The concurrency limits. Rules that have no other limit are only here.
    pub(super) permits: Vec<PermitRule>,
    /// The permits that the request holds, as long as something holds them.
    hold: OnceLock<Weak<Hold>>,
    /// Extractors that hold the permits as well, once the request has taken them.
    later_holds: Mutex<Vec<Weak<LaterHold>>>,
    /// The limits of the nearest layer or handler outside this one.
    pub(crate) outer: Option<Arc<RequestLimits>>,
    /// Names of rules that do not limit the request.
    pub(crate) exempt: PolicyNames,
    /// The rules of the handler that are not resolved before its arguments are known.
    pub(super) unresolved: Vec<&'static PolicyConfig>,
    /// A copy of the request's head, kept if a refusal after extraction may need it.
    pub(crate) head: Option<Arc<Parts>>,
    pub(super) ledger: Mutex<Ledger>,
    pub(super) settlements: Settlements,
    /// The rules in dry run, once the others have admitted the request.
    dry_run: OnceLock<Box<Self>>,
    /// The state that replaces this one, which extractors hold, once the arguments are known.
    next: OnceLock<Arc<Self>>,
}

/// Names of rules and layers.
pub(crate) type PolicyNames = SmallVec<[&'static str; 2]>;

impl RequestLimits {
    fn new(
        limiter: Limiter,
        route: Option<MatchedPath>,
        rules: ResolvedRules,
        outer: Option<Arc<Self>>,
    ) -> Self {
        Self {
            limiter,
            route,
            rules,
            permits: Vec::new(),
            hold: OnceLock::new(),
            later_holds: Mutex::default(),
            outer,
            exempt: PolicyNames::new(),
            unresolved: Vec::new(),
            head: None,
            ledger: Mutex::default(),
            settlements: Settlements::default(),
            dry_run: OnceLock::new(),
            next: OnceLock::new(),
        }
    }

    /// The state before the check of the rules in `resolution`, which are moved out of it.
    pub(crate) fn from_resolution(
        limiter: Limiter,
        route: Option<MatchedPath>,
        resolution: &mut Resolution,
        outer: Option<Arc<Self>>,
    ) -> Self {
        let mut request_limits = Self::new(limiter, route, ResolvedRules::new(), outer);
        request_limits.set_rules(resolution, RuleSet::EMPTY);
        request_limits
    }

    /// Sets the rules to those in `resolution`, which are moved out of it. The concurrency limits
    /// of the rules that are `known` have been set before.
    pub(super) fn set_rules(&mut self, resolution: &mut Resolution, known: RuleSet) {
        self.rules = resolution.take_rules();
        let permits = PermitRule::take_from(&mut self.rules, known);
        self.permits.extend(permits);
        let exempt = resolution.exempt_rules().map(|config| config.name);
        self.exempt.extend(exempt);
    }

    /// A state that replaces this one, with the same charges.
    pub(super) fn copy(&self) -> Self {
        Self {
            permits: self.permits.clone(),
            exempt: self.exempt.clone(),
            head: self.head.clone(),
            ledger: Mutex::new(self.ledger.lock().clone()),
            settlements: self.settlements.take(),
            later_holds: Mutex::new(mem::take(&mut self.later_holds.lock())),
            ..Self::new(
                self.limiter.clone(),
                self.route.clone(),
                self.rules.clone(),
                self.outer.clone(),
            )
        }
    }

    /// Replaces this state for the extractors that hold it.
    pub(super) fn set_next(&self, next: Arc<Self>) {
        // The arguments become known once.
        let _ = self.next.set(next);
    }

    /// This state, or the one that replaces it.
    pub(crate) fn current(&self) -> &Self {
        self.next.get().map_or(self, |next| next)
    }

    /// The state of a request that no limit applies to.
    pub(crate) fn unlimited(limiter: Limiter) -> Self {
        Self::new(limiter, None, ResolvedRules::new(), None)
    }

    /// The state of a request that a layer with this name exempts, or checks in dry run.
    pub(crate) fn exempted_by_layer(
        limiter: Limiter,
        name: &'static str,
        outer: Option<Arc<Self>>,
    ) -> Self {
        let mut request_limits = Self::new(limiter, None, ResolvedRules::new(), outer);
        request_limits.exempt.push(name);
        request_limits
    }

    /// The state of a request that was admitted by a single charge in memory, without any state.
    /// Its outcomes are current ones, and the charge can be refunded.
    pub(crate) fn from_admitted(
        limiter: Limiter,
        route: Option<MatchedPath>,
        resolution: &mut Resolution,
        outer: Option<Arc<Self>>,
    ) -> Self {
        let charged_at = resolution.charged_at();
        let request_limits = Self::from_resolution(limiter, route, resolution, outer);
        let charges = request_limits.charges_with(|_, _| Some(0));
        let decision = match request_limits.limiter.try_check_all(&charges, Action::Peek) {
            Ok(decision) if !charges.is_empty() => Some(decision.into_allowed()),
            _ => None,
        };
        drop(charges);
        if let Some(decision) = decision {
            let costs = request_limits.costs();
            let receipts = costs.iter().map(|&cost| Receipt::of_cost(charged_at, cost));
            let decision = decision.with_receipts(receipts);
            let mut ledger = request_limits.ledger.lock();
            ledger.record(&costs, decision);
            ledger.set_charged(&costs);
            drop(ledger);
        }
        request_limits
    }

    /// Keeps a copy of the request's head if the response to a late refusal may need it.
    pub(crate) fn keep_head(&mut self, parts: &Parts) {
        let mut configs = self.rules.iter().flat_map(ResolvedRule::configs);
        if self.limiter.response_settings().on_limited.is_some()
            || self.limiter.observer().has_hook()
            || configs.any(|config| config.own_response().is_some())
            || grpc::content_type(&parts.headers).is_some()
        {
            self.head = Some(Arc::new(parts.clone()));
        }
    }

    /// `innermost` and all limits outside it, from the inside out.
    pub(crate) fn innermost_first(innermost: Option<&Self>) -> impl Iterator<Item = &Self> {
        let innermost = innermost.map(Self::current);
        std::iter::successors(innermost, |request_limits| {
            request_limits.outer.as_deref().map(Self::current)
        })
    }

    /// What headers report of each rule, besides its outcomes.
    pub(crate) fn policy_views(&self) -> impl Iterator<Item = PolicyView<'_>> {
        self.rules.iter().map(|rule| rule.view(rule.cost))
    }

    /// Adds these policies and the units that they have consumed to `info`.
    pub(crate) fn add_to_info(&self, info: &mut RateLimitInfo) {
        if let Some(decision) = self.decision() {
            let rules = self.rules.iter().enumerate();
            let policies = rules.map(|(index, rule)| rule.view(self.consumed(index)));
            info.add(policies, &decision);
        }
    }

    /// The route template, which is empty for a request to no route.
    pub(super) fn route_template(&self) -> &str {
        self.route.as_ref().map_or("", MatchedPath::as_str)
    }

    /// Adds the rules in dry run.
    pub(super) fn set_dry_run(&self, dry_run: Self) {
        // A request is resolved once.
        let _ = self.dry_run.set(Box::new(dry_run));
    }

    /// The rules in dry run, if there are any.
    pub(super) fn dry_run(&self) -> Option<&Self> {
        self.dry_run.get().map(|dry_run| &**dry_run)
    }

    /// The resolved cost of each rule.
    pub(super) fn costs(&self) -> Costs {
        self.rules.iter().map(|rule| rule.cost).collect()
    }

    /// The rules as charges at the costs that `cost` returns for a rule and its index. Rules for
    /// which it returns `None` are left out.
    pub(super) fn charges_with(
        &self,
        cost: impl Fn(usize, &ResolvedRule) -> Option<u64>,
    ) -> PerRule<Charge<'_>> {
        let rules = self.rules.iter().enumerate();
        rules
            .filter_map(|(index, rule)| {
                let cost = cost(index, rule)?;
                Some(Charge {
                    cost,
                    ..rule.charge(self.route.as_ref())
                })
            })
            .collect()
    }

    /// The store's last decision on all rules; `None` before the first check.
    pub(crate) fn decision(&self) -> Option<Decision> {
        self.ledger.lock().decision.clone()
    }

    /// The units that the rule at this index has consumed, less refunds.
    fn consumed(&self, rule: usize) -> u64 {
        self.ledger.lock().consumed(rule)
    }

    /// Indices of the rules whose `count_when` excludes this response.
    pub(crate) fn uncounted_rules(&self, response: &Response) -> SmallVec<[usize; 2]> {
        let rules = self.rules.iter().enumerate();
        rules
            // Merged rules share one charge: it counts if one of them counts the response.
            .filter(|(_, rule)| {
                rule.configs().all(|config| {
                    let counts = config.count_when;
                    counts.is_some_and(|counts| !counts(response))
                })
            })
            .map(|(index, _)| index)
            .collect()
    }

    /// Warns if a layer outside has already charged a budget that is charged here again.
    pub(crate) fn warn_of_double_charge(&self) {
        let mut outer = Self::innermost_first(self.outer.as_deref());
        if outer.any(|outer| outer.shares_a_budget_with(self)) {
            diagnostics::warn_once(Misconfiguration::ChargedTwice);
        }
    }

    fn shares_a_budget_with(&self, other: &Self) -> bool {
        if !self.limiter.is(&other.limiter) {
            return false;
        }
        let charges = self.charges_with(|_, _| Some(1));
        let others = other.charges_with(|_, _| Some(1));
        let share_limits = charges.iter().any(|charge| {
            let mut others = others.iter();
            others.any(|other| use_same_budget(charge, other))
        });
        let permits = self.permits.iter();
        let mut permits = permits.map(|permit| permit.budget(self.route.as_ref()));
        let share_permits = permits.any(|budget| {
            let mut others = other.permits.iter();
            others.any(|permit| permit.budget(other.route.as_ref()) == budget)
        });
        share_limits || share_permits
    }

    /// Lets extractors find the permits of the request.
    pub(super) fn set_hold(&self, hold: &Arc<Hold>) {
        // A request takes its permits once.
        let _ = self.hold.set(Arc::downgrade(hold));
        let later = self.later_holds.lock();
        for later in later.iter().filter_map(Weak::upgrade) {
            let _ = later.set(hold.clone());
        }
    }

    /// Where an extractor finds the permits, if the request may take them later.
    pub(super) fn later_hold(&self) -> Option<Arc<LaterHold>> {
        if self.hold.get().is_some() {
            return None;
        }
        let later = Arc::new(LaterHold::new());
        self.later_holds.lock().push(Arc::downgrade(&later));
        Some(later)
    }

    /// The permits of the request, if it still holds them.
    pub(super) fn current_hold(&self) -> Option<Arc<Hold>> {
        self.hold.get()?.upgrade()
    }
}
