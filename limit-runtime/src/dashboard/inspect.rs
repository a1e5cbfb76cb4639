//! A policy of a limiter, and its budgets of one key, looked at without a request.

use crate::{
    clock::millis,
    decision::Outcome,
    key::Key,
    limiter::Limiter,
    observe::known_budget::KnownBudget,
    store::{Action, Charge, StoreError},
};
use limit_core::{Limits, Unit};
use serde::{Serialize, Serializer, ser::SerializeStruct};

/// What is known of a policy.
#[derive(Clone, Debug)]
pub(super) struct InspectedPolicy {
    pub(super) name: String,
    pub(super) key_label: &'static str,
    pub(super) budget: KnownBudget,
    pub(super) is_dry_run: bool,
    /// The routes that have a budget of their own, so far. `None` if one budget covers all.
    pub(super) routes: Option<Vec<String>>,
    /// Whether all routes that requests have met are in `routes`.
    pub(super) are_routes_kept: bool,
}

/// All policies of a limiter.
pub(super) fn policies(limiter: &Limiter) -> Vec<InspectedPolicy> {
    let observer = limiter.observer();
    let mut policies = Vec::new();
    observer.records().for_each(|record| {
        let budget = record.source.budget();
        policies.push(InspectedPolicy {
            name: String::from(&*record.label),
            key_label: record.source.key(),
            budget: budget.clone(),
            is_dry_run: observer.is_record_dry_run(record),
            routes: budget.is_per_route().then(|| record.routes()),
            are_routes_kept: record.keeps_routes(),
        });
    });
    policies
}

/// One limit of a budget.
#[derive(Debug)]
pub(super) struct LimitState(Outcome, Unit);

/// One budget, with its limits if they do not depend on the request.
#[derive(Debug)]
pub(super) struct BudgetState {
    /// `None` if the budget covers all routes.
    pub(super) route: Option<String>,
    pub(super) limits: Option<Vec<LimitState>>,
}

impl InspectedPolicy {
    /// The key of the budgets that the policy counts in now.
    fn budget_key(&self, key: &Key) -> Key {
        match self.is_dry_run {
            true => key.in_dry_run(),
            false => key.clone(),
        }
    }

    /// The routes of the budgets: an empty one for the budget that covers all.
    fn routes(&self) -> &[String] {
        const ALL: &[String] = &[String::new()];
        self.routes.as_deref().unwrap_or(ALL)
    }

    /// The budgets of a key, as a request of cost 1 would find them.
    pub(super) async fn budgets(
        &self,
        limiter: &Limiter,
        key: &Key,
    ) -> Result<Vec<BudgetState>, StoreError> {
        let key = self.budget_key(key);
        let limits = self.budget.constant_limits();
        let mut budgets = Vec::new();
        for route in self.routes() {
            budgets.push(BudgetState {
                route: self.routes.is_some().then(|| route.clone()),
                limits: match &limits {
                    Some(limits) => Some(self.outcomes(limiter, &key, limits, route).await?),
                    None => None,
                },
            });
        }
        Ok(budgets)
    }

    async fn outcomes(
        &self,
        limiter: &Limiter,
        key: &Key,
        limits: &Limits,
        route: &str,
    ) -> Result<Vec<LimitState>, StoreError> {
        let charge = Charge::new(self.budget.scope(route), key, limits);
        let charge = charge.strategy(self.budget.strategy);
        let decision = limiter.check_all(&[charge], Action::Peek).await?;
        Ok(decision
            .outcomes()
            .iter()
            .map(|outcome| LimitState(*outcome, limits.unit()))
            .collect())
    }

    /// Clears the budgets of a key, and returns their number.
    pub(super) async fn clear(&self, limiter: &Limiter, key: &Key) -> Result<u64, StoreError> {
        let key = self.budget_key(key);
        let mut cleared = 0_u64;
        for route in self.routes() {
            let scope = self.budget.scope(route);
            cleared = cleared.saturating_add(limiter.reset_key(scope, key.clone()).await?);
        }
        Ok(cleared)
    }
}

impl Serialize for LimitState {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(outcome, unit) = self;
        let limit = Limits::from(outcome.limit()).with_unit(*unit);
        let mut map = serializer.serialize_struct("Limit", 8)?;
        map.serialize_field("limit", &limit)?;
        map.serialize_field("unit", unit)?;
        map.serialize_field("capacity", &outcome.capacity())?;
        map.serialize_field("remaining", &outcome.remaining())?;
        map.serialize_field("is_allowed", &outcome.is_allowed())?;
        map.serialize_field("next_after_ms", &millis(outcome.next_after()))?;
        map.serialize_field("reset_after_ms", &millis(outcome.reset_after()))?;
        map.serialize_field("retry_after_ms", &outcome.retry_after().map(millis))?;
        map.end()
    }
}

impl Serialize for BudgetState {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_struct("Budget", 2)?;
        map.serialize_field("route", &self.route)?;
        map.serialize_field("limits", &self.limits)?;
        map.end()
    }
}
