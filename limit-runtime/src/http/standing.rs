//! How a request stands with its limits: what was asked, what was answered, what has been consumed.

use super::{
    grpc,
    policy::Resolved,
    refusal::{Exceedance, Refused},
    setup::{self, WrongSetup},
    soon::Soon,
    spec::{Demand, Demands, draw_on_same_budget},
    wait_queue::{self, WaitMode},
};
use crate::{
    decision::{Decision, Receipt},
    limiter::Limiter,
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

/// The policies of one stack of attributes, or of one layer, on one request.
#[derive(Debug)]
pub(super) struct Standing {
    pub(super) limiter: Limiter,
    pub(super) route: Option<MatchedPath>,
    pub(super) demands: Demands,
    /// The policies of the layers around.
    pub(super) outer: Option<Arc<Standing>>,
    /// The names of rules that do not limit the request.
    pub(super) exempt: Names,
    /// The head of the request, where a refusal may need it after the arguments took it.
    pub(super) head: Option<Box<Parts>>,
    /// Whether the request was refused after its arguments had been extracted.
    is_refused: AtomicBool,
    books: Mutex<Books>,
}

#[derive(Debug, Default)]
struct Books {
    /// The newest answer of the store on all demands; `None` before the first.
    decision: Option<Decision>,
    /// What has been consumed and not given back, oldest first.
    consumed: SmallVec<[Consumed; 1]>,
}

#[derive(Clone, Debug)]
struct Consumed {
    /// The place of the demand.
    demand: usize,
    cost: u64,
    receipt: Receipt,
}

type PerDemand<T> = SmallVec<[T; 1]>;

/// Names of rules and layers.
pub(super) type Names = SmallVec<[&'static str; 2]>;

/// What each demand costs, in order.
pub(super) type Costs = SmallVec<[u64; 4]>;

impl Standing {
    pub(super) fn new(
        limiter: Limiter,
        route: Option<MatchedPath>,
        demands: Demands,
        outer: Option<Arc<Self>>,
    ) -> Self {
        Self {
            limiter,
            route,
            demands,
            outer,
            exempt: Names::new(),
            head: None,
            is_refused: AtomicBool::new(false),
            books: Mutex::default(),
        }
    }

    /// Keeps a copy of the head of the request if the response to a refusal may need it later.
    pub(super) fn keep_head(&mut self, parts: &Parts) {
        let mut specs = self.demands.iter().flat_map(Demand::specs);
        if self.limiter.on_limited().is_some()
            || specs.any(|spec| spec.own_response().is_some())
            || grpc::content_type(&parts.headers).is_some()
        {
            self.head = Some(Box::new(parts.clone()));
        }
    }

    /// That of a request under these rules.
    pub(super) fn of_resolved(
        limiter: Limiter,
        route: Option<MatchedPath>,
        resolved: &mut Resolved,
        outer: Option<Arc<Self>>,
    ) -> Self {
        let mut standing = Self::new(limiter, route, Demands::new(), outer);
        standing.demands = resolved.take_demands();
        standing.exempt.extend(resolved.exempt_names());
        standing
    }

    /// That of a request which no limit applies to.
    pub(super) fn of_nothing(limiter: Limiter) -> Self {
        Self::new(limiter, None, Demands::new(), None)
    }

    /// That of a request that was admitted without one, by a single charge in memory: the outcomes are
    /// those of now, and the charge can be refunded.
    pub(super) fn of_admitted(
        limiter: Limiter,
        route: Option<MatchedPath>,
        resolved: &mut Resolved,
        outer: Option<Arc<Self>>,
    ) -> Self {
        let charged_at = resolved.charged_at();
        let standing = Self::of_resolved(limiter, route, resolved, outer);
        let charges = standing.charges(|_, _| Some(0));
        let decision = match standing.limiter.decide_now(&charges, Action::Peek) {
            Ok(decision) if !charges.is_empty() => Some(decision.into_allowed()),
            _ => None,
        };
        drop(charges);
        if let Some(decision) = decision {
            let costs = standing.costs();
            let receipts = costs.iter().map(|&cost| Receipt::of_cost(charged_at, cost));
            standing.enter(&costs, decision.with_receipts(receipts));
        }
        standing
    }

    /// That of a request which the layer of this name exempts.
    pub(super) fn of_exempt(limiter: Limiter, name: &'static str, outer: Arc<Self>) -> Self {
        let mut standing = Self::new(limiter, None, Demands::new(), Some(outer));
        standing.exempt.push(name);
        standing
    }

    /// `innermost` and those around it, from the inside out.
    pub(super) fn outwards(innermost: Option<&Self>) -> impl Iterator<Item = &Self> {
        std::iter::successors(innermost, |standing| standing.outer.as_deref())
    }

    /// What each demand costs.
    fn costs(&self) -> Costs {
        self.demands.iter().map(|demand| demand.cost).collect()
    }

    /// Checks all demands at their own costs.
    ///
    /// # Errors
    /// Why the request is refused; nothing was consumed then.
    pub(super) fn admit<T: 'static>(
        self: Arc<Self>,
        then: fn(Arc<Self>) -> T,
    ) -> Soon<Result<T, Refused>> {
        let costs = self.costs();
        self.settle(costs, Action::Consume, then)
    }

    /// The same where the request is not worth a wait.
    pub(super) fn admit_without_waiting<T: 'static>(
        self: Arc<Self>,
        then: fn(Arc<Self>) -> T,
    ) -> Soon<Result<T, Refused>> {
        let costs = self.costs();
        self.settle_in_mode(costs, Action::Consume, WaitMode::Never, then)
    }

    /// Refuses those who have nothing left.
    ///
    /// # Errors
    /// Why the request is refused.
    pub(super) fn peek<T: 'static>(
        self: Arc<Self>,
        then: fn(Arc<Self>) -> T,
    ) -> Soon<Result<T, Refused>> {
        let costs = self.costs();
        self.settle(costs, Action::Peek, then)
    }

    /// Checks all demands at `costs`, one for each, and waits for room where their rules allow it.
    ///
    /// # Errors
    /// Why the request is refused; nothing was consumed then.
    pub(super) fn settle<T: 'static>(
        self: Arc<Self>,
        costs: Costs,
        action: Action,
        then: fn(Arc<Self>) -> T,
    ) -> Soon<Result<T, Refused>> {
        self.settle_in_mode(costs, action, WaitMode::Allowed, then)
    }

    /// Like [`settle`](Self::settle), with or without waiting.
    ///
    /// # Errors
    /// Why the request is refused; nothing was consumed then.
    pub(super) fn settle_in_mode<T: 'static>(
        self: Arc<Self>,
        costs: Costs,
        action: Action,
        mode: WaitMode,
        then: fn(Arc<Self>) -> T,
    ) -> Soon<Result<T, Refused>> {
        let charges = self.charges(|index, _| costs.get(index).copied());
        if !self.limiter.wait_queues().has_waiters(&charges)
            && let Ok(decision) = self.limiter.decide_now(&charges, action)
        {
            let is_final = decision.is_allowed() || mode == WaitMode::Never || !self.may_wait();
            if is_final {
                drop(charges);
                return Soon::Now(self.conclude(costs, decision).map(then));
            }
        }
        drop(charges);
        Soon::Later(Box::pin(async move {
            let charges = self.charges(|index, _| costs.get(index).copied());
            let max_waits: PerDemand<Duration> =
                self.demands.iter().map(Demand::max_wait).collect();
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
        let mut demands = self.demands.iter();
        demands.any(|demand| !demand.max_wait().is_zero())
    }

    /// Keeps what the store answered to `costs`, one for each demand.
    ///
    /// # Errors
    /// If it refused them.
    #[expect(
        clippy::result_large_err,
        reason = "an error is a response, and no request is refused twice"
    )]
    fn conclude(self: Arc<Self>, costs: Costs, decision: Decision) -> Result<Arc<Self>, Refused> {
        if decision.is_allowed() {
            self.enter(&costs, decision);
            return Ok(self);
        }
        Err(Refused::Exceeded(Box::new(Exceedance {
            standing: self,
            costs,
            decision,
        })))
    }

    /// The demands for which this answer does not count.
    pub(super) fn uncounted(&self, response: &Response) -> SmallVec<[usize; 2]> {
        let demands = self.demands.iter().enumerate();
        demands
            // Of rules that share a budget, each one counts by its own `count_when`.
            .filter(|(_, demand)| {
                demand.specs().all(|spec| {
                    let counts = spec.count_when;
                    counts.is_some_and(|counts| !counts(response))
                })
            })
            .map(|(index, _)| index)
            .collect()
    }

    /// Says once if a layer around has already charged a budget that is charged here again.
    pub(super) fn warn_of_double_charge(&self) {
        let mut outer = Self::outwards(self.outer.as_deref());
        if outer.any(|outer| outer.shares_a_budget_with(self)) {
            setup::say_once(WrongSetup::ChargedTwice);
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
            others.any(|other| draw_on_same_budget(charge, other))
        })
    }

    /// Notes that the handler is not called, although its arguments have been extracted.
    pub(super) fn mark_refused(&self) {
        self.is_refused.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_refused(&self) -> bool {
        self.is_refused.load(Ordering::Relaxed)
    }

    /// The units that this demand has consumed and not given back.
    pub(super) fn consumed(&self, demand: usize) -> u64 {
        let books = self.books.lock();
        let consumed = books.consumed.iter().filter(|one| one.demand == demand);
        consumed.fold(0, |sum, one| sum.saturating_add(one.cost))
    }

    /// The newest answer of the store on all demands.
    pub(super) fn decision(&self) -> Option<Decision> {
        self.books.lock().decision.clone()
    }

    /// The demands as charges, at the costs that `cost` says; those for which it says none are left out.
    pub(super) fn charges(
        &self,
        cost: impl Fn(usize, &Demand) -> Option<u64>,
    ) -> PerDemand<Charge<'_>> {
        let demands = self.demands.iter().enumerate();
        demands
            .filter_map(|(index, demand)| {
                let cost = cost(index, demand)?;
                Some(Charge {
                    cost,
                    ..demand.charge(self.route.as_ref())
                })
            })
            .collect()
    }

    /// Keeps what the store answered to `costs`, one for each demand.
    fn enter(&self, costs: &[u64], mut decision: Decision) {
        let mut books = self.books.lock();
        let receipts = costs.iter().zip(decision.take_receipts()).enumerate();
        books
            .consumed
            .extend(receipts.map(|(demand, (&cost, receipt))| Consumed {
                demand,
                cost,
                receipt,
            }));
        books.decision = Some(decision);
    }

    /// Consumes `cost` more of the chosen demands: all or nothing with [`Action::Consume`], in any
    /// case with [`Action::Force`]. Answers how the chosen demands stand.
    pub(super) async fn take(
        &self,
        chosen: impl Fn(usize) -> bool,
        cost: u64,
        action: Action,
    ) -> Result<Decision, StoreError> {
        let charges = self.charges(|index, _| chosen(index).then_some(cost));
        if charges.is_empty() {
            return Ok(Decision::empty());
        }
        let mut decision = self.limiter.decide(&charges, action).await?;
        let places = (0..self.demands.len()).filter(|&index| chosen(index));
        self.books
            .lock()
            .consumed
            .extend(
                places
                    .zip(decision.take_receipts())
                    .map(|(demand, receipt)| Consumed {
                        demand,
                        cost,
                        receipt,
                    }),
            );
        self.refresh().await;
        Ok(decision)
    }

    /// Gives back up to `units` of what each chosen demand has consumed, the newest first.
    pub(super) async fn give_back(
        &self,
        chosen: impl Fn(usize) -> bool,
        units: u64,
    ) -> Result<(), StoreError> {
        let withdrawn = self.withdraw(chosen, units);
        if withdrawn.is_empty() {
            return Ok(());
        }
        let charges: PerDemand<Charge<'_>> = withdrawn
            .iter()
            .filter_map(|consumed| {
                let demand = self.demands.get(consumed.demand)?;
                Some(Charge {
                    cost: consumed.cost,
                    ..demand.charge(self.route.as_ref())
                })
            })
            .collect();
        let receipts: PerDemand<Receipt> = withdrawn
            .into_iter()
            .map(|consumed| consumed.receipt)
            .collect();
        self.limiter.refund(&charges, &receipts).await?;
        self.refresh().await;
        Ok(())
    }

    /// Takes units off the books before they are given back, so that none is given back twice.
    fn withdraw(&self, chosen: impl Fn(usize) -> bool, units: u64) -> PerDemand<Consumed> {
        let mut left: PerDemand<u64> = (0..self.demands.len())
            .map(|index| if chosen(index) { units } else { 0 })
            .collect();
        let mut withdrawn = SmallVec::new();
        for consumed in self.books.lock().consumed.iter_mut().rev() {
            let Some(left) = left.get_mut(consumed.demand) else {
                continue;
            };
            let cost = consumed.cost.min(*left);
            if cost > 0 {
                *left -= cost;
                consumed.cost -= cost;
                withdrawn.push(Consumed {
                    cost,
                    ..consumed.clone()
                });
            }
        }
        withdrawn
    }

    /// Asks the store how all demands stand now. What has been charged is charged even if it does not answer:
    /// then the books keep the answer that they have.
    async fn refresh(&self) {
        let charges = self.charges(|_, _| Some(0));
        if let Ok(decision) = self.limiter.decide(&charges, Action::Peek).await {
            self.books.lock().decision = Some(decision);
        }
    }
}
