//! Processor time of the calling thread: time that other threads and processes take is not in it.

use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// The processor time that the calling thread has used so far.
#[must_use]
pub fn thread_cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let nanos = u32::try_from(time.tv_nsec).unwrap_or_default();
    Duration::new(u64::try_from(time.tv_sec).unwrap_or_default(), nanos)
}
