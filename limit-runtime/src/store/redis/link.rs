//! The connection that opens itself: on the first request, and again after it was lost.
//!
//! The `redis` crate's own manager waits for its reconnection inside every request, outside of its
//! timeouts. Here a task of its own opens the connection; requests wait for it only as long as
//! their deadline, and not at all right after it failed.

use super::{source::Source, wire::Wire};
use parking_lot::Mutex;
use redis::{ErrorKind, RedisError, ServerErrorKind};
use std::{
    fmt,
    sync::{
        Arc, Weak,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{runtime::Handle, sync::Notify};

/// So soon after an attempt failed, the next request is answered with the same failure.
const PAUSE: Duration = Duration::from_millis(10);
/// A task that opens a connection is taken for lost after this: its runtime may have ended.
const ABANDONED: Duration = Duration::from_secs(2);
/// So many timeouts in a row, and the connection is opened anew: its packets may go nowhere.
const TIMEOUTS: u32 = 3;

/// Clones are one link.
#[derive(Clone)]
pub(super) struct Link(Arc<Inner>);

struct Inner {
    source: Source,
    state: Mutex<State>,
    changed: Notify,
    /// How often a connection was opened.
    opened: Arc<AtomicU64>,
}

enum State {
    Closed,
    Opening { since: Instant },
    Open(Open),
    Failed { at: Instant, error: RedisError },
}

/// A connection, and which one it is.
#[derive(Clone)]
pub(super) struct Open {
    pub(super) wire: Arc<dyn Wire>,
    number: u64,
    timeouts: Arc<AtomicU32>,
}

impl Link {
    pub(super) fn new(source: Source) -> Self {
        Self(Arc::new(Inner {
            source,
            state: Mutex::new(State::Closed),
            changed: Notify::new(),
            opened: Arc::default(),
        }))
    }

    /// Whether one script may touch keys of different owners.
    pub(super) fn is_one_server(&self) -> bool {
        self.0.source.is_one_server()
    }

    /// How often a connection was opened. What was counted before the latest may be gone.
    pub(super) fn opened(&self) -> u64 {
        self.0.opened.load(Ordering::Acquire)
    }

    /// The connection, opened if there is none.
    ///
    /// # Errors
    /// When it could not be opened just now.
    pub(super) async fn get(&self) -> Result<Open, RedisError> {
        let mut waited = false;
        loop {
            let changed = self.0.changed.notified();
            tokio::pin!(changed);
            // Registered before the state is read, so that no change is missed.
            changed.as_mut().enable();
            {
                let mut state = self.0.state.lock();
                match &*state {
                    State::Open(open) => return Ok(open.clone()),
                    State::Failed { at, error } if waited || at.elapsed() < PAUSE => {
                        return Err(error.clone());
                    }
                    State::Opening { since } if since.elapsed() < ABANDONED => {}
                    State::Closed | State::Failed { .. } | State::Opening { .. } => {
                        self.0.start(&mut state);
                    }
                }
            }
            changed.await;
            waited = true;
        }
    }

    /// Takes note of how a request on `open` ended.
    pub(super) fn saw(&self, open: &Open, error: Option<&RedisError>) {
        let Some(error) = error else {
            if open.timeouts.load(Ordering::Relaxed) > 0 {
                open.timeouts.store(0, Ordering::Relaxed);
            }
            return;
        };
        let is_dead = if error.is_timeout() {
            open.timeouts.fetch_add(1, Ordering::Relaxed) + 1 >= TIMEOUTS
        } else {
            // A master that was demoted keeps its clients: only a new connection finds the new one.
            error.is_unrecoverable_error()
                || error.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly)
                || super::failure::names(error, "READONLY")
        };
        if is_dead {
            self.0.lost(open.number, false);
        }
    }
}

impl Inner {
    /// Opens the connection in a task of its own: whoever asked for it may give up meanwhile.
    fn start(self: &Arc<Self>, state: &mut State) {
        *state = State::Opening {
            since: Instant::now(),
        };
        let link = self.clone();
        tokio::spawn(async move {
            let number = link.opened.load(Ordering::Acquire) + 1;
            let weak = Arc::downgrade(&link);
            let result = link.source.open(move || lost(&weak, number)).await;
            let mut state = link.state.lock();
            *state = match result {
                Ok(wire) => {
                    link.opened.store(number, Ordering::Release);
                    State::Open(Open {
                        wire,
                        number,
                        timeouts: Arc::default(),
                    })
                }
                Err(error) => State::Failed {
                    at: Instant::now(),
                    error,
                },
            };
            drop(state);
            link.changed.notify_waiters();
        });
    }

    /// Gives up connection `number`, and opens the next at once if that is wanted.
    fn lost(self: &Arc<Self>, number: u64, reopen: bool) {
        let mut state = self.state.lock();
        if matches!(&*state, State::Open(open) if open.number == number) {
            *state = State::Closed;
            if reopen && Handle::try_current().is_ok() {
                self.start(&mut state);
            }
        }
    }
}

/// A connection was found dead while nobody was asking for it: the next request shall find a new one.
fn lost(link: &Weak<Inner>, number: u64) {
    if let Some(link) = link.upgrade() {
        link.lost(number, true);
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link")
            .field("opened", &self.opened())
            .finish_non_exhaustive()
    }
}
