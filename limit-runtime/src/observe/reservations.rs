//! Counters of the reservations of one policy: how far its estimates are off.

use std::sync::atomic::{AtomicU64, Ordering};

/// The [reservations](crate::Reservation) of one policy, in units of its limits.
///
/// Those of requests that have not ended are in `open` alone. Of the others, `reserved` less
/// `given_back` plus `forced` is what counts in the end; that is `used`, except for uses that are
/// not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReservationCounts {
    /// Reservations that have not been settled.
    pub open: u64,
    /// Reservations that have been settled.
    pub settled: u64,
    /// The units that the settled ones were charged at admission.
    pub reserved: u64,
    /// The units that they used, as far as that is known.
    pub used: u64,
    /// The units that were given back.
    pub given_back: u64,
    /// The units that were charged beyond what had been reserved, also by open ones.
    pub forced: u64,
}

/// Counts them.
#[derive(Debug, Default)]
pub(crate) struct ReservationCounters {
    opened: AtomicU64,
    settled: AtomicU64,
    reserved: AtomicU64,
    used: AtomicU64,
    given_back: AtomicU64,
    forced: AtomicU64,
}

impl ReservationCounters {
    pub(crate) fn open(&self) {
        add(&self.opened, 1);
    }

    /// Counts a reservation that was settled, or turned out to have nothing to settle.
    pub(crate) fn settle(&self, reserved: u64, used: u64) {
        add(&self.reserved, reserved);
        add(&self.used, used);
        add(&self.settled, 1);
    }

    pub(crate) fn give_back(&self, units: u64) {
        add(&self.given_back, units);
    }

    pub(crate) fn force(&self, units: u64) {
        add(&self.forced, units);
    }

    /// Whether requests have reserved units, so that others may be given back.
    pub(crate) fn is_used(&self) -> bool {
        self.opened.load(Ordering::Relaxed) > 0
    }

    pub(super) fn counts(&self) -> ReservationCounts {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let settled = of(&self.settled);
        ReservationCounts {
            open: of(&self.opened).saturating_sub(settled),
            settled,
            reserved: of(&self.reserved),
            used: of(&self.used),
            given_back: of(&self.given_back),
            forced: of(&self.forced),
        }
    }
}

fn add(counter: &AtomicU64, units: u64) {
    counter.fetch_add(units, Ordering::Relaxed);
}
