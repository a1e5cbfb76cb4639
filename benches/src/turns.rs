//! Short interleaved turns, timed in processor time.
//!
//! On a shared machine the speed of a core changes from one moment to the next. Contenders
//! therefore alternate every few milliseconds, and each turn is compared with the turns beside it.

use crate::cpu_time::thread_cpu_time;
use std::{
    fmt,
    ops::Range,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

/// A name, and work that can be repeated.
pub struct Contender<'a> {
    /// Its name in the table.
    pub name: String,
    /// Does the work that often, and returns the nanoseconds that each repetition took, or NaN if
    /// other work of the machine has made them meaningless.
    run: Box<dyn FnMut(u64) -> f64 + 'a>,
}

impl<'a> Contender<'a> {
    /// Work on the calling thread. `work` repeats it that often.
    pub fn new(name: impl Into<String>, mut work: impl FnMut(u64) + 'a) -> Self {
        let run = move |times| {
            let start = thread_cpu_time();
            work(times);
            nanos_each(thread_cpu_time() - start, times)
        };
        Self {
            name: name.into(),
            run: Box::new(run),
        }
    }

    /// Work on several threads at once. `work` gets the number of the thread and the repetitions
    /// to do. The result is the processor time of all threads, divided by all repetitions.
    pub fn on_threads(
        name: impl Into<String>,
        threads: usize,
        work: impl Fn(usize, Range<u64>) + Sync + 'a,
    ) -> Self {
        let run = move |times| {
            // Threads that do not run at the same time do not contend. When other work has taken
            // a core, the turn is repeated. If that does not help, it does not count.
            for _ in 0..4 {
                let together = Together::run(threads, times, &work);
                if together.overlap > 0.9 {
                    return together.nanos;
                }
            }
            f64::NAN
        };
        Self {
            name: name.into(),
            run: Box::new(run),
        }
    }
}

impl fmt::Debug for Contender<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Contender")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

fn nanos_each(time: Duration, times: u64) -> f64 {
    time.as_nanos() as f64 / times as f64
}

/// Threads that start at once and stop when the first of them is done.
struct Together {
    absent: AtomicUsize,
    stop: AtomicBool,
    times: u64,
}

/// What happened on one of the threads.
struct Lap {
    start: Instant,
    end: Instant,
    cpu_time: Duration,
    done: u64,
}

/// What happened on all threads.
struct Overlapped {
    nanos: f64,
    /// The part of the time in which all threads ran, from 0 to 1.
    overlap: f64,
}

impl Together {
    const WARM_UP: u64 = 500;
    const CHUNK: u64 = 100;

    fn run(threads: usize, times: u64, work: &(impl Fn(usize, Range<u64>) + Sync)) -> Overlapped {
        let together = Self {
            absent: AtomicUsize::new(threads),
            stop: AtomicBool::new(false),
            times,
        };
        let laps: Vec<Lap> = thread::scope(|scope| {
            let together = &together;
            let lap = |thread| scope.spawn(move || together.lap(|range| work(thread, range)));
            let running: Vec<_> = (0..threads).map(lap).collect();
            running.into_iter().map(|it| it.join().unwrap()).collect()
        });
        Overlapped::of(&laps)
    }

    fn lap(&self, work: impl Fn(Range<u64>)) -> Lap {
        // A new thread has thread-local state to set up.
        work(0..Self::WARM_UP);
        self.absent.fetch_sub(1, Ordering::SeqCst);
        while self.absent.load(Ordering::SeqCst) > 0 {
            // Lets the other thread start, should it be on the same core.
            thread::yield_now();
        }
        let (start, cpu_start) = (Instant::now(), thread_cpu_time());
        let mut done = 0;
        while done < self.times && !self.stop.load(Ordering::Relaxed) {
            work(done..done + Self::CHUNK);
            done += Self::CHUNK;
        }
        self.stop.store(true, Ordering::Relaxed);
        Lap {
            start,
            end: Instant::now(),
            cpu_time: thread_cpu_time() - cpu_start,
            done,
        }
    }
}

impl Overlapped {
    fn of(laps: &[Lap]) -> Self {
        let first_start = laps.iter().map(|lap| lap.start).min().unwrap();
        let last_end = laps.iter().map(|lap| lap.end).max().unwrap();
        let span = (last_end - first_start).as_secs_f64();
        let cpu_time: Duration = laps.iter().map(|lap| lap.cpu_time).sum();
        let least = laps.iter().map(|lap| lap.cpu_time).min().unwrap();
        Self {
            nanos: nanos_each(cpu_time, laps.iter().map(|lap| lap.done).sum()),
            // A thread that ran for the whole span ran beside each of the others.
            overlap: least.as_secs_f64() / span,
        }
    }
}

/// Nanoseconds of a repetition, for each contender and turn.
#[derive(Clone, Debug, Default)]
pub struct Turns(Vec<Vec<f64>>);

impl Turns {
    /// Lets all contenders work in turn, `turns` times, each of which is `times` repetitions.
    pub fn run(turns: usize, times: u64, contenders: &mut [Contender<'_>]) -> Self {
        let mut all = vec![Vec::with_capacity(turns); contenders.len()];
        for turn in 0..turns {
            // None is always the one after the same other.
            for place in 0..contenders.len() {
                let place = (place + turn) % contenders.len();
                all[place].push((contenders[place].run)(times));
            }
        }
        Self(all)
    }

    /// One turn for each contender, of the mean of its turns.
    #[must_use]
    pub fn as_one(&self) -> Self {
        let mean = |turns: &Vec<f64>| turns.iter().sum::<f64>() / turns.len() as f64;
        Self(self.0.iter().map(|turns| vec![mean(turns)]).collect())
    }

    /// Appends the turns of the same contenders.
    pub fn append(&mut self, later: Self) {
        self.0.resize_with(later.0.len(), Vec::new);
        for (turns, later) in self.0.iter_mut().zip(later.0) {
            turns.extend(later);
        }
    }

    /// The median of a contender's turns. NaN if its threads never ran at the same time.
    #[must_use]
    pub fn nanos(&self, contender: usize) -> f64 {
        median(self.0[contender].clone())
    }

    /// The median of the differences of two contenders in the same turn, in nanoseconds.
    #[must_use]
    pub fn difference(&self, contender: usize, from: usize) -> f64 {
        let pairs = self.0[contender].iter().zip(&self.0[from]);
        median(pairs.map(|(one, other)| one - other).collect())
    }

    /// The median of the ratios of two contenders in the same turn.
    #[must_use]
    pub fn ratio(&self, contender: usize, to: usize) -> f64 {
        let pairs = self.0[contender].iter().zip(&self.0[to]);
        median(pairs.map(|(one, other)| one / other).collect())
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.retain(|value| !value.is_nan());
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Whether a measured value is at most its target.
#[must_use]
pub fn verdict(value: f64, target: f64) -> &'static str {
    if value <= target { "reached" } else { "missed" }
}
