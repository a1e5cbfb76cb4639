//! How a request stands with its limits: what was asked, what was answered, what has been consumed.

use super::spec::{Demand, Demands};
use crate::{
    decision::{Decision, Receipt},
    limiter::Limiter,
    store::{Action, Charge, StoreError},
};
use axum::extract::MatchedPath;
use parking_lot::Mutex;
use smallvec::SmallVec;

/// The policies of one stack of attributes, or of one layer, on one request.
#[derive(Debug)]
pub(super) struct Standing {
    pub(super) limiter: Limiter,
    pub(super) route: Option<MatchedPath>,
    pub(super) demands: Demands,
    books: Mutex<Books>,
}

#[derive(Debug, Default)]
struct Books {
    /// The newest answer of the store on all demands; `None` before the first.
    decision: Option<Decision>,
    /// What has been consumed and not given back, oldest first.
    consumed: SmallVec<[Consumed; 1]>,
}

#[derive(Clone, Copy, Debug)]
struct Consumed {
    /// The place of the demand.
    demand: usize,
    cost: u32,
    receipt: Receipt,
}

type PerDemand<T> = SmallVec<[T; 1]>;

impl Standing {
    pub(super) fn new(limiter: Limiter, route: Option<MatchedPath>, demands: Demands) -> Self {
        Self {
            limiter,
            route,
            demands,
            books: Mutex::default(),
        }
    }

    /// The newest answer of the store on all demands.
    pub(super) fn decision(&self) -> Option<Decision> {
        self.books.lock().decision.clone()
    }

    /// The demands as charges, at the costs that `cost` says; those for which it says none are left out.
    pub(super) fn charges(
        &self,
        cost: impl Fn(usize, &Demand) -> Option<u32>,
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

    /// Keeps what the store answered to `charges`, one for each demand.
    pub(super) fn enter(&self, charges: &[Charge<'_>], decision: Decision) {
        let mut books = self.books.lock();
        let receipts = charges.iter().zip(decision.receipts()).enumerate();
        books
            .consumed
            .extend(receipts.map(|(demand, (charge, &receipt))| Consumed {
                demand,
                cost: charge.cost,
                receipt,
            }));
        books.decision = Some(decision);
    }

    /// Consumes `cost` more of the chosen demands: all or nothing with [`Action::Consume`], in any
    /// case with [`Action::Force`]. Answers how the chosen demands stand.
    pub(super) async fn take(
        &self,
        chosen: impl Fn(usize) -> bool,
        cost: u32,
        action: Action,
    ) -> Result<Decision, StoreError> {
        let charges = self.charges(|index, _| chosen(index).then_some(cost));
        if charges.is_empty() {
            return Ok(Decision::empty());
        }
        let decision = self.limiter.decide(&charges, action).await?;
        let places = (0..self.demands.len()).filter(|&index| chosen(index));
        self.books
            .lock()
            .consumed
            .extend(
                places
                    .zip(decision.receipts())
                    .map(|(demand, &receipt)| Consumed {
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
        units: u32,
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
        let receipts: PerDemand<Receipt> =
            withdrawn.iter().map(|consumed| consumed.receipt).collect();
        self.limiter.refund(&charges, &receipts).await?;
        self.refresh().await;
        Ok(())
    }

    /// Takes units off the books before they are given back, so that none is given back twice.
    fn withdraw(&self, chosen: impl Fn(usize) -> bool, units: u32) -> PerDemand<Consumed> {
        let mut left: PerDemand<u32> = (0..self.demands.len())
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
                withdrawn.push(Consumed { cost, ..*consumed });
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
