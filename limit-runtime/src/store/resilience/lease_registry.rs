//! The leases of permits that are held in this process, and those to be released.

use crate::{
    clock::Ticks,
    key::Key,
    store::{leases::Leases, scope::Scope},
};
use parking_lot::Mutex;
use smallvec::SmallVec;
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};
use tokio::sync::Notify;

/// How long a lease lives without a heartbeat.
pub(super) const TIME_TO_LIVE: Duration = Duration::from_millis(1_500);
/// A task that has not reported for this long is gone, because its runtime has shut down.
const MAX_SILENCE: Duration = Duration::from_millis(1_000);

/// The leases of this process.
#[derive(Debug, Default)]
pub(super) struct LeaseRegistry {
    state: Mutex<State>,
    /// Notified when there is something to release.
    pub(super) changed: Arc<Notify>,
}

#[derive(Debug, Default)]
struct State {
    held: HashMap<OwnedBudget, Ids>,
    released: HashMap<OwnedBudget, Ids>,
    /// Those of the leases that are being extended.
    extending: HashSet<u64>,
    /// When the task last reported; `None` if there is none.
    task_seen_at: Option<Ticks>,
}

pub(super) type Ids = SmallVec<[u64; 2]>;

/// The budget of a permit, with its own texts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct OwnedBudget {
    scope: [Box<str>; 3],
    key: Key,
}

impl OwnedBudget {
    pub(super) fn new(scope: Scope<'_>, key: &Key) -> Self {
        Self {
            scope: scope.texts().map(Box::from),
            key: key.clone(),
        }
    }

    pub(super) fn leases<'a>(&'a self, ids: &'a [u64]) -> Leases<'a> {
        let [name, rule, route] = &self.scope;
        Leases {
            scope: Scope::of_texts(name, rule, route),
            key: &self.key,
            ids,
            time_to_live: TIME_TO_LIVE,
        }
    }
}

impl LeaseRegistry {
    pub(super) fn hold(&self, budget: &OwnedBudget, id: u64) {
        let mut state = self.state.lock();
        match state.held.get_mut(budget) {
            Some(ids) => ids.push(id),
            None => {
                state.held.insert(budget.clone(), Ids::from_slice(&[id]));
            }
        }
    }

    pub(super) fn release(&self, budget: &OwnedBudget, id: u64) {
        let mut state = self.state.lock();
        if let Some(ids) = state.held.get_mut(budget) {
            ids.retain(|held| *held != id);
            if ids.is_empty() {
                state.held.remove(budget);
            }
        }
        state.released.entry(budget.clone()).or_default().push(id);
        drop(state);
        self.changed.notify_one();
    }

    /// Whether a task has to be started. Returns `true` to one caller only.
    pub(super) fn needs_task(&self, now: Ticks) -> bool {
        let mut state = self.state.lock();
        let is_alive = state
            .task_seen_at
            .is_some_and(|seen| now.since(seen) <= MAX_SILENCE);
        if is_alive || state.is_empty() {
            return false;
        }
        state.task_seen_at = Some(now);
        true
    }

    /// Reports that the task is alive. Returns whether it has to go on: not if there is nothing to
    /// extend or to release, and then it has to end.
    pub(super) fn task_goes_on(&self, now: Ticks) -> bool {
        let mut state = self.state.lock();
        let goes_on = !state.is_empty();
        state.task_seen_at = goes_on.then_some(now);
        goes_on
    }

    pub(super) fn task_is_alive(&self, now: Ticks) {
        self.state.lock().task_seen_at = Some(now);
    }

    /// The task was dropped, because its runtime has ended.
    pub(super) fn task_has_ended(&self) {
        let mut state = self.state.lock();
        state.task_seen_at = None;
        state.extending.clear();
    }

    /// All leases that are held, which are being extended then.
    pub(super) fn start_extending(&self) -> Vec<(OwnedBudget, Ids)> {
        let mut state = self.state.lock();
        let held = state.held.iter();
        let held: Vec<_> = held
            .map(|(budget, ids)| (budget.clone(), ids.clone()))
            .collect();
        let ids = held.iter().flat_map(|(_, ids)| ids);
        state.extending.extend(ids);
        held
    }

    pub(super) fn end_extending(&self, ids: &[u64]) {
        let mut state = self.state.lock();
        for id in ids {
            state.extending.remove(id);
        }
    }

    /// The leases of the budget to release, which the caller does.
    pub(super) fn take_released_of(&self, budget: &OwnedBudget) -> Ids {
        self.state.lock().take_released(budget)
    }

    pub(super) fn take_released(&self) -> Vec<(OwnedBudget, Ids)> {
        let mut state = self.state.lock();
        let budgets: Vec<_> = state.released.keys().cloned().collect();
        let released = budgets.into_iter().map(|budget| {
            let ids = state.take_released(&budget);
            (budget, ids)
        });
        released.filter(|(_, ids)| !ids.is_empty()).collect()
    }
}

impl State {
    /// Takes the leases of a budget to release, but those that are being extended.
    fn take_released(&mut self, budget: &OwnedBudget) -> Ids {
        let Some(ids) = self.released.get_mut(budget) else {
            return Ids::new();
        };
        let extending = &self.extending;
        let (kept, taken) = ids.iter().copied().partition(|id| extending.contains(id));
        *ids = kept;
        if ids.is_empty() {
            self.released.remove(budget);
        }
        taken
    }

    fn is_empty(&self) -> bool {
        self.held.is_empty() && self.released.is_empty()
    }
}
