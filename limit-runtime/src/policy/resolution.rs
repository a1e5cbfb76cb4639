//! The result of resolving the rules of a handler for one request.

use super::{
    config::{ConfigRef, PolicyConfig},
    resolved_rule::{MergedRule, ResolvedRule, ResolvedRules, SingleRule},
};
use crate::{
    diagnostics::{self, Misconfiguration},
    extract::{limits::LimitsRef, rejection::Rejection},
    key::Key,
    response::error_status::with_error_status,
    window::Strategy,
};
use axum::extract::MatchedPath;
use limit_core::{Limit, Limits};
use smallvec::SmallVec;

/// The rules resolved so far, and the response if one of them rejects the request.
#[derive(Debug, Default)]
pub struct Resolution {
    rules: ResolvedRules,
    /// The refusal by cheap rules, or else the first rejection in the order of declaration.
    response: Option<Rejection>,
    /// The rules that do not limit this request.
    exempt: Exempt,
    /// When the charge was counted, by the store's clock. Only valid after a check that was a
    /// single charge in memory.
    charged_at: u64,
    /// The index of the rule that rejected the request.
    rejected_by: u8,
    /// Whether the response is a refusal by cheap rules.
    is_refused: bool,
    /// The rule that rejected the request, if it is one of a handler.
    rejecting: Option<&'static PolicyConfig>,
}

/// A rule before its functions are called.
#[derive(Debug)]
pub(crate) struct UnresolvedRule {
    /// The index of the rule among those of the handler.
    pub(crate) index: u8,
    pub(crate) config: ConfigRef,
    pub(crate) is_per_route: bool,
}

impl UnresolvedRule {
    #[inline(always)]
    fn resolved(self, key: Key, limits: LimitsRef, cost: u64) -> ResolvedRule {
        ResolvedRule {
            index: self.index,
            config: self.config,
            is_per_route: self.is_per_route,
            key,
            limits,
            cost,
            merged: None,
        }
    }
}

/// The rules of a handler that do not limit a request. Few requests have more than one.
#[derive(Debug, Default)]
struct Exempt {
    first: Option<&'static PolicyConfig>,
    #[expect(
        clippy::box_collection,
        reason = "it is moved with each request, and further rules are rare"
    )]
    others: Option<Box<Vec<&'static PolicyConfig>>>,
}

impl Exempt {
    #[inline]
    fn push(&mut self, config: &'static PolicyConfig) {
        match self.first {
            None => self.first = Some(config),
            Some(_) => self.others.get_or_insert_default().push(config),
        }
    }

    fn iter(&self) -> impl Iterator<Item = &'static PolicyConfig> {
        let others = self.others.iter().flat_map(|others| others.iter());
        self.first.into_iter().chain(others.copied())
    }
}

impl Resolution {
    /// Rules that have been resolved before, to which others are added.
    pub(crate) fn of_rules(rules: ResolvedRules) -> Self {
        Self {
            rules,
            ..Self::default()
        }
    }

    pub(crate) fn rules(&self) -> &ResolvedRules {
        &self.rules
    }

    /// The only rule, if it is one of an attribute, no other rule was merged into it, and nothing
    /// has rejected the request.
    #[inline]
    pub(crate) fn single_rule(&self) -> Option<SingleRule<'_>> {
        let ([rule], None) = (self.rules.as_slice(), &self.response) else {
            return None;
        };
        let ConfigRef::Static(config) = rule.config else {
            return None;
        };
        rule.merged.is_none().then_some(SingleRule {
            config,
            is_per_route: rule.is_per_route,
            key: &rule.key,
            limits: &rule.limits,
            cost: rule.cost,
        })
    }

    #[inline]
    pub(crate) fn set_charged_at(&mut self, at: u64) {
        self.charged_at = at;
    }

    pub(crate) fn charged_at(&self) -> u64 {
        self.charged_at
    }

    /// Refuses the request by cheap rules: no function of the application is called.
    pub(crate) fn refuse(&mut self, refusal: Rejection) {
        self.response = Some(refusal);
        self.is_refused = true;
    }

    #[inline]
    pub(crate) fn is_refused(&self) -> bool {
        self.is_refused
    }

    /// The refusal of cheap rules, or the response of a function that rejected the request.
    #[inline]
    pub(crate) fn take_response(&mut self) -> Option<Rejection> {
        self.response.take()
    }

    pub(crate) fn take_rules(&mut self) -> ResolvedRules {
        std::mem::take(&mut self.rules)
    }

    #[inline]
    pub(crate) fn has_exempt_rules(&self) -> bool {
        self.exempt.first.is_some()
    }

    /// The rules that do not limit the request.
    pub(crate) fn exempt_rules(&self) -> impl Iterator<Item = &'static PolicyConfig> {
        self.exempt.iter()
    }

    /// The rule of a handler that has rejected the request first.
    pub(crate) fn rejecting_rule(&self) -> Option<&'static PolicyConfig> {
        self.rejecting
    }

    /// Notes that a rule of a handler does not limit the request. Not noted for a layer, which has
    /// one rule and knows it.
    #[inline]
    pub(crate) fn exempt(&mut self, config: &ConfigRef) {
        if let ConfigRef::Static(config) = config {
            self.exempt.push(config);
        }
    }

    /// Adds one rule. It counts if its key and limits are known; an unknown cost counts as 1.
    // Inlined because a key is large to move.
    #[inline(always)]
    pub(crate) fn add(
        &mut self,
        rule: UnresolvedRule,
        key: Result<Key, Rejection>,
        limits: Result<Option<LimitsRef>, Rejection>,
        cost: Result<u64, Rejection>,
    ) {
        match (key, limits, cost) {
            (Ok(key), Ok(Some(limits)), Ok(cost)) => self.push(rule.resolved(key, limits, cost)),
            // An exempt request needs neither a key nor a cost.
            (_, Ok(None), _) => self.exempt(&rule.config),
            (key, limits, cost) => self.add_rejected(rule, key, limits, cost),
        }
    }

    #[cold]
    fn add_rejected(
        &mut self,
        rule: UnresolvedRule,
        key: Result<Key, Rejection>,
        limits: Result<Option<LimitsRef>, Rejection>,
        cost: Result<u64, Rejection>,
    ) {
        let (key, key_rejection) = split(key);
        let (limits, limits_rejection) = split(limits);
        let (cost, cost_rejection) = split(cost);
        self.reject(
            (rule.index, &rule.config),
            [key_rejection, limits_rejection, cost_rejection],
        );
        if let (Some(key), Some(limits)) = (key, limits.flatten()) {
            self.push(rule.resolved(key, limits, cost.unwrap_or(1)));
        }
    }

    /// Rejects the request by the first of these rejections of a rule, if there is one.
    #[cold]
    pub(crate) fn reject(
        &mut self,
        (index, config): (u8, &ConfigRef),
        rejections: [Option<Rejection>; 3],
    ) {
        // Each rejection is looked at, so that each function that fails with a success is reported.
        let rejections = rejections.map(|rejection| Some(with_error_status(*rejection?)));
        let rejection = rejections.into_iter().flatten().next();
        let is_first = self.response.is_none() || index < self.rejected_by;
        if let Some(response) = rejection.filter(|_| is_first) {
            self.response = Some(Box::new(response));
            self.rejected_by = index;
            self.rejecting = match config {
                ConfigRef::Static(config) => Some(*config),
                ConfigRef::Shared(_) => None,
            };
        }
    }

    /// Sets the cost of a rule that is resolved otherwise. Merged rules have the largest cost.
    pub(crate) fn set_cost(&mut self, index: u8, cost: Result<u64, Rejection>) {
        let mut rules = self.rules.iter_mut();
        let Some(rule) = rules.find(|rule| rule.indices().any(|other| other == usize::from(index)))
        else {
            return;
        };
        match cost {
            Ok(cost) => {
                let cost = rule.config_of(index).capped(cost, &rule.limits);
                rule.cost = rule.cost.max(cost);
            }
            Err(rejection) => {
                let config = rule.config_of(index).clone();
                self.reject((index, &config), [None, None, Some(rejection)]);
            }
        }
    }

    /// Adds a rule in the order of declaration, which is not the order of resolving: cheap rules
    /// come first.
    #[inline(always)]
    fn push(&mut self, rule: ResolvedRule) {
        if self.rules.is_empty() {
            self.rules.push(rule);
        } else {
            self.insert(rule);
        }
    }

    #[inline(never)]
    fn insert(&mut self, rule: ResolvedRule) {
        let later = |other: &ResolvedRule| other.index > rule.index;
        let place = self.rules.iter().position(later);
        let place = place.unwrap_or(self.rules.len());
        self.rules.insert(place, rule);
    }

    /// Caps costs, and merges rules of one budget into one: the larger cost is charged once, and
    /// all limits apply.
    pub(crate) fn merge_same_budgets(&mut self, route: Option<&MatchedPath>) {
        // The cost of a rule that has been merged was capped before.
        for rule in self.rules.iter_mut().filter(|rule| rule.merged.is_none()) {
            rule.cost = rule.config.capped(rule.cost, &rule.limits);
        }
        let mut index = 1;
        while let Some(rule) = self.rules.get(index) {
            let mut earlier = self.rules.iter().take(index);
            let same = earlier.position(|earlier| earlier.is_same_budget(rule, route));
            if let Some(first) = same.and_then(|earlier| self.rules.get(earlier)) {
                warn_of_shared_budget(&first.config, &rule.config);
            }
            if !same.is_some_and(|earlier| self.merge(earlier, index)) {
                index += 1;
            }
        }
    }

    /// Merges the rule at `index` into the `earlier` one. Returns `false` if they have too many
    /// limits for one budget; then both are charged, which is stricter.
    fn merge(&mut self, earlier: usize, index: usize) -> bool {
        let (Some(first), Some(second)) = (self.rules.get(earlier), self.rules.get(index)) else {
            return false;
        };
        let Some(limits) = union(&first.limits, &second.limits, first.config.strategy) else {
            return false;
        };
        let second = self.rules.remove(index);
        let Some(first) = self.rules.get_mut(earlier) else {
            return false;
        };
        first.limits = limits.into();
        first.cost = first.cost.max(second.cost);
        let merged = first.merged.get_or_insert_default();
        merged.push(MergedRule {
            index: second.index,
            config: second.config,
        });
        merged.extend(second.merged.into_iter().flat_map(|more| *more));
        true
    }
}

#[cold]
fn warn_of_shared_budget(first: &PolicyConfig, second: &PolicyConfig) {
    let handler = first.declaration.map_or("a layer", |rule| rule.handler);
    diagnostics::warn_once_with(
        Misconfiguration::SharedBudget,
        format_args!("`{}` and `{}` of {handler}", first.name, second.name),
    );
}

fn split<T>(result: Result<T, Rejection>) -> (Option<T>, Option<Rejection>) {
    match result {
        Ok(value) => (Some(value), None),
        Err(response) => (None, Some(response)),
    }
}

/// The limits of both without those that have no effect beside the others; `None` if one rule
/// cannot have them, for example because they are too many. The unit is that of the first: it is no
/// part of a budget's identity, so rules of one budget count alike, whatever they call it.
fn union(first: &Limits, second: &Limits, strategy: Strategy) -> Option<Limits> {
    let mut all: SmallVec<[_; 16]> = first.iter().copied().collect();
    for limit in second {
        // A limit that allows as much or more in as long a time or a shorter one is implied: with
        // one log for all windows. Counters have one for each, and windows that begin at other
        // times.
        let implies = |a: &Limit, b: &Limit| {
            a.count() <= b.count()
                && (a.window_millis() == b.window_millis()
                    || (a.window_millis() > b.window_millis()
                        && strategy == Strategy::MovingWindow))
        };
        if all.iter().any(|other| implies(other, limit)) {
            continue;
        }
        all.retain(|other| !implies(limit, other));
        all.push(*limit);
    }
    let limits = Limits::new(&all).ok()?;
    Some(limits.with_unit(first.unit()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use limit_core::limits;

    #[test]
    fn a_union_keeps_every_limit_that_can_bind() {
        let union = |first: Limits, second: Limits| {
            let union = union(&first, &second, Strategy::MovingWindow);
            union.unwrap().to_string()
        };
        let shown = |limits: Limits| limits.to_string();
        assert_eq!(
            union(limits!("10/minute"), limits!("20/hour")),
            shown(limits!("10/minute; 20/hour"))
        );
        assert_eq!(
            union(limits!("10/minute"), limits!("20/minute")),
            shown(limits!("10/minute"))
        );
        assert_eq!(
            union(
                limits!("20/minute; 100/hour"),
                limits!("10/minute; 200/hour")
            ),
            shown(limits!("100/hour; 10/minute"))
        );
        assert_eq!(
            union(limits!("10/minute"), limits!("10/hour")),
            shown(limits!("10/hour"))
        );
    }

    #[test]
    fn a_union_counts_what_the_first_rule_counts() {
        let union = |first, second| union(&first, &second, Strategy::MovingWindow);
        let (tokens, requests) = (limits!("10 tokens/minute"), limits!("20/hour"));
        let both = limits!("10 tokens/minute; 20 tokens/hour");
        assert_eq!(union(tokens, limits!("20 tokens/hour")), Some(both));
        assert_eq!(union(tokens, requests), Some(both));
        assert_eq!(
            union(limits!("10/minute"), both),
            Some(limits!("10/minute; 20/hour"))
        );
    }

    /// They are charged apart then, each in a counter of its own.
    #[test]
    fn windows_of_counters_that_begin_at_other_times_do_not_imply_each_other() {
        let (minute, hour) = (limits!("10/minute"), limits!("10/hour"));
        assert!(union(&minute, &hour, Strategy::FixedWindow).is_none());
        let same = union(&minute, &limits!("20/minute"), Strategy::FixedWindow);
        assert_eq!(same, Some(minute));
    }

    #[test]
    fn limits_that_are_too_many_for_one_budget_have_no_union() {
        let first = limits!("1/s; 2/2s; 3/4s; 4/8s; 5/16s");
        let second = limits!("11/32s; 12/64s; 13/128s; 14/256s");
        assert!(union(&first, &second, Strategy::MovingWindow).is_none());
    }
}
