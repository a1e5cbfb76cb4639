//! Batches concurrent checks into few script calls.
//!
//! At most [`MAX_IN_FLIGHT`] calls are in flight at once. If there is a free slot, a check is sent
//! immediately and alone, so batching adds no latency. Otherwise it waits in a queue. When a call
//! ends, its slot takes all waiting checks, up to [`MAX_BATCH`], and sends them in one call.

use super::{connection::Connection, request::CheckRequest, script::Scripts};
use crate::clock::Clock;
use parking_lot::Mutex;
use redis::{ErrorKind, RedisError, Value};
use std::{collections::VecDeque, fmt, sync::Arc};
use tokio::{runtime::Handle, sync::oneshot};

/// The server runs one call while the next one is on its way.
const MAX_IN_FLIGHT: usize = 2;
/// A script blocks the server while it runs: about 2 ms for a batch of this size.
const MAX_BATCH: usize = 256;

/// The reply to one request: the server's time in microseconds, and the numbers for the request.
pub(super) type CheckReply = Result<(i64, Vec<i64>), RedisError>;

pub(super) struct Batcher {
    connection: Connection,
    scripts: Arc<Scripts>,
    /// Replaces the server's clock in tests.
    clock: Option<Clock>,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    in_flight: usize,
    waiting: VecDeque<WaitingCheck>,
}

struct WaitingCheck {
    request: CheckRequest,
    reply: oneshot::Sender<CheckReply>,
}

impl Batcher {
    pub(super) fn new(
        connection: Connection,
        scripts: Arc<Scripts>,
        clock: Option<Clock>,
    ) -> Arc<Self> {
        Arc::new(Self {
            connection,
            scripts,
            clock,
            queue: Mutex::default(),
        })
    }

    pub(super) async fn run(self: &Arc<Self>, request: CheckRequest) -> CheckReply {
        // A cluster has no batches: the requests of one batch could belong to different servers.
        if !self.connection.is_one_server() {
            return self.send_one(&request).await;
        }
        match self.send_or_enqueue(request) {
            NextStep::Send(slot, request) => {
                let reply = self.send_one(&request).await;
                drop(slot);
                reply
            }
            NextStep::Wait(reply) => reply.await.unwrap_or_else(|_| Err(batch_dropped())),
        }
    }

    fn send_or_enqueue(self: &Arc<Self>, request: CheckRequest) -> NextStep {
        let mut queue = self.queue.lock();
        if queue.in_flight < MAX_IN_FLIGHT {
            queue.in_flight += 1;
            return NextStep::Send(Slot(self.clone()), request);
        }
        let (sender, receiver) = oneshot::channel();
        queue.waiting.push_back(WaitingCheck {
            request,
            reply: sender,
        });
        NextStep::Wait(receiver)
    }

    async fn send_one(&self, request: &CheckRequest) -> CheckReply {
        let (now, mut replies) = self.send(&[request]).await?;
        Ok((now, replies.pop().unwrap_or_default()))
    }

    /// Sends all of `checks` in one script call, and passes each its reply.
    async fn send_batch(&self, checks: Vec<WaitingCheck>) {
        let requests: Vec<_> = checks.iter().map(|check| &check.request).collect();
        let result = self.send(&requests).await;
        // A reply to a check that was cancelled meanwhile is dropped.
        match result {
            Ok((now, replies)) => {
                for (check, reply) in checks.into_iter().zip(replies) {
                    let _ = check.reply.send(Ok((now, reply)));
                }
            }
            Err(error) => {
                for check in checks {
                    let _ = check.reply.send(Err(error.clone()));
                }
            }
        }
    }

    /// Returns the server's time and one reply for each request.
    async fn send(&self, requests: &[&CheckRequest]) -> Result<(i64, Vec<Vec<i64>>), RedisError> {
        let keys: Vec<&str> = requests
            .iter()
            .flat_map(|request| request.keys.iter().map(String::as_str))
            .collect();
        let mut args = vec![requests.len() as u64];
        for request in requests {
            args.extend_from_slice(&request.args);
        }
        args.extend(self.clock.as_ref().map(|clock| clock.now().as_micros()));
        let open = self.connection.get().await?;
        let script = &self.scripts.check;
        let result = script.run(&*open.transport, &keys, &args).await;
        self.connection.report(&open, result.as_ref().err());
        let numbers = parse_integers(result?)?;
        let (&now, mut rest) = numbers.split_first().ok_or_else(unexpected_reply)?;
        let mut replies = Vec::with_capacity(requests.len());
        for request in requests {
            let (reply, more) = rest
                .split_at_checked(request.reply_len())
                .ok_or_else(unexpected_reply)?;
            replies.push(reply.to_vec());
            rest = more;
        }
        Ok((now, replies))
    }
}

impl fmt::Debug for Batcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batcher")
            .field("connection", &self.connection)
            .finish_non_exhaustive()
    }
}

enum NextStep {
    Send(Slot, CheckRequest),
    Wait(oneshot::Receiver<CheckReply>),
}

/// The right to have one call in flight. When it is dropped, it passes to the waiting checks.
struct Slot(Arc<Batcher>);

impl Drop for Slot {
    fn drop(&mut self) {
        let mut queue = self.0.queue.lock();
        let mut batch = Vec::new();
        while batch.len() < MAX_BATCH {
            match queue.waiting.pop_front() {
                // A cancelled check missed its deadline, and the fallback has decided about its
                // request. It must not be counted as well.
                Some(check) if check.reply.is_closed() => {}
                Some(check) => batch.push(check),
                None => break,
            }
        }
        // Without a runtime, no task is left that waits for a reply.
        let runtime = Handle::try_current().ok().filter(|_| !batch.is_empty());
        let Some(runtime) = runtime else {
            queue.in_flight -= 1;
            return;
        };
        drop(queue);
        // `in_flight` stays as it is: the new slot replaces this one.
        let batcher = self.0.clone();
        runtime.spawn(async move {
            let slot = Slot(batcher);
            slot.0.send_batch(batch).await;
        });
    }
}

fn parse_integers(value: Value) -> Result<Vec<i64>, RedisError> {
    let Value::Array(values) = value else {
        return Err(unexpected_reply());
    };
    values
        .into_iter()
        .map(|value| match value {
            Value::Int(number) => Ok(number),
            _ => Err(unexpected_reply()),
        })
        .collect()
}

fn unexpected_reply() -> RedisError {
    (
        ErrorKind::UnexpectedReturnType,
        "unexpected reply of the rate limiting script: expected a list of integers",
    )
        .into()
}

fn batch_dropped() -> RedisError {
    (ErrorKind::Io, "the task that sent the batch was cancelled").into()
}
