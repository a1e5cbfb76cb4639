//! Per-request state: resolved rules, the store's last decision, and charges that can be refunded.

use crate::{
    decision::{Decision, Receipt},
    diagnostics::{self, Misconfiguration},
    extract::maybe_ready::MaybeReady,
    limiter::{
        Limiter,
        wait_queue::{self, WaitMode},
    },
    policy::{
        resolution::Resolution,
        resolved_rule::{ResolvedRule, ResolvedRules, use_same_budget},
    },
    response::{grpc, policy_view::PolicyView, rate_limit_info::RateLimitInfo},
    store::{Action, Charge, StoreError},
};
use axum::{extract::MatchedPath, response::Response};
use http::request::Parts;
use parking_lot::Mutex;
use smallvec::SmallVec;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// Why a request does not reach its handler. The response is made later, with the head of the
/// request.
pub(crate) enum Refused {
    /// It exceeds its limits.
    Exceeded(Box<Exceedance>),
    /// The store could not answer.
    Store(StoreError),
    /// For this reason, which has its response already.
    Response(Response),
}

/// A refusal by the store, with the state of the request.
pub(crate) struct Exceedance {
    pub(crate) request_limits: Arc<RequestLimits>,
    pub(crate) costs: Costs,
    pub(crate) decision: Decision,
}

/// The policies of one stack of attributes, or of one layer, on one request.
#[derive(Debug)]
pub(crate) struct RequestLimits {
    pub(crate) limiter: Limiter,
    pub(crate) route: Option<MatchedPath>,
    pub(crate) rules: ResolvedRules,
    /// The policies of the layers around.
    pub(crate) outer: Option<Arc<RequestLimits>>,
    /// The names of rules that do not limit the request.
    pub(crate) exempt: Names,
    /// The head of the request, where a refusal may need it after the arguments took it.
    pub(crate) head: Option<Box<Parts>>,
    /// Whether the request was refused after its arguments had been extracted.
    is_refused: AtomicBool,
    ledger: Mutex<Ledger>,
}

#[derive(Debug, Default)]
struct Ledger {
    /// The newest answer of the store on all rules; `None` before the first.
    decision: Option<Decision>,
    /// What has been consumed and not given back, oldest first.
    consumed: SmallVec<[LedgerEntry; 1]>,
}

#[derive(Clone, Debug)]
struct LedgerEntry {
    /// The place of the rule.
    rule: usize,
    cost: u64,
    receipt: Receipt,
}

type PerRule<T> = SmallVec<[T; 1]>;

/// Names of rules and layers.
pub(crate) type Names = SmallVec<[&'static str; 2]>;

/// What each rule costs, in order.
pub(crate) type Costs = SmallVec<[u64; 4]>;

/// The limits of the nearest layer or handler around: an extension of requests, always inserted
/// together with the `Limiter`.
#[derive(Clone, Debug)]
pub(crate) struct EnclosingLimits {
    limits: Arc<RequestLimits>,
    /// The names of layers further in that do not limit the request.
    exempt: Names,
}

impl EnclosingLimits {
    pub(crate) fn new(limits: Arc<RequestLimits>) -> Self {
        Self {
            limits,
            exempt: Names::new(),
        }
    }

    pub(crate) fn limits(&self) -> &Arc<RequestLimits> {
        &self.limits
    }

    /// Notes that a layer further in does not limit the request.
    pub(crate) fn add_exempt(&mut self, layer: &'static str) {
        self.exempt.push(layer);
    }

    /// The names of all rules and layers that exempt the request, as far as they are known here.
    pub(crate) fn exempt_names(&self) -> impl Iterator<Item = &'static str> {
        self.limits.exempt.iter().chain(&self.exempt).copied()
    }
}

impl RequestLimits {
    pub(crate) fn new(
        limiter: Limiter,
        route: Option<MatchedPath>,
        rules: ResolvedRules,
        outer: Option<Arc<Self>>,
    ) -> Self {
        Self {
            limiter,
            route,
            rules,
            outer,
            exempt: Names::new(),
            head: None,
            is_refused: AtomicBool::new(false),
            ledger: Mutex::default(),
        }
    }

    /// Keeps a copy of the head of the request if the response to a refusal may need it later.
    pub(crate) fn keep_head(&mut self, parts: &Parts) {
        let mut configs = self.rules.iter().flat_map(ResolvedRule::configs);
        if self.limiter.response_settings().on_limited.is_some()
            || configs.any(|config| config.own_response().is_some())
            || grpc::content_type(&parts.headers).is_some()
        {
            self.head = Some(Box::new(parts.clone()));
        }
    }

    /// That of a request under these rules.
    pub(crate) fn of_resolved(
        limiter: Limiter,
        route: Option<MatchedPath>,
        resolution: &mut Resolution,
        outer: Option<Arc<Self>>,
    ) -> Self {
        let mut request_limits = Self::new(limiter, route, ResolvedRules::new(), outer);
        request_limits.rules = resolution.take_rules();
        request_limits.exempt.extend(resolution.exempt_names());
        request_limits
    }

    /// That of a request which no limit applies to.
    pub(crate) fn of_nothing(limiter: Limiter) -> Self {
        Self::new(limiter, None, ResolvedRules::new(), None)
    }

    /// That of a request that was admitted without one, by a single charge in memory: the outcomes are
    /// those of now, and the charge can be refunded.
    pub(crate) fn of_admitted(
        limiter: Limiter,
        route: Option<MatchedPath>,
        resolution: &mut Resolution,
        outer: Option<Arc<Self>>,
    ) -> Self {
        let charged_at = resolution.charged_at();
        let request_limits = Self::of_resolved(limiter, route, resolution, outer);
        let charges = request_limits.charges(|_, _| Some(0));
        let decision = match request_limits.limiter.try_check_all(&charges, Action::Peek) {
            Ok(decision) if !charges.is_empty() => Some(decision.into_allowed()),
            _ => None,
        };
        drop(charges);
        if let Some(decision) = decision {
            let costs = request_limits.costs();
            let receipts = costs.iter().map(|&cost| Receipt::of_cost(charged_at, cost));
            request_limits.record(&costs, decision.with_receipts(receipts));
        }
        request_limits
    }

    /// That of a request which the layer of this name exempts.
    pub(crate) fn of_exempt(limiter: Limiter, name: &'static str, outer: Arc<Self>) -> Self {
        let mut request_limits = Self::new(limiter, None, ResolvedRules::new(), Some(outer));
        request_limits.exempt.push(name);
        request_limits
    }

    /// `innermost` and those around it, from the inside out.
    pub(crate) fn outwards(innermost: Option<&Self>) -> impl Iterator<Item = &Self> {
        std::iter::successors(innermost, |request_limits| request_limits.outer.as_deref())
    }

    /// What headers may say of each rule.
    pub(crate) fn views(&self) -> impl Iterator<Item = PolicyView<'_>> {
        self.rules.iter().map(|rule| rule.view(rule.cost))
    }

    /// Adds the policies here to the description of a request, with the units that they consumed.
    pub(crate) fn describe(&self, info: &mut RateLimitInfo) {
        if let Some(decision) = self.decision() {
            let rules = self.rules.iter().enumerate();
            let policies = rules.map(|(index, rule)| rule.view(self.consumed(index)));
            info.add(policies, &decision);
        }
    }

    /// What each rule costs.
    fn costs(&self) -> Costs {
        self.rules.iter().map(|rule| rule.cost).collect()
    }

    /// Checks all rules at their own costs.
    ///
    /// # Errors
    /// Why the request is refused; nothing was consumed then.
    pub(crate) fn admit<T: 'static>(
        self: Arc<Self>,
        then: fn(Arc<Self>) -> T,
    ) -> MaybeReady<Result<T, Refused>> {
        let costs = self.costs();
        self.settle(costs, Action::Consume, then)
    }

    /// The same where the request is not worth a wait.
    pub(crate) fn admit_without_waiting<T: 'static>(
        self: Arc<Self>,
        then: fn(Arc<Self>) -> T,
    ) -> MaybeReady<Result<T, Refused>> {
        let costs = self.costs();
        self.settle_in_mode(costs, Action::Consume, WaitMode::Never, then)
    }

    /// Refuses those who have nothing left.
    ///
    /// # Errors
    /// Why the request is refused.
    pub(crate) fn peek<T: 'static>(
        self: Arc<Self>,
        then: fn(Arc<Self>) -> T,
    ) -> MaybeReady<Result<T, Refused>> {
        let costs = self.costs();
        self.settle(costs, Action::Peek, then)
    }

    /// Checks all rules at `costs`, one for each, and waits for room where their rules allow it.
    ///
    /// # Errors
    /// Why the request is refused; nothing was consumed then.
    pub(crate) fn settle<T: 'static>(
        self: Arc<Self>,
        costs: Costs,
        action: Action,
        then: fn(Arc<Self>) -> T,
    ) -> MaybeReady<Result<T, Refused>> {
        self.settle_in_mode(costs, action, WaitMode::Allowed, then)
    }

    /// Like [`settle`](Self::settle), with or without waiting.
    ///
    /// # Errors
    /// Why the request is refused; nothing was consumed then.
    pub(crate) fn settle_in_mode<T: 'static>(
        self: Arc<Self>,
        costs: Costs,
        action: Action,
        mode: WaitMode,
        then: fn(Arc<Self>) -> T,
    ) -> MaybeReady<Result<T, Refused>> {
        let charges = self.charges(|index, _| costs.get(index).copied());
        if !self.limiter.wait_queues().has_waiters(&charges)
            && let Ok(decision) = self.limiter.try_check_all(&charges, action)
        {
            let is_final = decision.is_allowed() || mode == WaitMode::Never || !self.may_wait();
            if is_final {
                drop(charges);
                return MaybeReady::Ready(self.conclude(costs, decision).map(then));
            }
        }
        drop(charges);
        MaybeReady::Pending(Box::pin(async move {
            let charges = self.charges(|index, _| costs.get(index).copied());
            let max_waits: PerRule<Duration> =
                self.rules.iter().map(ResolvedRule::max_wait).collect();
            let acquired =
                wait_queue::acquire(&self.limiter, &charges, action, &max_waits, mode).await;
            drop(charges);
            match acquired {
                Ok(decision) => self.conclude(costs, decision).map(then),
                Err(error) => Err(Refused::Store(error)),
            }
        }))
    }

    /// Whether a rule lets the request wait for room.
    fn may_wait(&self) -> bool {
        let mut rules = self.rules.iter();
        rules.any(|rule| !rule.max_wait().is_zero())
    }

    /// Keeps what the store answered to `costs`, one for each rule.
    ///
    /// # Errors
    /// If it refused them.
    #[expect(
        clippy::result_large_err,
        reason = "an error is a response, and no request is refused twice"
    )]
    fn conclude(self: Arc<Self>, costs: Costs, decision: Decision) -> Result<Arc<Self>, Refused> {
        if decision.is_allowed() {
            self.record(&costs, decision);
            return Ok(self);
        }
        Err(Refused::Exceeded(Box::new(Exceedance {
            request_limits: self,
            costs,
            decision,
        })))
    }

    /// The rules for which this answer does not count.
    pub(crate) fn uncounted(&self, response: &Response) -> SmallVec<[usize; 2]> {
        let rules = self.rules.iter().enumerate();
        rules
            // Of rules that share a budget, each one counts by its own `count_when`.
            .filter(|(_, rule)| {
                rule.configs().all(|config| {
                    let counts = config.count_when;
                    counts.is_some_and(|counts| !counts(response))
                })
            })
            .map(|(index, _)| index)
            .collect()
    }

    /// Says once if a layer around has already charged a budget that is charged here again.
    pub(crate) fn warn_of_double_charge(&self) {
        let mut outer = Self::outwards(self.outer.as_deref());
        if outer.any(|outer| outer.shares_a_budget_with(self)) {
            diagnostics::warn_once(Misconfiguration::ChargedTwice);
        }
    }

    /// Whether a policy here draws on the same budget as one of `other`'s.
    fn shares_a_budget_with(&self, other: &Self) -> bool {
        if !self.limiter.is(&other.limiter) {
            return false;
        }
        let charges = self.charges(|_, _| Some(1));
        let others = other.charges(|_, _| Some(1));
        charges.iter().any(|charge| {
            let mut others = others.iter();
            others.any(|other| use_same_budget(charge, other))
        })
    }

    /// Notes that the handler is not called, although its arguments have been extracted.
    pub(crate) fn mark_refused(&self) {
        self.is_refused.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_refused(&self) -> bool {
        self.is_refused.load(Ordering::Relaxed)
    }

    /// The units that this rule has consumed and not given back.
    pub(crate) fn consumed(&self, rule: usize) -> u64 {
        let ledger = self.ledger.lock();
        let consumed = ledger.consumed.iter().filter(|one| one.rule == rule);
        consumed.fold(0, |sum, one| sum.saturating_add(one.cost))
    }

    /// The newest answer of the store on all rules.
    pub(crate) fn decision(&self) -> Option<Decision> {
        self.ledger.lock().decision.clone()
    }

    /// The rules as charges, at the costs that `cost` says; those for which it says none are left out.
    pub(crate) fn charges(
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

    /// Keeps what the store answered to `costs`, one for each rule.
    fn record(&self, costs: &[u64], mut decision: Decision) {
        let mut ledger = self.ledger.lock();
        let receipts = costs.iter().zip(decision.take_receipts()).enumerate();
        ledger
            .consumed
            .extend(receipts.map(|(rule, (&cost, receipt))| LedgerEntry {
                rule,
                cost,
                receipt,
            }));
        ledger.decision = Some(decision);
    }

    /// Consumes `cost` more of the chosen rules: all or nothing with [`Action::Consume`], in any
    /// case with [`Action::Force`]. Answers how the chosen rules stand.
    pub(crate) async fn charge_more(
        &self,
        chosen: impl Fn(usize) -> bool,
        cost: u64,
        action: Action,
    ) -> Result<Decision, StoreError> {
        let charges = self.charges(|index, _| chosen(index).then_some(cost));
        if charges.is_empty() {
            return Ok(Decision::empty());
        }
        let mut decision = self.limiter.check_all(&charges, action).await?;
        let places = (0..self.rules.len()).filter(|&index| chosen(index));
        self.ledger
            .lock()
            .consumed
            .extend(
                places
                    .zip(decision.take_receipts())
                    .map(|(rule, receipt)| LedgerEntry {
                        rule,
                        cost,
                        receipt,
                    }),
            );
        self.refresh().await;
        Ok(decision)
    }

    /// Gives back up to `units` of what each chosen rule has consumed, the newest first.
    pub(crate) async fn give_back(
        &self,
        chosen: impl Fn(usize) -> bool,
        units: u64,
    ) -> Result<(), StoreError> {
        let taken_back = self.take_back(chosen, units);
        if taken_back.is_empty() {
            return Ok(());
        }
        let charges: PerRule<Charge<'_>> = taken_back
            .iter()
            .filter_map(|consumed| {
                let rule = self.rules.get(consumed.rule)?;
                Some(Charge {
                    cost: consumed.cost,
                    ..rule.charge(self.route.as_ref())
                })
            })
            .collect();
        let receipts: PerRule<Receipt> = taken_back
            .into_iter()
            .map(|consumed| consumed.receipt)
            .collect();
        self.limiter.refund(&charges, &receipts).await?;
        self.refresh().await;
        Ok(())
    }

    /// Takes units off the ledger before they are given back, so that none is given back twice.
    fn take_back(&self, chosen: impl Fn(usize) -> bool, units: u64) -> PerRule<LedgerEntry> {
        let mut left: PerRule<u64> = (0..self.rules.len())
            .map(|index| if chosen(index) { units } else { 0 })
            .collect();
        let mut taken_back = SmallVec::new();
        for consumed in self.ledger.lock().consumed.iter_mut().rev() {
            let Some(left) = left.get_mut(consumed.rule) else {
                continue;
            };
            let cost = consumed.cost.min(*left);
            if cost > 0 {
                *left -= cost;
                consumed.cost -= cost;
                taken_back.push(LedgerEntry {
                    cost,
                    ..consumed.clone()
                });
            }
        }
        taken_back
    }

    /// Asks the store how all rules stand now. What has been charged is charged even if it does not answer:
    /// then the ledger keep the answer that they have.
    async fn refresh(&self) {
        let charges = self.charges(|_, _| Some(0));
        if let Ok(decision) = self.limiter.check_all(&charges, Action::Peek).await {
            self.ledger.lock().decision = Some(decision);
        }
    }
}
