//! A queue for each item, so that a key with many requests does not collapse.
//!
//! If many tasks read and write one item, most of them write in vain, because another one was
//! faster. Here, one task at a time works on an item. What arrives meanwhile waits, and is decided
//! together in the next turn, in one read and one write at most.

use super::{
    item::{Item, MAX_IDS},
    transport::CallError,
    work::{Answer, Work},
};
use crate::store::key_digest::Digest;
use parking_lot::{Mutex, MutexGuard};
use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    fmt,
    hash::{BuildHasher, RandomState},
    sync::Arc,
};
use tokio::{runtime::Handle, sync::oneshot};

const SHARDS: usize = 64;
/// How much is decided in one turn.
const MAX_BATCH: usize = 256;
/// After this many turns in a row without a read, the item is read again, which leaves other
/// processes time to write it.
const MAX_UNREAD_TURNS: u32 = 8;

pub(super) type Reply = Result<Answer, CallError>;

/// An item as it was last written, to save a read.
#[derive(Debug)]
pub(super) struct WrittenItem {
    pub(super) name: String,
    pub(super) item: Item,
    pub(super) cas: u64,
}

/// Works on items.
pub(super) trait Worker: Send + Sync + 'static {
    /// Does all of `works` on an item, in this order, and returns as many replies.
    fn work(
        self: Arc<Self>,
        digest: Digest,
        works: Vec<Work>,
        written: Option<WrittenItem>,
    ) -> impl Future<Output = (Vec<Reply>, Option<WrittenItem>)> + Send;

    fn queues(&self) -> &Queues;
}

/// The queues of all items that are worked on.
pub(super) struct Queues {
    shards: Box<[Mutex<Shard>]>,
    hasher: RandomState,
}

/// There is an entry for each item that a task works on.
type Shard = HashMap<Digest, VecDeque<Waiting>>;

struct Waiting {
    work: Work,
    reply: oneshot::Sender<Reply>,
}

impl Default for Queues {
    fn default() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
        }
    }
}

impl Queues {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a few of the 64 bits are wanted"
    )]
    fn shard(&self, digest: &Digest) -> MutexGuard<'_, Shard> {
        let index = self.hasher.hash_one(digest) as usize % SHARDS;
        self.shards[index].lock()
    }
}

#[expect(
    clippy::large_enum_variant,
    reason = "most items are free, and nothing is kept"
)]
enum Place {
    /// The item is free: work on it now.
    First(Work),
    /// Another task works on the item.
    Later(oneshot::Receiver<Reply>),
}

/// Does `work` on an item, together with that of other tasks.
pub(super) async fn run<W: Worker>(worker: &Arc<W>, digest: Digest, work: Work) -> Reply {
    match enter(worker.queues(), digest, work) {
        Place::First(work) => {
            let mut turn = Turn {
                worker: worker.clone(),
                digest,
                written: None,
                unread_turns: 0,
            };
            let (mut replies, written) = worker.clone().work(digest, vec![work], None).await;
            turn.written = written;
            drop(turn);
            replies.pop().unwrap_or_else(|| Err(no_reply()))
        }
        Place::Later(reply) => reply.await.unwrap_or_else(|_| Err(no_reply())),
    }
}

fn enter(queues: &Queues, digest: Digest, work: Work) -> Place {
    match queues.shard(&digest).entry(digest) {
        Entry::Vacant(entry) => {
            entry.insert(VecDeque::new());
            Place::First(work)
        }
        Entry::Occupied(mut entry) => {
            let (sender, receiver) = oneshot::channel();
            let reply = sender;
            entry.get_mut().push_back(Waiting { work, reply });
            Place::Later(receiver)
        }
    }
}

/// The right to work on an item. When it is dropped, it passes to what waits.
struct Turn<W: Worker> {
    worker: Arc<W>,
    digest: Digest,
    written: Option<WrittenItem>,
    /// How many turns in a row began without a read.
    unread_turns: u32,
}

impl<W: Worker> Drop for Turn<W> {
    fn drop(&mut self) {
        let batch = {
            let mut shard = self.worker.queues().shard(&self.digest);
            let batch = shard.get_mut(&self.digest).map(take_batch);
            let batch = batch.unwrap_or_default();
            // Without a runtime, no task is left that waits for a reply.
            if batch.is_empty() || Handle::try_current().is_err() {
                shard.remove(&self.digest);
                return;
            }
            batch
        };
        let must_read = self.unread_turns >= MAX_UNREAD_TURNS;
        let written = self.written.take().filter(|_| !must_read);
        let mut next = Self {
            worker: self.worker.clone(),
            digest: self.digest,
            unread_turns: written.as_ref().map_or(0, |_| self.unread_turns + 1),
            written,
        };
        tokio::spawn(async move {
            let (works, waiting): (Vec<_>, Vec<_>) =
                batch.into_iter().map(|it| (it.work, it.reply)).unzip();
            let worker = next.worker.clone();
            let written = next.written.take();
            let (replies, written) = worker.work(next.digest, works, written).await;
            next.written = written;
            // First, so that the next turn does not wait for what is done with the replies.
            drop(next);
            for (waiting, reply) in waiting.into_iter().zip(replies) {
                // A reply to a check that was cancelled meanwhile is dropped.
                let _ = waiting.send(reply);
            }
        });
    }
}

fn take_batch(queue: &mut VecDeque<Waiting>) -> Vec<Waiting> {
    let (mut batch, mut ids) = (Vec::new(), 0);
    // An item keeps all ids of one write, which may get no answer.
    while batch.len() < MAX_BATCH && ids < MAX_IDS / 2 {
        match queue.pop_front() {
            // The work was cancelled, and must not be done.
            Some(waiting) if waiting.reply.is_closed() => {}
            Some(waiting) => {
                ids += waiting.work.ids();
                batch.push(waiting);
            }
            None => break,
        }
    }
    batch
}

fn no_reply() -> CallError {
    CallError::new("the task that worked on the item was cancelled")
}

impl fmt::Debug for Queues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queues").finish_non_exhaustive()
    }
}
