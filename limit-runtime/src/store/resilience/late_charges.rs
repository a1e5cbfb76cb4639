//! Forced charges and refunds that the store has not confirmed: kept, and sent until it does.
//!
//! Those that were never sent are added up, one entry for each budget. Before an entry is sent, it
//! gets an [id](ChargeId) and does not change any more, so that the store counts it once, however
//! often it is sent.

use super::owned_charge::OwnedCharge;
use crate::{
    clock::Ticks,
    decision::{LateCount, Receipt, recorded_cost},
    store::charge::{Charge, ChargeId},
    window::after,
};
use parking_lot::Mutex;
use smallvec::SmallVec;
use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::sync::watch;

/// How many entries are kept.
const MAX_ENTRIES: usize = 10_000;

#[derive(Debug, Default)]
pub(super) struct LateCharges {
    state: Mutex<State>,
    /// Whether there are any. Every request reads it, without the lock.
    has_some: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    /// Never sent. The charges in the keys have neither cost nor id.
    unsent: HashMap<(OwnedCharge, Kind), Sum>,
    /// Sent at least once, or about to be.
    sealed: VecDeque<Arc<LateCharge>>,
    /// Entries that were dropped because there were too many.
    dropped: u64,
    /// When the task that sends them last reported; `None` if there is none.
    settler_seen_at: Option<Ticks>,
}

#[derive(Debug)]
struct Sum {
    cost: u64,
    /// Of a forced charge.
    count: Option<Arc<LateCount>>,
    expires_at: Ticks,
    ended: Ended,
}

/// Dropped with its entry. Made for the first request that waits for the end of the entry.
type Ended = OnceLock<watch::Sender<()>>;

/// A forced charge or a refund that the store has not confirmed.
#[derive(Debug)]
pub(super) struct LateCharge {
    /// With its cost and its id.
    pub(super) charge: OwnedCharge,
    pub(super) kind: Kind,
    /// Shows when the store has counted a forced charge.
    pub(super) count: Option<Arc<LateCount>>,
    /// Whether the store may know its id.
    pub(super) was_sent: AtomicBool,
    /// From this time on, the store would not count it any more.
    expires_at: Ticks,
    ended: Ended,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Force,
    /// A refund of a charge that the store counted at this time.
    Refund {
        at: u64,
    },
}

impl Kind {
    pub(super) fn refund(receipt: &Receipt) -> Self {
        Self::Refund { at: receipt.at() }
    }
}

/// What became of a charge that was to be kept.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// Shows when the store has counted a forced charge. `None` if there was no room, or nothing to
    /// keep.
    pub(super) count: Option<Arc<LateCount>>,
    /// Whether an entry was dropped for want of room: this one or another.
    pub(super) has_dropped: bool,
}

impl Kept {
    fn with(count: &Option<Arc<LateCount>>) -> Self {
        Self {
            count: count.clone(),
            has_dropped: false,
        }
    }
}

impl LateCharges {
    pub(super) fn is_empty(&self) -> bool {
        !self.has_some.load(Ordering::Relaxed)
    }

    /// Keeps a charge that was not sent.
    pub(super) fn add(&self, charge: &Charge<'_>, kind: Kind, now: Ticks) -> Kept {
        if charge.cost == 0 {
            return Kept::default();
        }
        let mut state = self.state.lock();
        let key = (without_cost(charge), kind);
        let expires_at = expires_at(charge, now);
        if let Some(sum) = state.unsent.get_mut(&key) {
            sum.cost = recorded_cost(sum.cost.saturating_add(charge.cost));
            sum.expires_at = expires_at;
            return Kept::with(&sum.count);
        }
        let (has_room, kept) = state.make_room(kind);
        self.has_some.store(true, Ordering::Relaxed);
        if has_room {
            let sum = Sum {
                cost: recorded_cost(charge.cost),
                count: kept.count.clone(),
                expires_at,
                ended: Ended::new(),
            };
            state.unsent.insert(key, sum);
        }
        kept
    }

    /// Keeps a charge that was sent with its id, and not confirmed.
    pub(super) fn keep(&self, charge: OwnedCharge, kind: Kind, now: Ticks) -> Kept {
        if charge.cost == 0 {
            return Kept::default();
        }
        let mut state = self.state.lock();
        let is_kept = |late: &&Arc<LateCharge>| late.kind == kind && late.charge == charge;
        if let Some(late) = state.sealed.iter().find(is_kept) {
            return Kept::with(&late.count);
        }
        let (has_room, kept) = state.make_room(kind);
        self.has_some.store(true, Ordering::Relaxed);
        if has_room {
            let expires_at = expires_at(&charge.as_charge(), now);
            state.sealed.push_back(Arc::new(LateCharge {
                charge,
                kind,
                count: kept.count.clone(),
                was_sent: AtomicBool::new(true),
                expires_at,
                ended: Ended::new(),
            }));
        }
        kept
    }

    /// Takes back up to `units` of a forced charge that was not sent, of the entry with this
    /// `count`. Returns how many.
    pub(super) fn take_back(&self, charge: &Charge<'_>, units: u64, count: &Arc<LateCount>) -> u64 {
        let mut state = self.state.lock();
        let key = (without_cost(charge), Kind::Force);
        let Some(sum) = state.unsent.get_mut(&key) else {
            return 0;
        };
        let of_sum = sum.count.as_ref();
        if of_sum.is_none_or(|of_sum| !Arc::ptr_eq(of_sum, count)) {
            return 0;
        }
        let taken = units.min(sum.cost);
        sum.cost -= taken;
        taken
    }

    /// The next charges to send, at most `most`. They stay here until they are
    /// [settled](Self::settle).
    pub(super) fn next(&self, most: usize, now: Ticks) -> Vec<Arc<LateCharge>> {
        let mut state = self.state.lock();
        state.sealed.retain(|late| now < late.expires_at);
        state
            .unsent
            .retain(|_, sum| now < sum.expires_at && sum.cost > 0);
        while state.sealed.len() < most {
            let Some(key) = state.unsent.keys().next().cloned() else {
                break;
            };
            let Some(sum) = state.unsent.remove(&key) else {
                break;
            };
            let (mut charge, kind) = key;
            charge.cost = sum.cost;
            charge.id = Some(ChargeId::random());
            state.sealed.push_back(Arc::new(LateCharge {
                charge,
                kind,
                count: sum.count,
                was_sent: AtomicBool::new(false),
                expires_at: sum.expires_at,
                ended: sum.ended,
            }));
        }
        state.sealed.iter().take(most).cloned().collect()
    }

    /// Forgets a charge that the store has confirmed, or will never accept.
    pub(super) fn settle(&self, late: &Arc<LateCharge>) {
        let mut state = self.state.lock();
        if let Some(place) = state.sealed.iter().position(|one| Arc::ptr_eq(one, late)) {
            state.sealed.remove(place);
        }
    }

    /// Sends a charge after all others.
    pub(super) fn postpone(&self, late: &Arc<LateCharge>) {
        let mut state = self.state.lock();
        if let Some(place) = state.sealed.iter().position(|one| Arc::ptr_eq(one, late))
            && let Some(late) = state.sealed.remove(place)
        {
            state.sealed.push_back(late);
        }
    }

    /// One receiver for each entry of these budgets. It is closed when the entry has ended: the
    /// store has confirmed the charge, or it was dropped.
    pub(super) fn entries_of(&self, charges: &[Charge<'_>]) -> Vec<watch::Receiver<()>> {
        let budgets: SmallVec<[OwnedCharge; 1]> = charges.iter().map(without_cost).collect();
        let state = self.state.lock();
        let unsent = state.unsent.iter();
        let unsent = unsent.filter(|((charge, _), _)| budgets.contains(charge));
        let sealed = state.sealed.iter();
        let sealed =
            sealed.filter(|late| budgets.contains(&without_cost(&late.charge.as_charge())));
        unsent
            .map(|(_, sum)| &sum.ended)
            .chain(sealed.map(|late| &late.ended))
            .map(|ended| ended.get_or_init(|| watch::channel(()).0).subscribe())
            .collect()
    }

    /// Reports that the task which sends them has ended, so that the next request starts another.
    pub(super) fn settler_has_ended(&self) {
        self.state.lock().settler_seen_at = None;
    }

    /// The number of entries, and of those that were dropped for want of room.
    pub(super) fn counts(&self) -> (u64, u64) {
        let state = self.state.lock();
        (state.len() as u64, state.dropped)
    }

    /// Whether a task has to be started that sends them: there are some, and none has reported for
    /// more than `max_silence`. Returns `true` to one caller only.
    pub(super) fn needs_settler(&self, now: Ticks, max_silence: Duration) -> bool {
        let mut state = self.state.lock();
        let is_alive = state
            .settler_seen_at
            .is_some_and(|seen| now.since(seen) <= max_silence);
        if is_alive || state.len() == 0 {
            return false;
        }
        state.settler_seen_at = Some(now);
        true
    }

    /// Reports that the task which sends them is alive. Returns whether it has to go on: not if
    /// nothing is left, and then it has to end.
    pub(super) fn settler_goes_on(&self, now: Ticks) -> bool {
        let mut state = self.state.lock();
        let goes_on = state.len() > 0;
        state.settler_seen_at = goes_on.then_some(now);
        self.has_some.store(goes_on, Ordering::Relaxed);
        goes_on
    }
}

impl State {
    fn len(&self) -> usize {
        self.unsent.len() + self.sealed.len()
    }

    /// Makes room for one entry of this kind. Refunds are dropped first: without them a client has
    /// less than it is due, without a forced charge it would have more.
    ///
    /// Returns whether there is room, and what becomes of the entry.
    fn make_room(&mut self, kind: Kind) -> (bool, Kept) {
        let has_dropped = self.len() >= MAX_ENTRIES;
        if has_dropped {
            self.dropped += 1;
        }
        let has_room = !has_dropped || kind == Kind::Force && self.drop_refund();
        let count = (has_room && kind == Kind::Force).then(Arc::default);
        (has_room, Kept { count, has_dropped })
    }

    /// Drops a refund. Returns whether there was one.
    fn drop_refund(&mut self) -> bool {
        let is_refund = |kind: &Kind| *kind != Kind::Force;
        let unsent = self.unsent.keys().find(|(_, kind)| is_refund(kind));
        if let Some(key) = unsent.cloned() {
            self.unsent.remove(&key);
            return true;
        }
        let sealed = self.sealed.iter().position(|late| is_refund(&late.kind));
        sealed.is_some_and(|place| self.sealed.remove(place).is_some())
    }
}

/// What charges of one budget have in common.
fn without_cost(charge: &Charge<'_>) -> OwnedCharge {
    OwnedCharge::new(&Charge {
        cost: 0,
        id: None,
        ..*charge
    })
}

/// The time from which a charge of `now` does not count any more.
fn expires_at(charge: &Charge<'_>, now: Ticks) -> Ticks {
    after(now, charge.lifetime_millis().saturating_mul(1_000))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        key::{IntoKey, Key},
        store::scope::Scope,
    };
    use limit_core::{Limits, limits};

    const LIMITS: Limits = limits!("100/minute");

    fn at(seconds: u64) -> Ticks {
        Ticks::from_micros((1 + seconds) * 1_000_000)
    }

    fn charge(key: &Key, cost: u64) -> Charge<'_> {
        Charge::new(Scope::shared("tokens"), key, &LIMITS).cost(cost)
    }

    fn costs(late: &LateCharges, now: Ticks) -> Vec<u64> {
        let next = late.next(usize::MAX, now);
        next.iter().map(|late| late.charge.cost).collect()
    }

    #[test]
    fn unsent_charges_of_one_budget_are_added_up_until_they_are_sent() {
        let (late, key) = (LateCharges::default(), "alice".into_key());
        for cost in [3, 4] {
            assert!(
                !late
                    .add(&charge(&key, cost), Kind::Force, at(0))
                    .has_dropped
            );
        }
        let first = late.next(9, at(0));
        let [sent] = first.as_slice() else {
            panic!("{first:?}");
        };
        assert_eq!(sent.charge.cost, 7);
        // The charge that was sent keeps its cost and its id.
        late.add(&charge(&key, 5), Kind::Force, at(0));
        let again = late.next(9, at(0));
        assert_eq!(again.len(), 2);
        assert!(Arc::ptr_eq(&again[0], sent));
        late.settle(sent);
        assert_eq!(costs(&late, at(0)), [5]);
    }

    #[test]
    fn a_charge_is_dropped_once_its_window_has_ended() {
        let (late, key) = (LateCharges::default(), "alice".into_key());
        late.add(&charge(&key, 3), Kind::Force, at(0));
        assert_eq!(costs(&late, at(59)), [3]);
        assert!(costs(&late, at(60)).is_empty());
    }

    #[test]
    fn refunds_are_dropped_before_forced_charges() {
        let late = LateCharges::default();
        for number in 0..MAX_ENTRIES as u64 {
            let kind = match number {
                0 => Kind::Refund { at: 1 },
                _ => Kind::Force,
            };
            assert!(
                !late
                    .add(&charge(&number.into_key(), 1), kind, at(0))
                    .has_dropped
            );
        }
        let (one, other) = ("one".into_key(), "other".into_key());
        let kept = late.add(&charge(&one, 8), Kind::Refund { at: 1 }, at(0));
        assert!(kept.has_dropped && kept.count.is_none());
        let kept = late.add(&charge(&one, 8), Kind::Force, at(0));
        assert!(kept.has_dropped && kept.count.is_some());
        assert_eq!(late.counts(), (MAX_ENTRIES as u64, 2));
        // Without refunds, the newest charge finds no room.
        let kept = late.add(&charge(&other, 9), Kind::Force, at(0));
        assert!(kept.has_dropped && kept.count.is_none());
        let costs = costs(&late, at(0));
        assert!(costs.contains(&8) && !costs.contains(&9));
        // More of a budget that has an entry needs no room.
        assert_eq!(late.counts(), (MAX_ENTRIES as u64, 3));
    }

    #[test]
    fn a_refund_takes_back_a_forced_charge_that_was_not_sent() {
        let (late, key) = (LateCharges::default(), "alice".into_key());
        let kept = late.add(&charge(&key, 10), Kind::Force, at(0));
        let count = kept.count.unwrap();
        assert_eq!(late.take_back(&charge(&key, 4), 4, &count), 4);
        let other = "bob".into_key();
        assert_eq!(late.take_back(&charge(&other, 4), 4, &count), 0);
        assert_eq!(costs(&late, at(0)), [6]);
        assert_eq!(
            late.take_back(&charge(&key, 4), 4, &count),
            0,
            "it is sealed now"
        );
        late.add(&charge(&key, 5), Kind::Force, at(0));
        assert_eq!(
            late.take_back(&charge(&key, 4), 4, &count),
            0,
            "it is another entry"
        );
    }

    #[test]
    fn a_charge_that_is_kept_twice_is_sent_once() {
        let (late, key) = (LateCharges::default(), "alice".into_key());
        let mut owned = OwnedCharge::new(&charge(&key, 3));
        owned.id = Some(ChargeId::random());
        for _ in 0..2 {
            late.keep(owned.clone(), Kind::Force, at(0));
        }
        assert_eq!(costs(&late, at(0)), [3]);
    }

    #[test]
    fn one_settler_is_started_at_a_time() {
        let (late, key) = (LateCharges::default(), "alice".into_key());
        let silence = Duration::from_secs(3);
        assert!(!late.needs_settler(at(0), silence), "there is nothing");
        late.add(&charge(&key, 1), Kind::Force, at(0));
        assert!(late.needs_settler(at(0), silence));
        assert!(!late.needs_settler(at(3), silence));
        assert!(late.needs_settler(at(4), silence), "it was silent");
        assert!(late.settler_goes_on(at(5)));
        for one in late.next(9, at(5)) {
            late.settle(&one);
        }
        assert!(!late.settler_goes_on(at(5)));
        late.add(&charge(&key, 1), Kind::Force, at(5));
        assert!(late.needs_settler(at(5), silence), "the last one ended");
    }
}
