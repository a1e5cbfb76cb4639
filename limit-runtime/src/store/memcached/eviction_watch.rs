//! Watches how many items a server evicts: each may have been a count, and its client then has its
//! budget again.

use super::admin;
use parking_lot::Mutex;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::runtime::Handle;

/// How often the server is asked.
const INTERVAL: Duration = Duration::from_secs(30);
const TIMEOUT: Duration = Duration::from_secs(2);

/// Watches the evictions of one server.
#[derive(Debug)]
pub(super) struct EvictionWatch {
    address: Arc<str>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    asked_at: Instant,
    /// The last number; `None` before the first answer.
    evictions: Option<u64>,
}

impl EvictionWatch {
    pub(super) fn new(address: &str) -> Self {
        Self {
            address: address.into(),
            state: Arc::new(Mutex::new(State {
                asked_at: Instant::now(),
                evictions: None,
            })),
        }
    }

    /// Begins with this number of evictions.
    pub(super) fn begin(&self, evictions: u64) {
        self.state.lock().evictions = Some(evictions);
    }

    /// Asks the server in the background if it has not been asked for a while.
    pub(super) fn ask_if_due(&self) {
        let is_due = {
            let mut state = self.state.lock();
            let is_due = state.asked_at.elapsed() >= INTERVAL;
            if is_due {
                state.asked_at = Instant::now();
            }
            is_due
        };
        let Some(runtime) = Handle::try_current().ok().filter(|_| is_due) else {
            return;
        };
        let (address, state) = (self.address.clone(), self.state.clone());
        runtime.spawn(async move {
            if let Some(now) = admin::evictions(&address, TIMEOUT).await {
                let before = state.lock().evictions.replace(now);
                if let Some(evicted) = evicted(before, now) {
                    tracing::warn!(
                        server = &*address,
                        evicted,
                        "memcached evicts items because its memory is full: if a count is evicted, its \
                         client has its budget again; give it more memory with `-m`"
                    );
                }
            }
        });
    }
}

/// How many items were evicted since the last answer. `None` if there were none, or if that is not
/// known because the server was restarted.
fn evicted(before: Option<u64>, now: u64) -> Option<u64> {
    now.checked_sub(before?).filter(|&evicted| evicted > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_growth_is_reported() {
        for (before, now, expected) in [
            (None, 5, None),
            (Some(5), 5, None),
            (Some(5), 7, Some(2)),
            (Some(5), 1, None),
        ] {
            assert_eq!(evicted(before, now), expected);
        }
    }
}
