//! What the rules of a handler come to for one request.

use crate::http::{
    instead::Instead,
    setup::{self, WrongSetup},
    spec::{Absorbed, Demand, Demands, GivenLimits, Spec, SpecRef},
};
use crate::{key::Key, window::Strategy};
use axum::extract::MatchedPath;
use limit_core::{Limit, Limits};
use smallvec::SmallVec;

/// What the rules resolved so far come to.
#[derive(Debug, Default)]
pub struct Resolved {
    demands: Demands,
    /// The refusal by cheap rules, or else the rejection of the rule that is declared first.
    response: Option<Instead>,
    /// The rules that do not limit this request.
    exempt: Exempt,
    /// When the charge was counted, by the store's clock. Of a meaning only where the check is over and
    /// was a single charge in memory.
    charged_at: u64,
    /// The place of the rule that rejected.
    rejected_by: u8,
    /// Whether the response is a refusal.
    is_refused: bool,
}

/// A rule, as far as it is known before its functions are called.
#[derive(Debug)]
pub(crate) struct Place {
    /// Its place among those of the handler.
    pub(in crate::http) rule: u8,
    pub(in crate::http) spec: SpecRef,
    pub(in crate::http) is_per_route: bool,
}

impl Place {
    #[inline(always)]
    fn demand(self, key: Key, limits: GivenLimits, cost: u64) -> Demand {
        Demand {
            rule: self.rule,
            spec: self.spec,
            is_per_route: self.is_per_route,
            key,
            limits,
            cost,
            absorbed: None,
        }
    }
}

/// The rules of a handler that do not limit a request. Hardly any request has more than one.
#[derive(Debug, Default)]
struct Exempt {
    first: Option<&'static Spec>,
    #[expect(
        clippy::box_collection,
        reason = "it is moved with each request, and hardly any has others"
    )]
    others: Option<Box<Vec<&'static Spec>>>,
}

impl Exempt {
    #[inline]
    fn push(&mut self, spec: &'static Spec) {
        match self.first {
            None => self.first = Some(spec),
            Some(_) => self.others.get_or_insert_default().push(spec),
        }
    }

    /// Their names, as clients read them.
    fn names(&self) -> impl Iterator<Item = &'static str> {
        let others = self.others.iter().flat_map(|others| others.iter());
        self.first
            .into_iter()
            .chain(others.copied())
            .map(|spec| spec.name)
    }
}

impl Resolved {
    pub(in crate::http) fn demands(&self) -> &Demands {
        &self.demands
    }

    #[inline]
    pub(in crate::http) fn set_charged_at(&mut self, at: u64) {
        self.charged_at = at;
    }

    pub(in crate::http) fn charged_at(&self) -> u64 {
        self.charged_at
    }

    /// Cheap rules refuse the request: no function of the user's is called.
    pub(in crate::http) fn refuse(&mut self, refusal: Instead) {
        self.response = Some(refusal);
        self.is_refused = true;
    }

    #[inline]
    pub(in crate::http) fn is_refused(&self) -> bool {
        self.is_refused
    }

    /// The refusal of cheap rules, or the response of a function that rejected the request.
    #[inline]
    pub(in crate::http) fn take_response(&mut self) -> Option<Instead> {
        self.response.take()
    }

    pub(in crate::http) fn take_demands(&mut self) -> Demands {
        std::mem::take(&mut self.demands)
    }

    /// The names of the rules that do not limit the request.
    pub(in crate::http) fn exempt_names(&self) -> impl Iterator<Item = &'static str> {
        self.exempt.names()
    }

    /// This rule does not limit the request. A layer has one rule, and no need to know it then.
    #[inline]
    pub(super) fn exempt(&mut self, spec: &SpecRef) {
        if let SpecRef::Static(spec) = spec {
            self.exempt.push(spec);
        }
    }

    /// Adds one rule. It counts if its key and limits are known; a cost that is not counts as 1.
    // A key is large to move.
    #[inline(always)]
    pub(in crate::http) fn add(
        &mut self,
        place: Place,
        key: Result<Key, Instead>,
        limits: Result<Option<GivenLimits>, Instead>,
        cost: Result<u64, Instead>,
    ) {
        match (key, limits, cost) {
            (Ok(key), Ok(Some(limits)), Ok(cost)) => self.push(place.demand(key, limits, cost)),
            // A request that is exempt needs no key and no cost.
            (_, Ok(None), _) => self.exempt(&place.spec),
            (key, limits, cost) => self.add_rejected(place, key, limits, cost),
        }
    }

    #[cold]
    fn add_rejected(
        &mut self,
        place: Place,
        key: Result<Key, Instead>,
        limits: Result<Option<GivenLimits>, Instead>,
        cost: Result<u64, Instead>,
    ) {
        let (key, key_rejection) = apart(key);
        let (limits, limits_rejection) = apart(limits);
        let (cost, cost_rejection) = apart(cost);
        let rejection = key_rejection.or(limits_rejection).or(cost_rejection);
        let is_first = self.response.is_none() || place.rule < self.rejected_by;
        if let Some(response) = rejection.filter(|_| is_first) {
            self.response = Some(response);
            self.rejected_by = place.rule;
        }
        if let (Some(key), Some(limits)) = (key, limits.flatten()) {
            self.push(place.demand(key, limits, cost.unwrap_or(1)));
        }
    }

    /// Adds a demand in its place among the others: cheap rules are resolved first.
    #[inline(always)]
    fn push(&mut self, demand: Demand) {
        if self.demands.is_empty() {
            self.demands.push(demand);
        } else {
            self.insert(demand);
        }
    }

    #[inline(never)]
    fn insert(&mut self, demand: Demand) {
        let later = |other: &Demand| other.rule > demand.rule;
        let place = self.demands.iter().position(later);
        let place = place.unwrap_or(self.demands.len());
        self.demands.insert(place, demand);
    }

    /// Makes one demand of those that draw on one budget: the larger cost is charged once, and the
    /// limits of all are judged.
    pub(in crate::http) fn merge_same_budgets(&mut self, route: Option<&MatchedPath>) {
        let mut index = 1;
        while let Some(demand) = self.demands.get(index) {
            let mut earlier = self.demands.iter().take(index);
            let same = earlier.position(|earlier| earlier.is_same_budget(demand, route));
            if same.is_some() {
                setup::say_once(WrongSetup::SharedBudget);
            }
            if !same.is_some_and(|earlier| self.absorb(earlier, index)) {
                index += 1;
            }
        }
    }

    /// Whether the demand at `index` is charged with the `earlier` one now. It is not if their limits
    /// are too many for one budget; both are charged then, which is stricter.
    fn absorb(&mut self, earlier: usize, index: usize) -> bool {
        let (Some(first), Some(second)) = (self.demands.get(earlier), self.demands.get(index))
        else {
            return false;
        };
        let Some(limits) = union(&first.limits, &second.limits, first.spec.strategy) else {
            return false;
        };
        let second = self.demands.remove(index);
        let Some(first) = self.demands.get_mut(earlier) else {
            return false;
        };
        first.limits = limits.into();
        first.cost = first.cost.max(second.cost);
        let absorbed = first.absorbed.get_or_insert_default();
        absorbed.push(Absorbed {
            rule: second.rule,
            spec: second.spec,
        });
        absorbed.extend(second.absorbed.into_iter().flat_map(|more| *more));
        true
    }
}

fn apart<T>(result: Result<T, Instead>) -> (Option<T>, Option<Instead>) {
    match result {
        Ok(value) => (Some(value), None),
        Err(response) => (None, Some(response)),
    }
}

/// All limits of both but those that never bind beside the others; `None` if they cannot be those of one
/// rule, as when they are too many.
fn union(first: &Limits, second: &Limits, strategy: Strategy) -> Option<Limits> {
    let mut all: SmallVec<[_; 16]> = first.iter().copied().collect();
    for limit in second {
        // A limit that allows as much or more in as long a time or a shorter one is implied: with one log
        // for all windows. Counters have one for each, and windows that begin at other times.
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
    Limits::new(&all).ok()
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
