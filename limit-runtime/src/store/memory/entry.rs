//! One budget in one cache line.

use super::{budget_id::VACANT, kind::Kind, planned_charge::PlannedCharge};
use crate::{
    clock::Ticks,
    decision::OutcomeParts,
    window::{
        Checked, Strategy,
        counter::Counter,
        moving::{HeapBudget, Log, OVER_HALF, Query, Record, Scale, fill},
    },
};
use limit_core::{Limit, MAX_LIMITS};

/// An entry of a table: the counts of one budget.
#[derive(Debug)]
#[repr(align(64))]
pub(super) struct Entry {
    /// The tag of the [`BudgetId`](super::budget_id::BudgetId). The table is sorted by it.
    pub(super) tag: u64,
    /// The microsecond from which nothing counts any more.
    pub(super) expires_at: u64,
    counts: Counts,
}

/// The counts of a budget.
#[derive(Debug)]
enum Counts {
    /// Of all limits under the moving window.
    Log(Log),
    /// Of one limit under another strategy.
    Counter(KindAndFill, Counter),
}

/// The [`Kind`] of a counter and, in the upper byte, how much of its limit was used when it was
/// last recorded. In one word, so that an entry fits a cache line.
#[derive(Clone, Copy, Debug)]
struct KindAndFill(u64);

const FILL_SHIFT: u32 = 56;

/// Instead of how much is used: the budget is shared. [`fill`] never returns this value.
const SHARED_FILL: u8 = OVER_HALF - 1;

impl KindAndFill {
    #[inline]
    fn new(kind: Kind, fill: u8) -> Self {
        Self(kind.to_bits() | u64::from(fill) << FILL_SHIFT)
    }

    #[inline]
    fn kind(self) -> Kind {
        Kind::from_bits(self.0 & ((1 << FILL_SHIFT) - 1))
    }

    fn fill(self) -> u8 {
        (self.0 >> FILL_SHIFT) as u8
    }

    #[inline]
    fn set_fill(&mut self, fill: u8) {
        *self = Self::new(self.kind(), fill);
    }
}

impl Entry {
    /// A vacant place. It sorts after all other entries, so that a search ends here.
    pub(super) fn vacant() -> Self {
        Self {
            tag: VACANT,
            expires_at: 0,
            counts: Counts::Log(Log::empty(Scale::default())),
        }
    }

    /// A budget that has counted nothing.
    #[inline]
    pub(super) fn empty(charge: &PlannedCharge<'_>) -> Self {
        Self {
            tag: charge.id.tag(),
            expires_at: 0,
            counts: match Counter::fresh(charge.strategy) {
                None => Counts::Log(Log::empty(charge.scale)),
                Some(counter) => Counts::Counter(KindAndFill::new(charge.kind, 0), counter),
            },
        }
    }

    /// Makes an expired entry [empty](Self::empty).
    #[inline(never)]
    pub(super) fn restart(&mut self, charge: PlannedCharge<'_>, heap: &HeapBudget) {
        heap.release(self.heap_bytes());
        *self = Self::empty(&charge);
    }

    /// A budget that has counted what `charge` could have recorded of what the shared budget `from`
    /// has. `from` is in a shard whose time is `there`. Empty if it has expired.
    pub(super) fn inherited(
        charge: &PlannedCharge<'_>,
        from: Option<&Self>,
        there: Ticks,
        here: Ticks,
        entries: u32,
        heap: &HeapBudget,
    ) -> Self {
        let mut entry = Self::empty(charge);
        match from
            .filter(|from| from.counts_at(there))
            .map(|it| &it.counts)
        {
            Some(Counts::Log(log)) => {
                let query = charge.query(0, Record::Never, entries, heap);
                let (there, here) = (there.as_micros(), here.as_micros());
                if let Some((log, expires_at)) = Log::inherited(log, there, here, &query) {
                    entry.counts = Counts::Log(log);
                    entry.expires_at = expires_at;
                }
            }
            Some(Counts::Counter(_, counter)) => {
                if let &[limit] = charge.limits {
                    let counter = counter.inherited(there, here, limit, charge.strategy);
                    entry.expires_at = counter.fresh_at(limit).as_micros();
                    let kind = KindAndFill::new(charge.kind, OVER_HALF);
                    entry.counts = Counts::Counter(kind, counter);
                }
            }
            None => {}
        }
        entry
    }

    #[inline]
    pub(super) fn is_vacant(&self) -> bool {
        self.tag == VACANT
    }

    #[inline]
    pub(super) fn kind(&self) -> Kind {
        match &self.counts {
            Counts::Log(_) => Kind::LOG,
            Counts::Counter(kind, _) => kind.kind(),
        }
    }

    /// Whether it counts anything.
    #[inline]
    pub(super) fn counts_at(&self, now: Ticks) -> bool {
        self.expires_at > now.as_micros()
    }

    /// How full its fullest limit was when it was last used; see [`fill`].
    pub(super) fn fill(&self) -> u8 {
        match &self.counts {
            Counts::Log(log) => log.fill(),
            Counts::Counter(kind, _) => kind.fill(),
        }
    }

    /// Whether it may make room for another budget although it still counts: if it has used at most
    /// half of each of its limits.
    pub(super) fn may_be_forgotten(&self) -> bool {
        self.fill() < SHARED_FILL
    }

    /// Marks the entry of a shared budget, after each change of it.
    pub(super) fn mark_shared(&mut self) {
        self.set_fill(SHARED_FILL);
    }

    pub(super) fn is_shared(&self) -> bool {
        self.fill() == SHARED_FILL
    }

    /// Notes that a request was refused, so that the key is not forgotten for others.
    pub(super) fn mark_refused(&mut self) {
        self.set_fill(OVER_HALF);
    }

    fn set_fill(&mut self, fill: u8) {
        match &mut self.counts {
            Counts::Log(log) => *log.fill_mut() = fill,
            Counts::Counter(kind, _) => kind.set_fill(fill),
        }
    }

    /// The memory that it takes elsewhere.
    pub(super) fn heap_bytes(&self) -> usize {
        match &self.counts {
            Counts::Log(log) => log.heap_bytes(),
            Counts::Counter(..) => 0,
        }
    }

    /// Decides on a charge with at most `N` limits, and records it if wanted. The entry must not
    /// have expired, unless it is [empty](Self::empty).
    #[inline(always)]
    pub(super) fn check<const N: usize>(
        &mut self,
        now: Ticks,
        charge: &PlannedCharge<'_>,
        query: &Query<'_>,
    ) -> Checked<N> {
        match &mut self.counts {
            Counts::Log(log) => log.check(now.as_micros(), query, &mut self.expires_at),
            Counts::Counter(kind, counter) => {
                // Not the query: taking its address would keep it in memory for logs, too.
                let asked = (charge.strategy, query.limits, query.cost, query.record);
                check_counter(counter, kind, now, asked, &mut self.expires_at).resized()
            }
        }
    }

    /// [`check`](Self::check) with any number of limits.
    #[inline(never)]
    pub(super) fn check_many(
        &mut self,
        now: Ticks,
        charge: &PlannedCharge<'_>,
        query: &Query<'_>,
    ) -> Checked<MAX_LIMITS> {
        self.check(now, charge, query)
    }

    /// Refunds `cost` units that were recorded at `at`.
    pub(super) fn refund(
        &mut self,
        now: Ticks,
        at: Ticks,
        cost: u64,
        charge: &PlannedCharge<'_>,
        entries: u32,
    ) {
        match &mut self.counts {
            Counts::Log(log) => {
                let (now, at) = (now.as_micros(), at.as_micros());
                log.refund(now, at, cost, entries, &mut self.expires_at);
            }
            Counts::Counter(_, counter) => {
                if let &[limit] = charge.limits {
                    counter.refund(now, at, limit, cost);
                }
            }
        }
    }
}

#[inline]
fn check_counter(
    counter: &mut Counter,
    kind: &mut KindAndFill,
    now: Ticks,
    (strategy, limits, cost, record): (Strategy, &[Limit], u64, Record),
    expires_at: &mut u64,
) -> Checked<1> {
    let checked = |is_recorded, outcome| Checked {
        is_recorded,
        outcomes: [outcome],
    };
    let &[limit] = limits else {
        return checked(false, OutcomeParts::default());
    };
    let assess = |counter: &Counter, cost| counter.assess(now, limit, strategy, cost).into_parts();
    let outcome = if record == Record::IfAllowed {
        let Some(left) = counter.consume(now, limit, strategy, cost) else {
            kind.set_fill(OVER_HALF);
            return checked(false, assess(counter, cost));
        };
        OutcomeParts::allowed(left)
    } else {
        let outcome = assess(counter, cost);
        if record == Record::Never {
            return checked(false, outcome);
        }
        counter.record(now, limit, cost);
        let left = assess(counter, 0).left;
        OutcomeParts { left, ..outcome }
    };
    let capacity = strategy.capacity(limit).get();
    kind.set_fill(fill(capacity - outcome.left.remaining, capacity));
    *expires_at = counter.fresh_at(limit).as_micros();
    checked(true, outcome)
}

const _: () = assert!(size_of::<Entry>() == 64);
