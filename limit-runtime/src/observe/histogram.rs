//! Histograms with fixed buckets: of utilisation in percent, and of times in nanoseconds.

use super::shards::Counters;
use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// A histogram at one moment.
///
/// ```
/// use limit_runtime::{Limiter, observe::Histogram};
///
/// let stats = Limiter::builder().stats(true).build().stats();
/// for policy in &stats.policies {
///     if let Some(times) = policy.check_time_ns.as_ref().filter(|times| times.count() > 0) {
///         println!("{}: half of the checks take {:?} ns", policy.policy, times.quantile(50));
///     }
/// }
/// # let _: Option<Histogram> = None;
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Histogram {
    /// The buckets that are not empty, in ascending order.
    pub buckets: Vec<Bucket>,
}

/// The values of a histogram that are at most `le` and greater than the bucket before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Bucket {
    /// The greatest value in the bucket.
    pub le: u64,
    /// How many values are in the bucket.
    pub count: u64,
}

impl Histogram {
    /// How many values there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().map(|bucket| bucket.count).sum()
    }

    /// The upper end of the bucket in which `percent` of the values are reached, from 0 to 100.
    /// `None` if there are no values.
    #[must_use]
    pub fn quantile(&self, percent: u8) -> Option<u64> {
        let total = u128::from(self.count());
        let rank = (total * u128::from(percent.min(100))).div_ceil(100).max(1);
        let mut seen = 0;
        self.buckets
            .iter()
            .find(|bucket| {
                seen += u128::from(bucket.count);
                seen >= rank
            })
            .map(|bucket| bucket.le)
    }

    fn of(buckets: impl Iterator<Item = (u64, u64)>) -> Self {
        let filled = buckets.filter(|&(_, count)| count > 0);
        Self {
            buckets: filled.map(|(le, count)| Bucket { le, count }).collect(),
        }
    }
}

/// The upper ends of the buckets of utilisation in percent. The last but one holds everything from
/// 90 percent up to a limit that is not quite used up.
const UTILIZATION_ENDS: [u64; 11] = [10, 20, 30, 40, 50, 60, 70, 80, 90, 99, 100];

/// How much of a limit was used at each check.
#[derive(Debug)]
pub(super) struct Utilization(Counters<11>);

impl Utilization {
    pub(super) fn new() -> Self {
        Self(Counters::new())
    }

    #[inline]
    pub(super) fn record(&self, used: u64, limit: u64) {
        self.0.add(utilization_bucket(used, limit));
    }

    pub(super) fn snapshot(&self) -> Histogram {
        Histogram::of(UTILIZATION_ENDS.into_iter().zip(self.0.sums()))
    }
}

/// The index of the bucket. Counts are below 10^15, so that ten times as much does not overflow.
#[inline]
fn utilization_bucket(used: u64, limit: u64) -> usize {
    if used >= limit {
        return 10;
    }
    let tenths = used.saturating_mul(10).div_ceil(limit.max(1));
    usize::try_from(tenths.saturating_sub(1)).map_or(9, |bucket| bucket.min(9))
}

/// Four buckets for each power of two of nanoseconds, up to some 17 seconds.
const TIME_BUCKETS: usize = 4 * 33;

/// Times, in nanoseconds. A bucket is at most a quarter wider than its lower end.
#[derive(Debug)]
pub(super) struct Times(Box<[AtomicU64]>);

impl Times {
    pub(super) fn new() -> Self {
        Self((0..TIME_BUCKETS).map(|_| AtomicU64::new(0)).collect())
    }

    pub(super) fn record(&self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let bucket = time_bucket(nanos).min(TIME_BUCKETS - 1);
        if let Some(bucket) = self.0.get(bucket) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn snapshot(&self) -> Histogram {
        let counts = self.0.iter().map(|count| count.load(Ordering::Relaxed));
        Histogram::of((0..).map(time_bucket_end).zip(counts))
    }
}

/// The index of the bucket: the position of the highest bit, and the two bits below it.
fn time_bucket(nanos: u64) -> usize {
    if nanos < 4 {
        return usize::try_from(nanos).unwrap_or(0);
    }
    let highest = nanos.ilog2();
    let below = (nanos >> (highest - 2)) & 3;
    usize::try_from(u64::from(highest - 1) * 4 + below).unwrap_or(usize::MAX)
}

/// The greatest value in the bucket of this index.
fn time_bucket_end(bucket: u32) -> u64 {
    if bucket < 4 {
        return u64::from(bucket);
    }
    let (highest, below) = (bucket / 4 + 1, u64::from(bucket % 4));
    let width = 1_u64.checked_shl(highest - 2).unwrap_or(u64::MAX);
    (4 + below).saturating_mul(width).saturating_add(width - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_limit_that_is_used_up_is_in_the_last_bucket() {
        let end = |used, limit| UTILIZATION_ENDS[utilization_bucket(used, limit)];
        for (used, limit, expected) in [
            (0, 10, 10),
            (1, 10, 10),
            (2, 10, 20),
            (9, 10, 90),
            (10, 10, 100),
            (11, 10, 100),
            (91, 100, 99),
            (999, 1_000, 99),
            (1, 1, 100),
            (0, 1, 10),
            (999_999_999_999_998, 999_999_999_999_999, 99),
        ] {
            assert_eq!(end(used, limit), expected, "{used} of {limit}");
        }
    }

    #[test]
    fn a_time_is_at_most_a_quarter_below_the_end_of_its_bucket() {
        let mut last = 0;
        for nanos in (0..10_000).chain((7..30).map(|bit| 123_u64 << bit)) {
            let bucket = time_bucket(nanos);
            let end = time_bucket_end(u32::try_from(bucket).unwrap());
            assert!(nanos <= end && end - nanos <= nanos / 4, "{nanos} in {end}");
            assert!(bucket >= last, "{nanos}");
            last = bucket;
        }
    }

    #[test]
    fn a_quantile_is_the_end_of_the_bucket_that_reaches_it() {
        let times = Times::new();
        assert_eq!(times.snapshot().quantile(50), None);
        for nanos in 1..=100 {
            times.record(Duration::from_nanos(nanos));
        }
        let snapshot = times.snapshot();
        assert_eq!(snapshot.count(), 100);
        assert_eq!(snapshot.quantile(50), Some(55));
        assert_eq!(snapshot.quantile(100), Some(111));
        assert_eq!(snapshot.quantile(0), Some(1));
    }

    #[test]
    fn a_time_beyond_the_buckets_is_in_the_last_one() {
        let times = Times::new();
        times.record(Duration::MAX);
        assert_eq!(times.snapshot().count(), 1);
    }
}
