//! Monotonic time as integers, and a clock that tests move by hand.

mod calibration;
mod counter;

use self::counter::Counter;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// A moment, in whole microseconds since its clock began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticks(u64);

impl Ticks {
    /// The moment `micros` microseconds after the clock began.
    #[must_use]
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// Microseconds since the clock began.
    #[must_use]
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// The time from `earlier` to here; zero if `earlier` is in fact later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

/// Where a limiter reads the time.
///
/// ```
/// use limit_runtime::clock::Clock;
///
/// let clock = Clock::monotonic();
/// assert!(clock.now() <= clock.now());
/// ```
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    Monotonic(Counter),
    Tokio(tokio::time::Instant),
    Test(TestClock),
}

impl Clock {
    /// The operating system's monotonic clock: it does not step back when the date is set. The processor's cycle counter
    /// fills the time between readings of it, each for a tenth of a millisecond at most.
    #[must_use]
    pub fn monotonic() -> Self {
        Self(Source::Monotonic(Counter::of_process()))
    }

    /// Tokio's clock, which tests pause: `#[tokio::test(start_paused = true)]` moves it on whenever all
    /// tasks sleep, so that a request that waits for room waits no real time.
    #[must_use]
    pub fn tokio() -> Self {
        Self(Source::Tokio(tokio::time::Instant::now()))
    }

    /// The present moment.
    #[must_use]
    #[inline]
    pub fn now(&self) -> Ticks {
        match &self.0 {
            Source::Monotonic(counter) => Ticks(counter.nanos() / 1_000),
            Source::Tokio(start) => Ticks(micros(start.elapsed())),
            Source::Test(clock) => clock.now(),
        }
    }
}

#[cfg(feature = "redis")]
impl Clock {
    /// Whether a test moves it.
    pub(crate) fn is_test(&self) -> bool {
        matches!(self.0, Source::Test(_))
    }
}

impl From<TestClock> for Clock {
    fn from(clock: TestClock) -> Self {
        Self(Source::Test(clock))
    }
}

/// A clock that stands still until it is moved. Clones show the same time.
///
/// ```
/// use limit_runtime::clock::TestClock;
/// use std::time::Duration;
///
/// let clock = TestClock::new();
/// let before = clock.now();
/// clock.advance(Duration::from_secs(60));
/// assert_eq!(clock.now().since(before), Duration::from_secs(60));
/// ```
#[derive(Clone, Debug)]
pub struct TestClock(Arc<AtomicU64>);

/// A day: far enough from zero that a clock can also step back.
const TEST_EPOCH: u64 = 86_400_000_000;

impl TestClock {
    /// A clock at some fixed moment, a day or more after its beginning.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(AtomicU64::new(TEST_EPOCH)))
    }

    /// The moment it shows.
    #[must_use]
    pub fn now(&self) -> Ticks {
        Ticks(self.0.load(Ordering::SeqCst))
    }

    /// Moves it forward.
    pub fn advance(&self, by: Duration) {
        self.shift(|now| now.saturating_add(micros(by)));
    }

    /// Moves it back, as a broken clock would; it stops at its beginning.
    pub fn step_back(&self, by: Duration) {
        self.shift(|now| now.saturating_sub(micros(by)));
    }

    fn shift(&self, to: impl Fn(u64) -> u64) {
        // The closure always returns `Some`, so the update cannot fail.
        let _ = self
            .0
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |now| Some(to(now)));
    }
}

impl Default for TestClock {
    fn default() -> Self {
        Self::new()
    }
}

#[inline]
fn micros(duration: Duration) -> u64 {
    // `as_micros` has 128 bits, which take longer than the rest of reading the time.
    let seconds = duration.as_secs().saturating_mul(1_000_000);
    seconds.saturating_add(duration.subsec_micros().into())
}
