//! Calls over the crate `memcache`: its client of the meta protocol, one for each server.
//!
//! The client has a pool of connections. It drops a connection when a call is cancelled, and
//! replaces one that the server has closed while it was idle.

use super::transport::{Call, CallError, Condition, Stored, Transport, Write, Written};
use crate::store::error::StoreErrorKind;
use memcache::exp::{Arithmetic, AsyncMetaClient, Error, Get, Meta, MutationStatus, Set, Ttl};
use parking_lot::Mutex;
use std::{fmt, io, time::Duration};

/// The largest number of connections to a server.
const MAX_CONNECTIONS: usize = 16;
/// How long an answer is awaited at least. No request waits longer than its deadline, but a late
/// answer still shows what was counted.
const LATE_ANSWER: Duration = Duration::from_secs(2);

/// A client of one server.
pub(super) struct MetaClient {
    address: Box<str>,
    deadline: Duration,
    /// `None` before the first call, and after a connection could not be opened, so that the name
    /// of the server is resolved again.
    client: Mutex<Option<AsyncMetaClient>>,
}

impl MetaClient {
    pub(super) fn new(address: &str, deadline: Duration) -> Self {
        Self {
            address: address.into(),
            deadline,
            client: Mutex::default(),
        }
    }

    async fn client(&self) -> Result<AsyncMetaClient, CallError> {
        if let Some(client) = &*self.client.lock() {
            return Ok(client.clone());
        }
        let builder = AsyncMetaClient::builder()
            .max_connections(Some(MAX_CONNECTIONS))
            .max_idle(MAX_CONNECTIONS)
            .connect_timeout(Some(self.deadline * 2))
            .io_timeout(Some(LATE_ANSWER.max(self.deadline * 4 / 5)));
        let client = builder.connect_async(&*self.address).await;
        let client = client.map_err(|error| self.failed(&error))?;
        Ok(self.client.lock().get_or_insert(client).clone())
    }

    fn failed(&self, error: &Error) -> CallError {
        if let Error::Io(error) = error
            && error.kind() != io::ErrorKind::TimedOut
        {
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

    /// A time to live. More than 30 days are an absolute time on the server, which the crate makes.
    fn ttl(lifetime: u32) -> Ttl {
        match lifetime {
            0 => Ttl::NEVER,
            seconds => Ttl::secs(seconds),
        }
    }
}

impl Transport for MetaClient {
    fn get<'a>(&'a self, name: &'a str) -> Call<'a, Option<Stored>> {
        Box::pin(async move {
            let client = self.client().await?;
            let get = Get::new(name).meta(Meta::NONE.cas());
            let result = client.run(get).await;
            let result = result.map_err(|error| self.failed(&error))?;
            Ok(result
                .value
                .zip(result.item.cas)
                .map(|(value, cas)| Stored { value, cas }))
        })
    }

    fn set<'a>(&'a self, name: &'a str, value: Vec<u8>, write: Write) -> Call<'a, Written> {
        Box::pin(async move {
            let client = self.client().await?;
            let set = Set::new(name, value).ttl(Self::ttl(write.lifetime));
            let set = set.return_cas();
            let set = match write.condition {
                Condition::Absent => set.add(),
                Condition::Unchanged(cas) => set.compare_cas(cas),
            };
            let result = client.run(set).await;
            let result = result.map_err(|error| self.failed(&error))?;
            Ok(match (result.status, result.cas) {
                (MutationStatus::Applied, Some(cas)) => Written::Yes(cas),
                _ => Written::No,
            })
        })
    }

    fn add<'a>(&'a self, name: &'a str, number: u64) -> Call<'a, Option<u64>> {
        Box::pin(async move {
            let client = self.client().await?;
            let result = client.run(Arithmetic::new(name).delta(number)).await;
            let result = result.map_err(|error| self.failed(&error))?;
            Ok(result.value)
        })
    }
}

impl fmt::Debug for MetaClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MetaClient")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}
