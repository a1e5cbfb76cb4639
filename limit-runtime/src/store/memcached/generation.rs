//! The generation of the counts on one server: a number in an item of its own, which is part of the
//! names of all other items there.
//!
//! A reset of all budgets adds one to it, after which no earlier item is found any more. A server
//! that was restarted or flushed has no generation. It gets a random one, so that a process which
//! knows another one finds out that the counts are lost.

use super::transport::{Call, CallError, Condition, Transport, Write, Written};
use parking_lot::Mutex;
use std::{
    hash::{BuildHasher, RandomState},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// How long a generation is used before it is read again.
const MAX_AGE: Duration = Duration::from_millis(900);
/// A generation that is larger by less than this is a later one of the same run of the server.
const MAX_RESETS: u64 = 1 << 32;
/// How often the item may be lost between two calls.
const MAX_TRIES: usize = 4;

/// Counts how often the counts of a server were lost; 0 before the first answer.
#[derive(Clone, Debug, Default)]
pub(super) struct Epoch(Arc<AtomicU64>);

impl Epoch {
    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    fn begin(&self) {
        // If it has begun, it stays as it is.
        let _ = self
            .0
            .compare_exchange(0, 1, Ordering::AcqRel, Ordering::Acquire);
    }

    fn advance(&self) {
        self.0.fetch_add(1, Ordering::AcqRel);
    }
}

/// What this process knows of the generation of a server.
#[derive(Debug)]
pub(super) struct Generation {
    epoch: Epoch,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    number: Option<u64>,
    read_at: Option<Instant>,
}

impl Generation {
    pub(super) fn new(epoch: Epoch) -> Self {
        Self {
            epoch,
            known: Mutex::default(),
        }
    }

    /// The generation; `None` before it was read for the first time.
    pub(super) fn known(&self) -> Option<u64> {
        self.known.lock().number
    }

    /// Whether it has to be read again. Returns `true` to one caller in each period only.
    pub(super) fn is_due(&self) -> bool {
        let mut known = self.known.lock();
        let is_due = known.read_at.is_none_or(|at| at.elapsed() >= MAX_AGE);
        if is_due {
            known.read_at = Some(Instant::now());
        }
        is_due
    }

    /// Reads the generation, and makes one if there is none.
    pub(super) fn read<'a>(&'a self, transport: &'a dyn Transport, name: &'a str) -> Call<'a, u64> {
        Box::pin(async move {
            let mut unread = Unread(Some(self));
            let number = read(transport, name).await?;
            unread.0 = None;
            Ok(self.learn(number))
        })
    }

    /// Begins the next generation.
    pub(super) fn advance<'a>(
        &'a self,
        transport: &'a dyn Transport,
        name: &'a str,
    ) -> Call<'a, ()> {
        Box::pin(async move {
            match transport.add(name, 1).await? {
                Some(number) => self.learn(number),
                // A new one is as good as the next one.
                None => self.read(transport, name).await?,
            };
            Ok(())
        })
    }

    /// Remembers a generation that was read. Returns the latest.
    fn learn(&self, found: u64) -> u64 {
        let mut known = self.known.lock();
        known.read_at = Some(Instant::now());
        match known.number {
            None => self.epoch.begin(),
            // It was read before the one that is known.
            Some(latest) if latest.wrapping_sub(found) < MAX_RESETS => return latest,
            Some(latest) if found.wrapping_sub(latest) < MAX_RESETS => {}
            Some(_) => self.epoch.advance(),
        }
        known.number = Some(found);
        found
    }
}

/// A read under way. If it fails or is cancelled, the next check reads again.
struct Unread<'a>(Option<&'a Generation>);

impl Drop for Unread<'_> {
    fn drop(&mut self) {
        if let Some(generation) = self.0 {
            generation.known.lock().read_at = None;
        }
    }
}

async fn read(transport: &dyn Transport, name: &str) -> Result<u64, CallError> {
    for _ in 0..MAX_TRIES {
        if let Some(stored) = transport.get(name).await? {
            let text = String::from_utf8_lossy(&stored.value);
            return text.trim().parse().map_err(|_| {
                CallError::new("the item with the generation of the limiter holds no number")
            });
        }
        let number = random();
        let write = Write {
            condition: Condition::Absent,
            // It has to outlive all others.
            lifetime: 0,
        };
        let value = number.to_string().into_bytes();
        if let Written::Yes(_) = transport.set(name, value, write).await? {
            return Ok(number);
        }
    }
    Err(CallError::new(
        "memcached forgets the generation of the limiter at once",
    ))
}

/// A random number, with room for the resets to come.
fn random() -> u64 {
    RandomState::new().hash_one(0) >> 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_epoch_changes_with_a_generation_that_no_reset_has_made() {
        let epoch = Epoch::default();
        let generation = Generation::new(epoch.clone());
        assert_eq!((epoch.get(), generation.known()), (0, None));
        for (found, latest, expected) in [
            (1 << 40, 1 << 40, 1),
            (1 << 40, 1 << 40, 1),
            ((1 << 40) + 2, (1 << 40) + 2, 1),
            // Read before the reset.
            (1 << 40, (1 << 40) + 2, 1),
            (1 << 50, 1 << 50, 2),
            (7, 7, 3),
        ] {
            assert_eq!(generation.learn(found), latest);
            assert_eq!((epoch.get(), generation.known()), (expected, Some(latest)));
        }
        // The first answer of another server loses nothing.
        let other = Generation::new(epoch.clone());
        other.learn(5);
        assert_eq!(epoch.get(), 3);
    }

    #[test]
    fn one_caller_reads_it_again() {
        let generation = Generation::new(Epoch::default());
        assert!(generation.is_due());
        assert!(!generation.is_due());
        drop(Unread(Some(&generation)));
        assert!(generation.is_due(), "the read was cancelled");
    }
}
