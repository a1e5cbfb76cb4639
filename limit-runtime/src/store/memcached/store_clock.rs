//! The time that items are stamped with: that of the application's clock.

use super::log_state::END_OF_TIME;
use crate::clock::{Clock, Ticks};
use std::time::{SystemTime, UNIX_EPOCH};

/// The clock of a store. All machines that share items need clocks that agree.
#[derive(Clone, Debug)]
pub(super) enum StoreClock {
    /// The date of this machine.
    Date,
    /// Another clock, for tests.
    Other(Clock),
}

impl StoreClock {
    pub(super) fn now(&self) -> Ticks {
        let micros = match self {
            Self::Date => {
                let elapsed = SystemTime::now().duration_since(UNIX_EPOCH);
                elapsed.map_or(0, |elapsed| {
                    u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX)
                })
            }
            Self::Other(clock) => clock.now().as_micros(),
        };
        Ticks::from_micros(micros.min(END_OF_TIME))
    }

    /// Seconds that items are kept for longer than they count: more than clocks may differ. A test
    /// clock may stand still while the server's goes on.
    pub(super) fn spare_seconds(&self) -> u64 {
        match self {
            Self::Date => 10,
            Self::Other(_) => 3_600,
        }
    }
}
