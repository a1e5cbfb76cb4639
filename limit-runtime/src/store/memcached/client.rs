//! The client of the crate `memcache` for one server: a pool of connections.
//!
//! It drops a connection when an exchange is cancelled, and replaces one that the server has closed
//! while it was idle.

use super::transport::CallError;
use crate::store::error::StoreErrorKind;
use memcache::exp::{AsyncMetaClient, Error, Op, OpResult};
use parking_lot::Mutex;
use std::{fmt, time::Duration};

/// The largest number of connections to a server.
const MAX_CONNECTIONS: usize = 16;
/// How long an answer is awaited at least. No request waits longer than its deadline, but a late
/// answer still shows what was counted. Shorter than the wait of the limiter for late answers, so
/// that a check of several keys still gives back what it has consumed.
const LATE_ANSWER: Duration = Duration::from_millis(700);

/// A client of one server, which is made by the first call.
pub(super) struct Client {
    address: Box<str>,
    deadline: Duration,
    /// `None` before the first call, and after a call without an answer, so that the name of the
    /// server is resolved again.
    client: Mutex<Option<AsyncMetaClient>>,
}

impl Client {
    /// `deadline` is that of a check.
    pub(super) fn new(address: &str, deadline: Duration) -> Self {
        Self {
            address: address.into(),
            deadline,
            client: Mutex::default(),
        }
    }

    pub(super) async fn run(&self, operation: Op) -> Result<OpResult, CallError> {
        let result = self.connect().await?.run(operation).await;
        result.map_err(|error| self.failed(&error))
    }

    /// Runs all of these in one exchange. Returns as many results.
    pub(super) async fn run_all(&self, operations: Vec<Op>) -> Vec<Result<OpResult, CallError>> {
        let count = operations.len();
        let results = match self.connect().await {
            Ok(client) => client.run_batch(operations).await,
            Err(error) => return vec![Err(error); count],
        };
        match results {
            Ok(results) => results
                .into_iter()
                .map(|result| result.map_err(|error| self.failed(&error)))
                .collect(),
            Err(error) => vec![Err(self.failed(&error)); count],
        }
    }

    async fn connect(&self) -> Result<AsyncMetaClient, CallError> {
        if let Some(client) = &*self.client.lock() {
            return Ok(client.clone());
        }
        let builder = AsyncMetaClient::builder()
            .max_connections(Some(MAX_CONNECTIONS))
            .max_idle(MAX_CONNECTIONS)
            .connect_timeout(Some(self.deadline * 4 / 5))
            .io_timeout(Some(LATE_ANSWER.max(self.deadline * 4 / 5)));
        let client = builder.connect_async(&*self.address).await;
        let client = client.map_err(|error| self.failed(&error))?;
        Ok(self.client.lock().get_or_insert(client).clone())
    }

    fn failed(&self, error: &Error) -> CallError {
        // What is not an answer of the server may mean that its name has another address now.
        let is_answer = matches!(
            error,
            Error::Server(_) | Error::Rejected(_) | Error::Usage(_)
        );
        if !is_answer {
            *self.client.lock() = None;
        }
        let text = format!("the call to memcached at {} failed: {error}", self.address);
        let kind = match error {
            Error::Rejected(text) if text.contains("unauthenticated") => {
                StoreErrorKind::Misconfiguration
            }
            Error::Server(text) if text.contains("too large") => {
                StoreErrorKind::Request("an item of the limiter is too large for the server")
            }
            _ => StoreErrorKind::Outage,
        };
        CallError::new(text).with_kind(kind)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}
