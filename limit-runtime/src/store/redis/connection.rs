//! A connection that is opened by the first request, and again after it was lost.
//!
//! The `redis` crate's `ConnectionManager` reconnects inside a request, and its time-outs do not
//! cover that wait. Here, a separate task opens the connection. Requests wait for it within their
//! own deadline, and fail at once if the last attempt has only just failed.

use super::{
    connector::Connector,
    handshake::{RunId, shake_hands},
    server_error::{has_code, misconfiguration},
    transport::Transport,
    wrapped_error::RuntimeEnded,
};
use parking_lot::Mutex;
use redis::{ErrorKind, RedisError, ServerErrorKind};
use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{
    runtime::Handle,
    sync::{Notify, oneshot},
};

/// For this long after a failed attempt, requests fail with its error, without a new attempt.
const RETRY_DELAY: Duration = Duration::from_millis(10);
/// After this time, the task that opens a connection is considered lost. Its runtime may have
/// ended.
const OPENING_TIMEOUT: Duration = Duration::from_secs(2);
/// The least time between two attempts to replace the client of a cluster.
const REPLACE_INTERVAL: Duration = Duration::from_millis(200);
/// How often a request waits for the connection to open. It waits again if the runtime of the
/// attempt ends.
const MAX_WAITS: usize = 8;
/// After this many time-outs in a row, the connection is replaced: it may be half open.
const MAX_TIMEOUTS: u32 = 3;

/// A handle to the connection. Its clones share one connection.
#[derive(Clone)]
pub(super) struct Connection(Arc<Inner>);

struct Inner {
    connector: Connector,
    state: Mutex<State>,
    /// Notified when `Opening` ends.
    state_changed: Notify,
    times_opened: Arc<AtomicU64>,
    /// The key that the handshake writes to.
    probe_key: Mutex<Box<str>>,
    /// The run of the server at the last handshake.
    run_id: Mutex<RunId>,
    /// Changes when the counts of the server may be lost.
    epoch: AtomicU64,
    /// When the last attempt began to replace the client of a cluster.
    replacing_since: Mutex<Option<Instant>>,
}

enum State {
    Closed,
    Opening { since: Instant },
    Open(OpenConnection),
    Failed { at: Instant, error: RedisError },
}

/// An open connection.
#[derive(Clone)]
pub(super) struct OpenConnection {
    pub(super) transport: Arc<dyn Transport>,
    /// Tells this connection from earlier and later ones.
    number: u64,
    /// Time-outs in a row.
    timeouts: Arc<AtomicU32>,
    /// Closed when the runtime ends that drives the connection. `None` for a connection of the
    /// application.
    runtime: Option<Arc<oneshot::Sender<()>>>,
}

impl OpenConnection {
    /// In the runtime that drives the connection.
    fn new(transport: Arc<dyn Transport>, number: u64, connector: &Connector) -> Self {
        let is_driven_here = !matches!(connector, Connector::External(_));
        Self {
            transport,
            number,
            timeouts: Arc::default(),
            runtime: is_driven_here.then(watch_runtime),
        }
    }

    /// Whether the runtime that drove the connection has ended, so that nothing is sent any more.
    fn has_lost_runtime(&self) -> bool {
        let runtime = self.runtime.as_ref();
        runtime.is_some_and(|runtime| runtime.is_closed())
    }
}

impl Connection {
    pub(super) fn new(connector: Connector) -> Self {
        Self(Arc::new(Inner {
            connector,
            state: Mutex::new(State::Closed),
            state_changed: Notify::new(),
            times_opened: Arc::default(),
            probe_key: Mutex::default(),
            run_id: Mutex::default(),
            epoch: AtomicU64::new(0),
            replacing_since: Mutex::default(),
        }))
    }

    /// Whether all keys are on one server, so that one script may use any of them.
    pub(super) fn is_one_server(&self) -> bool {
        self.0.connector.is_one_server()
    }

    /// Sets the key that the handshake writes to.
    pub(super) fn set_probe_key(&self, key: String) {
        *self.0.probe_key.lock() = key.into();
    }

    /// A number that changes with each run of the server: counts from before may be lost. 0 before
    /// the first connection.
    pub(super) fn epoch(&self) -> u64 {
        self.0.epoch.load(Ordering::Acquire)
    }

    /// How often a connection was opened.
    pub(super) fn times_opened(&self) -> u64 {
        self.0.times_opened.load(Ordering::Acquire)
    }

    /// Returns the open connection, or opens one.
    ///
    /// # Errors
    /// If the attempt to open it fails, or an attempt failed less than [`RETRY_DELAY`] ago.
    pub(super) async fn get(&self) -> Result<OpenConnection, RedisError> {
        let mut has_waited = false;
        for _ in 0..MAX_WAITS {
            let state_changed = self.0.state_changed.notified();
            tokio::pin!(state_changed);
            // Registers before the state is read, so that no change is missed.
            state_changed.as_mut().enable();
            let attempt = {
                let mut state = self.0.state.lock();
                match &*state {
                    State::Open(open) if !open.has_lost_runtime() => return Ok(open.clone()),
                    State::Failed { at, error } if has_waited || at.elapsed() < RETRY_DELAY => {
                        return Err(error.clone());
                    }
                    State::Opening { since } if since.elapsed() < OPENING_TIMEOUT => None,
                    State::Closed
                    | State::Open(_)
                    | State::Failed { .. }
                    | State::Opening { .. } => Some(self.0.new_attempt(&mut state)),
                }
            };
            if let Some(attempt) = attempt {
                attempt.start();
            }
            state_changed.await;
            has_waited = true;
        }
        Err(RuntimeEnded::wrap())
    }

    /// Reports the result of a request on `open`, and returns it.
    ///
    /// Errors can show that the connection is dead; the next request then opens a new one. If its
    /// runtime has ended, the error says so.
    pub(super) async fn report<T>(
        &self,
        open: &OpenConnection,
        result: Result<T, RedisError>,
    ) -> Result<T, RedisError> {
        let error = match result {
            Ok(reply) => {
                // Each reply comes here: most only read.
                if open.timeouts.load(Ordering::Relaxed) > 0 {
                    open.timeouts.store(0, Ordering::Relaxed);
                }
                return Ok(reply);
            }
            Err(error) => error,
        };
        if open.runtime.is_some() && error.is_io_error() {
            // A task of the runtime that is ending is dropped here, and so reports nothing. Tasks
            // of others see that it has ended.
            tokio::task::yield_now().await;
            if open.has_lost_runtime() {
                return Err(RuntimeEnded::wrap());
            }
        }
        self.report_error(open, &error);
        Err(error)
    }

    /// Reports the error of a reply on `open`.
    pub(super) fn report_error(&self, open: &OpenConnection, error: &RedisError) {
        // The client of a cluster has a connection to each node. It is used until another one is
        // open, because none can be opened while a part of the cluster is out for good.
        if !self.is_one_server() {
            if error.is_unrecoverable_error() || error.is_cluster_error() {
                self.0.replace(open.number);
            }
            return;
        }
        let is_dead = if error.is_timeout() {
            open.timeouts.fetch_add(1, Ordering::Relaxed) + 1 >= MAX_TIMEOUTS
        } else {
            // A master that was demoted to a replica keeps its connections open. Only a new
            // connection reaches the new master.
            // And the handshake of a new connection tells whether a server that refuses can be
            // used again.
            error.is_unrecoverable_error()
                || misconfiguration(error).is_some()
                || error.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly)
                || has_code(error, "READONLY")
        };
        if is_dead {
            self.0.close(open.number);
        }
    }
}

impl Inner {
    /// Opens a connection to a server that is suitable.
    async fn open(
        &self,
        on_disconnect: impl Fn() + Send + Sync + 'static,
        is_first: bool,
    ) -> Result<Arc<dyn Transport>, RedisError> {
        let transport = self.connector.open(on_disconnect).await?;
        let probe_key = self.probe_key.lock().clone();
        let is_one_server = self.connector.is_one_server();
        let handshake = shake_hands(&*transport, is_one_server, &probe_key, is_first);
        let run_id = tokio::time::timeout(OPENING_TIMEOUT, handshake)
            .await
            .map_err(|_| RedisError::from((ErrorKind::Io, "no answer to the handshake")))??;
        let mut last = self.run_id.lock();
        if run_id.is_none() || *last != run_id {
            *last = run_id;
            self.epoch.fetch_add(1, Ordering::AcqRel);
        }
        Ok(transport)
    }

    /// The caller starts the attempt once the state is not locked any more.
    fn new_attempt(self: &Arc<Self>, state: &mut State) -> Attempt {
        let since = Instant::now();
        *state = State::Opening { since };
        Attempt {
            inner: self.clone(),
            since,
        }
    }

    /// Opens another client of a cluster, and uses it instead of connection `number` if that works.
    fn replace(self: &Arc<Self>, number: u64) {
        {
            let mut since = self.replacing_since.lock();
            if since.is_some_and(|since| since.elapsed() < REPLACE_INTERVAL) {
                return;
            }
            *since = Some(Instant::now());
        }
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let inner = self.clone();
        runtime.spawn(async move {
            if let Ok(transport) = inner.open(|| {}, false).await {
                let mut state = inner.state.lock();
                if is_current(&state, number) {
                    let number = inner.times_opened.fetch_add(1, Ordering::AcqRel) + 1;
                    *state = State::Open(OpenConnection::new(transport, number, &inner.connector));
                }
            }
        });
    }

    /// Closes connection `number`, if it is still the current one.
    fn close(&self, number: u64) {
        let mut state = self.state.lock();
        if is_current(&state, number) {
            *state = State::Closed;
        }
    }

    /// Replaces connection `number` if it is still the current one.
    ///
    /// For a connection that was lost between requests, so that the next request need not wait.
    fn reopen(self: &Arc<Self>, number: u64) {
        let mut state = self.state.lock();
        if is_current(&state, number) {
            *state = State::Closed;
            if Handle::try_current().is_ok() {
                let attempt = self.new_attempt(&mut state);
                drop(state);
                attempt.start();
            }
        }
    }
}

/// A sender that is closed when the current runtime ends.
fn watch_runtime() -> Arc<oneshot::Sender<()>> {
    let (sender, receiver) = oneshot::channel();
    // The task ends when the sender is dropped. A runtime that ends drops the task.
    tokio::spawn(receiver);
    Arc::new(sender)
}

/// The task that opens a connection. If its runtime ends first, others can open one at once.
struct Attempt {
    inner: Arc<Inner>,
    since: Instant,
}

impl Attempt {
    /// Opens the connection in a separate task, because the request that needs it may be cancelled.
    fn start(self) {
        tokio::spawn(async move {
            let inner = self.inner.clone();
            let number = inner.times_opened.load(Ordering::Acquire) + 1;
            let weak = Arc::downgrade(&inner);
            let on_disconnect = move || {
                if let Some(inner) = weak.upgrade() {
                    inner.reopen(number);
                }
            };
            let result = inner.open(on_disconnect, number == 1).await;
            let mut state = inner.state.lock();
            // An attempt that took too long has been replaced.
            if !matches!(*state, State::Opening { since } if since == self.since) {
                return;
            }
            *state = match result {
                Ok(transport) => {
                    inner.times_opened.store(number, Ordering::Release);
                    State::Open(OpenConnection::new(transport, number, &inner.connector))
                }
                Err(error) => State::Failed {
                    at: Instant::now(),
                    error,
                },
            };
            drop(state);
            inner.state_changed.notify_waiters();
        });
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        let mut state = self.inner.state.lock();
        if matches!(*state, State::Opening { since } if since == self.since) {
            *state = State::Closed;
            drop(state);
            self.inner.state_changed.notify_waiters();
        }
    }
}

fn is_current(state: &State, number: u64) -> bool {
    matches!(state, State::Open(open) if open.number == number)
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("times_opened", &self.times_opened())
            .finish_non_exhaustive()
    }
}
