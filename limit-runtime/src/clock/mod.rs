//! Monotonic time in whole microseconds, and a clock that tests set by hand.

mod calibration;
mod tsc;

use self::tsc::TscClock;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// A point in time: whole microseconds since its clock started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticks(u64);

impl Ticks {
    /// The time `micros` microseconds after the clock started.
    #[must_use]
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// Microseconds since the clock started.
    #[must_use]
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// The duration since `earlier`; zero if `earlier` is later than `self`.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

/// The clock that a limiter reads.
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
    Monotonic(TscClock),
    Tokio(tokio::time::Instant),
    Test(TestClock),
}

impl Clock {
    /// The operating system's monotonic clock, which does not step back when the date is set.
    ///
    /// Between two readings of it, the processor's time-stamp counter measures the time, for at
    /// most a tenth of a millisecond.
    #[must_use]
    pub fn monotonic() -> Self {
        Self(Source::Monotonic(TscClock::of_process()))
    }

    /// Tokio's clock, which tests can pause. With `#[tokio::test(start_paused = true)]` it advances
    /// whenever all tasks sleep, so a request that waits for room takes no real time.
    #[must_use]
    pub fn tokio() -> Self {
        Self(Source::Tokio(tokio::time::Instant::now()))
    }

    /// The current time.
    #[must_use]
    #[inline]
    pub fn now(&self) -> Ticks {
        match &self.0 {
            Source::Monotonic(clock) => Ticks(clock.nanos() / 1_000),
            Source::Tokio(start) => Ticks(micros(start.elapsed())),
            Source::Test(clock) => clock.now(),
        }
    }
}

#[cfg(any(feature = "memcached", feature = "redis"))]
impl Clock {
    /// Whether it is a [`TestClock`].
    pub(crate) fn is_test(&self) -> bool {
        matches!(self.0, Source::Test(_))
    }
}

impl From<TestClock> for Clock {
    fn from(clock: TestClock) -> Self {
        Self(Source::Test(clock))
    }
}

/// A clock that stands still until a test advances it. All clones share one time.
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

/// The initial time of a test clock, a day, so that it can also step back.
const TEST_EPOCH: u64 = 86_400_000_000;

impl TestClock {
    /// A clock that shows a fixed time, at least a day after its start.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(AtomicU64::new(TEST_EPOCH)))
    }

    /// The time that it shows.
    #[must_use]
    pub fn now(&self) -> Ticks {
        Ticks(self.0.load(Ordering::SeqCst))
    }

    /// Advances the clock.
    pub fn advance(&self, by: Duration) {
        self.shift(|now| now.saturating_add(micros(by)));
    }

    /// Moves the clock back, as a faulty clock would, but not to before its start.
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

/// Whole milliseconds, rounded down.
#[cfg(any(feature = "redis", feature = "serde"))]
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[inline]
fn micros(duration: Duration) -> u64 {
    // `Duration::as_micros` has 128 bits, and takes longer than reading the time.
    let seconds = duration.as_secs().saturating_mul(1_000_000);
    seconds.saturating_add(duration.subsec_micros().into())
}
