//! Rules of a policy, resolved for one request.

use super::config::{ConfigRef, PolicyConfig};
use crate::{
    extract::limits::LimitsRef,
    key::Key,
    response::policy_view::PolicyView,
    store::{Charge, Fallback},
    window::Strategy,
};
use axum::extract::MatchedPath;
use http::request::Parts;
use smallvec::SmallVec;
use std::time::Duration;

/// One rule, resolved for one request.
#[derive(Clone, Debug)]
pub(crate) struct ResolvedRule {
    /// The index of the rule among those of the handler.
    pub(crate) index: u8,
    /// The settings of the rule.
    pub(crate) config: ConfigRef,
    /// Whether each route has its own budget.
    pub(crate) is_per_route: bool,
    /// The key that the request is counted by.
    pub(crate) key: Key,
    /// The limits, all of which must allow the request.
    pub(crate) limits: LimitsRef,
    /// The units that the request consumes.
    pub(crate) cost: u64,
    /// Rules of the same budget that were merged into this one.
    #[expect(
        clippy::box_collection,
        reason = "rules are moved with each request, and merged ones are rare"
    )]
    pub(crate) merged: Option<Box<Vec<MergedRule>>>,
}

/// The only rule of a handler, resolved for one request.
#[derive(Clone, Copy, Debug)]
pub struct SingleRule<'a> {
    /// The settings of the rule.
    pub(crate) config: &'static PolicyConfig,
    /// Whether each route has its own budget.
    pub(crate) is_per_route: bool,
    /// The key that the request is counted by.
    pub(crate) key: &'a Key,
    /// The limits, all of which must allow the request.
    pub(crate) limits: &'a LimitsRef,
    /// The units that the request consumes.
    pub(crate) cost: u64,
}

impl<'a> SingleRule<'a> {
    /// The charge of this rule on a request.
    #[inline(always)]
    pub(crate) fn charge(&self, parts: &'a Parts) -> Charge<'a> {
        let config = self.config;
        let route = if self.is_per_route {
            parts.extensions.get::<MatchedPath>()
        } else {
            None
        };
        Charge {
            scope: config.scope.scope(self.is_per_route, route),
            key: self.key,
            limits: self.limits,
            cost: self.cost,
            strategy: config.strategy,
            on_store_error: config.on_store_error,
            id: None,
        }
    }

    /// The description of the rule for responses.
    pub(crate) fn view(&self) -> PolicyView<'a> {
        PolicyView {
            name: self.config.name,
            key_label: self.config.key_label,
            limits: self.limits,
            cost: self.cost,
        }
    }
}

/// A rule that uses the budget of another rule of the handler.
#[derive(Clone, Debug)]
pub(crate) struct MergedRule {
    /// The index of the rule among those of the handler.
    pub(crate) index: u8,
    pub(crate) config: ConfigRef,
}

/// All rules of a handler, resolved for one request.
pub(crate) type ResolvedRules = SmallVec<[ResolvedRule; 1]>;

impl ResolvedRule {
    /// Whether both rules use one budget.
    pub(crate) fn is_same_budget(&self, other: &Self, route: Option<&MatchedPath>) -> bool {
        self.config.has_limits()
            && other.config.has_limits()
            && use_same_budget(&self.charge(route), &other.charge(route))
    }

    /// The description of the rule for responses. `cost` is what the request consumed or asked for.
    pub(crate) fn view(&self, cost: u64) -> PolicyView<'_> {
        PolicyView {
            name: self.config.name,
            key_label: self.config.key_label,
            limits: &self.limits,
            cost,
        }
    }

    /// The settings of this rule and of the rules merged into it.
    pub(crate) fn configs(&self) -> impl Iterator<Item = &PolicyConfig> {
        let merged = self.merged.iter().flat_map(|merged| merged.iter());
        let merged = merged.map(|merged| &*merged.config);
        std::iter::once(&*self.config).chain(merged)
    }

    /// Whether a reservation under the policy of this name, or under any, settles the rule.
    pub(crate) fn reserves_under(&self, name: Option<&str>) -> bool {
        name.is_none_or(|name| self.configs().any(|config| config.name == name))
            && self.configs().any(PolicyConfig::has_cost)
    }

    /// How long the request may wait for room in the budget: the shortest wait of its rules.
    pub(crate) fn max_wait(&self) -> Duration {
        let waits = self.configs().map(|config| config.wait);
        waits.min().unwrap_or_default()
    }

    /// The index of this rule and of the rules merged into it.
    pub(crate) fn indices(&self) -> impl Iterator<Item = usize> {
        let merged = self.merged.iter().flat_map(|merged| merged.iter());
        std::iter::once(self.index)
            .chain(merged.map(|merged| merged.index))
            .map(usize::from)
    }

    /// The settings of the rule at this index, which is this one or merged into it.
    pub(crate) fn config_of(&self, index: u8) -> &ConfigRef {
        let mut merged = self.merged.iter().flat_map(|merged| merged.iter());
        let merged = merged.find(|merged| merged.index == index);
        merged.map_or(&self.config, |merged| &merged.config)
    }

    /// The charge of this rule on a route, which matters only if each route has its own budget.
    pub(crate) fn charge<'a>(&'a self, route: Option<&'a MatchedPath>) -> Charge<'a> {
        Charge {
            scope: self.config.scope.scope(self.is_per_route, route),
            key: &self.key,
            limits: &self.limits,
            cost: self.cost,
            strategy: match self.merged {
                None => self.config.strategy,
                Some(_) => self.strictest_strategy(),
            },
            on_store_error: match self.merged {
                None => self.config.on_store_error,
                Some(_) => self.strictest_fallback(),
            },
            id: None,
        }
    }

    /// The strategy of merged rules: of several bursts, the smallest.
    #[cold]
    fn strictest_strategy(&self) -> Strategy {
        let strategies = self.configs().map(|config| config.strategy);
        let strictest = strategies.min_by_key(|strategy| strategy.burst());
        strictest.unwrap_or(self.config.strategy)
    }

    /// The fallback of merged rules. `None`, the limiter's fallback, may be any of the others, so
    /// only `Deny` is certainly stricter.
    #[cold]
    fn strictest_fallback(&self) -> Option<Fallback> {
        let fallbacks = self.configs().map(|config| config.on_store_error);
        let strictest = fallbacks.max_by_key(|fallback| match fallback {
            Some(Fallback::Allow) => 0,
            Some(Fallback::Local) => 1,
            None => 2,
            Some(Fallback::Deny) => 3,
        });
        strictest.flatten()
    }
}

/// Whether both charges are counted in one budget. The burst of GCRA does not distinguish budgets:
/// two bursts on limits with equal windows fill one bucket.
pub(crate) fn use_same_budget(charge: &Charge<'_>, other: &Charge<'_>) -> bool {
    if (charge.scope, charge.key) != (other.scope, other.key) {
        return false;
    }
    let mut limits = charge.limits.iter();
    charge.strategy == other.strategy
        || (charge.strategy.number() == other.strategy.number()
            && limits.any(|limit| {
                let mut others = other.limits.iter();
                others.any(|other| other.window() == limit.window())
            }))
}
