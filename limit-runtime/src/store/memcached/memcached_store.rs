//! The type `MemcachedStore`, its settings, and the work on one item.

use super::{
    decide::{ItemTime, MAX_SKEW, decide},
    generation::Epoch,
    item::Item,
    item_names::ItemNames,
    lease_locks::LeaseLocks,
    meta_client::MetaClient,
    queue::{self, Queues, Reply, Worker, WrittenItem},
    server::{Server, server_of},
    store_clock::StoreClock,
    transport::{CallError, Condition, Write, Written},
    url,
    work::{Answer, Work},
};
use crate::{
    clock::{Clock, Ticks},
    decision::Decision,
    key::Key,
    store::{
        Action, ConnectError, Scope, StoreError,
        error::StoreErrorKind,
        key_digest::{Digest, KeyDigester},
        resilience::DEADLINE,
    },
};
use std::{
    hash::{BuildHasher, RandomState},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

const DEFAULT_PREFIX: &str = "limit";
/// The context string of BLAKE3's key derivation. If it changed, all counts would be lost.
const DERIVATION_CONTEXT: &str = "limit-runtime 2026-11 memcached item names";

/// How often a write of an item is tried, which fails if another process was faster.
const MAX_TRIES: u32 = 8;
/// The longest pause before the next try, in milliseconds.
const MAX_PAUSE: u64 = 8;

/// A [`Store`](crate::store::Store) that counts in memcached, version 1.6 or later.
///
/// Most programs need only [`Limiter::connect`](crate::Limiter::connect), which also checks that
/// the servers are suitable.
///
/// The time of a count is that of the application's clock. Machines that share budgets need clocks
/// that agree: a limit may be exceeded by what fits into the difference.
///
/// ```
/// use limit_runtime::{Limiter, store::{CustomStore, memcached::MemcachedStore}};
/// use std::time::Duration;
///
/// # fn example() -> Result<(), limit_runtime::store::ConnectError> {
/// let store = MemcachedStore::new("memcached://cache1:11211,cache2")?.key_prefix("inference");
/// let store = CustomStore::new(store).store_deadline(Duration::from_millis(20));
/// let limiter = Limiter::builder().store(store).build();
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct MemcachedStore {
    digester: KeyDigester,
    pub(super) shared: Arc<Shared>,
}

/// What tasks that outlive a request need of the store.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) names: ItemNames,
    pub(super) servers: Box<[Server]>,
    pub(super) epoch: Epoch,
    clock: StoreClock,
    queues: Queues,
    pub(super) lease_locks: LeaseLocks,
    /// Whether it was logged that the clock of this machine is behind.
    has_warned: AtomicBool,
}

impl MemcachedStore {
    /// Creates a store from a URL such as `memcached://host1:11211,host2`, without connecting. The
    /// first check opens the connection.
    ///
    /// ```
    /// use limit_runtime::store::memcached::MemcachedStore;
    ///
    /// assert!(MemcachedStore::new("memcached://cache:11211").is_ok());
    /// assert!(MemcachedStore::new("memcached://user:password@cache").is_err());
    /// ```
    ///
    /// # Errors
    /// If the URL is invalid.
    pub fn new(url: &str) -> Result<Self, ConnectError> {
        Self::with_deadline(DEADLINE, url)
    }

    /// Like [`new`](Self::new), with time-outs that fit `deadline`.
    pub(crate) fn with_deadline(deadline: Duration, url: &str) -> Result<Self, ConnectError> {
        let epoch = Epoch::default();
        let servers = url::parse(url)?.into_iter().map(|address| {
            let transport = Box::new(MetaClient::new(&address, deadline));
            Server::new(&address, transport, epoch.clone())
        });
        Ok(Self {
            digester: KeyDigester::new(DERIVATION_CONTEXT, None),
            shared: Arc::new(Shared {
                names: ItemNames::new(DEFAULT_PREFIX),
                servers: servers.collect(),
                epoch: epoch.clone(),
                clock: StoreClock::Date,
                queues: Queues::default(),
                lease_locks: LeaseLocks::default(),
                has_warned: AtomicBool::new(false),
            }),
        })
    }

    /// The prefix of the names of all items. Default: `limit`.
    ///
    /// Limiters share their budgets if their prefixes and their [secrets](Self::key_secret) are
    /// equal. Give each application that uses the servers a prefix of its own.
    ///
    /// ```
    /// # use limit_runtime::store::memcached::MemcachedStore;
    /// let store = MemcachedStore::new("memcached://cache")?.key_prefix("inference");
    /// # Ok::<(), limit_runtime::store::ConnectError>(())
    /// ```
    #[must_use]
    pub fn key_prefix(mut self, prefix: &str) -> Self {
        self.set(|shared| shared.names = ItemNames::new(prefix));
        self
    }

    /// The secret for the hash in the names of items. Default: a constant that is public.
    ///
    /// The names contain a keyed hash of the client's key, never the key itself. Without a secret,
    /// a person with access to the server can hash a guessed key and look for it. All machines that
    /// share budgets need equal secrets.
    ///
    /// ```
    /// # use limit_runtime::store::memcached::MemcachedStore;
    /// let store = MemcachedStore::new("memcached://cache")?.key_secret("of all machines");
    /// # Ok::<(), limit_runtime::store::ConnectError>(())
    /// ```
    #[must_use]
    pub fn key_secret(mut self, secret: &str) -> Self {
        self.digester = KeyDigester::new(DERIVATION_CONTEXT, Some(secret));
        self
    }

    /// Uses this clock instead of the date of the machine. For tests with a
    /// [`TestClock`](crate::clock::TestClock).
    ///
    /// All limiters that share the store must use one clock.
    ///
    /// ```
    /// # use limit_runtime::{clock::TestClock, store::memcached::MemcachedStore};
    /// let clock = TestClock::new();
    /// let store = MemcachedStore::new("memcached://cache")?.clock(clock.clone());
    /// # Ok::<(), limit_runtime::store::ConnectError>(())
    /// ```
    #[must_use]
    pub fn clock(mut self, clock: impl Into<Clock>) -> Self {
        let clock = StoreClock::Other(clock.into());
        self.set(|shared| shared.clock = clock);
        self
    }

    fn set(&mut self, change: impl FnOnce(&mut Shared)) {
        // Nothing else holds it before the first check.
        if let Some(shared) = Arc::get_mut(&mut self.shared) {
            change(shared);
        }
    }

    pub(super) fn digest(&self, scope: Scope<'_>, key: &Key) -> Digest {
        self.digester.digest(scope, key)
    }

    /// The name of an item, as far as it is known.
    pub(super) fn item_name(&self, digest: &Digest) -> String {
        let shared = &self.shared;
        let server = server_of(&shared.servers, digest);
        let generation = server.and_then(|server| server.generation.known());
        shared.names.item(generation, digest)
    }

    /// Does `work` on an item, and returns its decision.
    pub(super) async fn decide(&self, digest: Digest, work: Work) -> Result<Decision, StoreError> {
        match queue::run(&self.shared, digest, work).await? {
            Answer::Decision(decision) => Ok(decision),
            Answer::Cleared(_) => Err(StoreError::new("the answer to another request")),
        }
    }

    /// Removes all counts of an item. Returns the number of strategies that counted something.
    pub(super) async fn clear(&self, digest: Digest) -> Result<u64, StoreError> {
        match queue::run(&self.shared, digest, Work::Reset).await? {
            Answer::Cleared(strategies) => Ok(strategies),
            Answer::Decision(_) => Err(StoreError::new("the answer to another request")),
        }
    }
}

impl Worker for Shared {
    async fn work(
        self: Arc<Self>,
        digest: Digest,
        works: Vec<Work>,
        written: Option<WrittenItem>,
    ) -> (Vec<Reply>, Option<WrittenItem>) {
        match self.try_work(&digest, &works, written).await {
            Ok((answers, written)) => (answers.into_iter().map(Ok).collect(), written),
            Err(error) => {
                let error_of = |work: &Work| match error.kind {
                    // It may be sent again only if the error is not one of the request.
                    StoreErrorKind::Request(kind) if kind == BUSY && work.is_sent_again() => {
                        error.clone().with_kind(StoreErrorKind::Outage)
                    }
                    _ => error.clone(),
                };
                (works.iter().map(|work| Err(error_of(work))).collect(), None)
            }
        }
    }

    fn queues(&self) -> &Queues {
        &self.queues
    }
}

pub(super) const BUSY: &str = "other processes write the item of a key all the time";

impl Shared {
    /// Reads an item, decides all of `works`, and writes the item if they have changed it.
    async fn try_work(
        &self,
        digest: &Digest,
        works: &[Work],
        mut written: Option<WrittenItem>,
    ) -> Result<(Vec<Answer>, Option<WrittenItem>), CallError> {
        let server = server_of(&self.servers, digest)
            .ok_or_else(|| CallError::new("the store has no servers"))?;
        let (transport, generation) = (&*server.transport, &server.generation);
        let generation_name = self.names.generation();
        let read_generation = || generation.read(transport, &generation_name);
        for tries in 1..=MAX_TRIES {
            let number = match generation.known() {
                Some(number) => number,
                None => read_generation().await?,
            };
            let name = self.names.item(Some(number), digest);
            let is_due = generation.is_due();
            let mut unreadable = false;
            let usable = written.take().filter(|it| it.name == name && !is_due);
            let (mut item, cas, now) = if let Some(written) = usable {
                (written.item, Some(written.cas), self.clock.now())
            } else {
                let stored = if is_due {
                    server.evictions.ask_if_due();
                    let (stored, number_now) =
                        tokio::join!(transport.get(&name), read_generation());
                    if number_now? != number {
                        continue;
                    }
                    stored?
                } else {
                    transport.get(&name).await?
                };
                let now = self.clock.now();
                match stored {
                    Some(stored) => {
                        let item = match Item::decode(&stored.value, now) {
                            Ok(item) => item,
                            // A reset clears what cannot be read, too.
                            Err(_) if matches!(works, [Work::Reset]) => {
                                unreadable = true;
                                Item::default()
                            }
                            Err(error) => return Err(error),
                        };
                        (item, Some(stored.cas), now)
                    }
                    None => (Item::default(), None, now),
                }
            };
            let time = ItemTime::enter(&mut item, now);
            if time.has_stepped_back {
                self.warn_of_clock();
            }
            let mut answers = Vec::with_capacity(works.len());
            let mut is_changed =
                unreadable || time.has_stepped_back && works.iter().any(|work| !is_peek(work));
            for work in works {
                let (answer, has_changed) = decide(&mut item, time, work);
                answers.push(answer);
                is_changed |= has_changed;
            }
            if !is_changed {
                let written = cas.map(|cas| WrittenItem { name, item, cas });
                return Ok((answers, written));
            }
            let value = item.encode(time.now);
            let lifetime = self.lifetime(&item, time.now);
            let result = if let Some(cas) = cas {
                let condition = Condition::Unchanged(cas);
                let write = Write {
                    condition,
                    lifetime,
                };
                transport.set(&name, value, write).await?
            } else {
                let condition = Condition::Absent;
                let write = Write {
                    condition,
                    lifetime,
                };
                // The item may be missing because the server has lost all of them.
                let write = transport.set(&name, value, write);
                let (result, number_now) = tokio::join!(write, read_generation());
                if number_now? != number {
                    continue;
                }
                result?
            };
            match result {
                Written::Yes(cas) => return Ok((answers, Some(WrittenItem { name, item, cas }))),
                Written::No if tries == MAX_TRIES => {}
                Written::No => pause(tries).await,
            }
        }
        Err(CallError::new(BUSY).with_kind(StoreErrorKind::Request(BUSY)))
    }

    /// The seconds for which the server keeps an item.
    fn lifetime(&self, item: &Item, now: Ticks) -> u32 {
        let counts_for = item.expires_at().since(now);
        let seconds = counts_for.as_secs() + 1 + self.clock.spare_seconds();
        u32::try_from(seconds).unwrap_or(u32::MAX)
    }

    fn warn_of_clock(&self) {
        if !self.has_warned.swap(true, Ordering::Relaxed) {
            let tolerated = Duration::from_micros(MAX_SKEW);
            tracing::warn!(
                ?tolerated,
                "the clock of this machine has stepped back, or is behind those of the machines \
                 that share its rate limits: limits may be exceeded by what fits into the \
                 difference; synchronize the clocks"
            );
        }
    }
}

fn is_peek(work: &Work) -> bool {
    matches!(work, Work::Check(_, Action::Peek))
}

/// Waits for a random time, so that processes do not write at once again. The first pause is short.
pub(super) async fn pause(tries: u32) {
    if tries > 1 {
        let longest = (1 << tries.min(8) >> 1).min(MAX_PAUSE);
        let millis = RandomState::new().hash_one(0) % (longest + 1);
        tokio::time::sleep(Duration::from_millis(millis)).await;
    } else {
        tokio::task::yield_now().await;
    }
}
