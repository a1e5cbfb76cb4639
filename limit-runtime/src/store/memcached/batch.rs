//! Batches concurrent calls to a server into few exchanges.
//!
//! The client of the crate `memcache` takes a connection for each exchange. At most
//! [`MAX_IN_FLIGHT`] exchanges are under way at once. If there is a free slot, a call is sent
//! immediately and alone, so batching adds no latency. Otherwise it waits. When an exchange ends,
//! its slot takes all waiting calls, up to [`MAX_BATCH`], and sends them without waiting for the
//! answers in between.

use super::{client::Client, transport::CallError};
use memcache::exp::{Op, OpResult};
use parking_lot::Mutex;
use std::{collections::VecDeque, sync::Arc};
use tokio::{runtime::Handle, sync::oneshot};

/// The server works on one exchange while the next one is on its way.
const MAX_IN_FLIGHT: usize = 2;
/// All answers of a batch fit into the buffers of a connection.
const MAX_BATCH: usize = 64;

pub(super) type CallResult = Result<OpResult, CallError>;

#[derive(Debug)]
pub(super) struct Batcher {
    pub(super) client: Client,
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    in_flight: usize,
    waiting: VecDeque<WaitingCall>,
}

#[derive(Debug)]
struct WaitingCall {
    operation: Op,
    reply: oneshot::Sender<CallResult>,
}

enum NextStep {
    Send(Slot, Op),
    Wait(oneshot::Receiver<CallResult>),
}

impl Batcher {
    pub(super) fn new(client: Client) -> Arc<Self> {
        Arc::new(Self {
            client,
            queue: Mutex::default(),
        })
    }

    pub(super) async fn run(self: &Arc<Self>, operation: Op) -> CallResult {
        match self.send_or_enqueue(operation) {
            NextStep::Send(slot, operation) => {
                let result = self.client.run(operation).await;
                drop(slot);
                result
            }
            NextStep::Wait(reply) => reply.await.unwrap_or_else(|_| Err(dropped())),
        }
    }

    fn send_or_enqueue(self: &Arc<Self>, operation: Op) -> NextStep {
        let mut queue = self.queue.lock();
        if queue.in_flight < MAX_IN_FLIGHT {
            queue.in_flight += 1;
            return NextStep::Send(Slot(self.clone()), operation);
        }
        let (reply, receiver) = oneshot::channel();
        queue.waiting.push_back(WaitingCall { operation, reply });
        NextStep::Wait(receiver)
    }
}

/// The right to have one exchange under way. When it is dropped, it passes to the waiting calls.
struct Slot(Arc<Batcher>);

impl Drop for Slot {
    fn drop(&mut self) {
        let mut queue = self.0.queue.lock();
        let mut batch = Vec::new();
        while batch.len() < MAX_BATCH {
            match queue.waiting.pop_front() {
                // The call was cancelled.
                Some(call) if call.reply.is_closed() => {}
                Some(call) => batch.push(call),
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
        // Made here, so that it is dropped with a task that its runtime never runs.
        let slot = Self(self.0.clone());
        runtime.spawn(async move {
            let calls = batch.into_iter().map(|call| (call.operation, call.reply));
            let (operations, replies): (Vec<_>, Vec<_>) = calls.unzip();
            let results = slot.0.client.run_all(operations).await;
            // First, so that the next exchange begins.
            drop(slot);
            for (reply, result) in replies.into_iter().zip(results) {
                // A reply to a call that was cancelled meanwhile is dropped.
                let _ = reply.send(result);
            }
        });
    }
}

fn dropped() -> CallError {
    CallError::new("the task that sent the call was cancelled")
}
