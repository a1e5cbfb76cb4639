//! Monotonic time of a shard.

use crate::{clock::Ticks, window::moving::END_OF_TIME};

/// If the clock steps back, time continues from its latest value, so that ages of hits do not
/// change.
#[derive(Debug, Default)]
pub(super) struct ShardTime {
    latest: u64,
    stepped_back: u64,
}

/// A reading that is this many microseconds before the latest one does not count as a clock step.
const SLACK: u64 = 1_000;

impl ShardTime {
    /// The current time, from a reading of the clock. `None` if the reading is so old that the
    /// clock has to be read [again](Self::step_back) under the lock.
    #[inline]
    pub(super) fn now(&mut self, reading: Ticks) -> Option<Ticks> {
        // Threads may get here in another order than they read the clock: the latest reading
        // counts.
        self.latest = match reading.as_micros() {
            later if later >= self.latest => later,
            earlier if self.latest - earlier <= SLACK => self.latest,
            _ => return None,
        };
        Some(self.shown())
    }

    /// The current time, from a reading under the lock: if it is far back, the clock has stepped.
    #[cold]
    pub(super) fn step_back(&mut self, reading: Ticks) -> Ticks {
        if self.now(reading).is_none() {
            self.stepped_back += self.latest - reading.as_micros();
            self.latest = reading.as_micros();
        }
        self.shown()
    }

    /// The current time in the clock's time.
    pub(super) fn latest_reading(&self) -> Ticks {
        Ticks::from_micros(self.latest)
    }

    /// Converts a time of this shard, in microseconds, to the clock's time.
    pub(super) fn to_reading(&self, micros: u64) -> u64 {
        micros.saturating_sub(self.stepped_back)
    }

    #[inline]
    fn shown(&self) -> Ticks {
        let micros = self.latest.saturating_add(self.stepped_back);
        Ticks::from_micros(micros.min(END_OF_TIME))
    }
}
