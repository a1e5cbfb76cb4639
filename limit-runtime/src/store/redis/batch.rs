//! Sends concurrent checks together.
//!
//! Every check is sent without a wait for the replies to others, so the round trip bounds no
//! throughput. While few checks are in flight, each is sent at once and alone. Otherwise a check
//! waits until the tasks that are ready to run have run, and then all checks that were collected
//! leave in one message. In a message, checks of one kind share a script call: the call's own cost
//! is most of what a lean check costs the server. An error in a check concerns no other.

use super::{
    connection::Connection,
    request::CheckRequest,
    script::{CheckKind, Script, Scripts},
    transport::Transport,
    wrapped_error::RuntimeEnded,
};
use crate::clock::Clock;
use parking_lot::{Mutex, MutexGuard};
use redis::{Cmd, ErrorKind, Pipeline, RedisError, ServerErrorKind, Value};
use std::{
    collections::VecDeque,
    fmt, mem,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{runtime::Handle, sync::oneshot, task::yield_now};

/// With fewer checks in flight, a check is sent at once.
const COLLECT_FROM: usize = 2;
/// A script blocks the server while it runs: about 0.3 ms for a call of this size.
const MAX_PER_CALL: usize = 64;
/// Further checks wait in this process.
const MAX_IN_FLIGHT: usize = 4096;
/// After this time, a collecting task is considered lost. Its runtime may have stopped.
const COLLECTING_TIMEOUT: Duration = Duration::from_millis(5);
/// If no reply arrives for this long, the checks in flight are considered lost.
const IN_FLIGHT_TIMEOUT: Duration = Duration::from_millis(200);
/// After this many collecting tasks that ended without sending it, a check is sent alone.
const MAX_ATTEMPTS: usize = 3;

/// The packed answer to one request.
pub(super) type CheckReply = Result<Vec<u8>, RedisError>;

pub(super) struct Batcher {
    connection: Connection,
    scripts: Arc<Scripts>,
    /// Replaces the server's clock in tests.
    clock: Option<Clock>,
    queue: Mutex<Queue>,
    sent_texts: Mutex<SentTexts>,
}

/// The scripts of which the text was sent on the current connection. With it, the first check of a
/// kind takes one round trip, also if the server does not know the script.
#[derive(Default)]
struct SentTexts {
    /// Tells the connection from earlier ones.
    times_opened: u64,
    kinds: Vec<CheckKind>,
}

struct Queue {
    /// The number of checks in flight.
    in_flight: usize,
    /// When the last reply arrived.
    replied_at: Instant,
    waiting: VecDeque<WaitingCheck>,
    /// When the task was started that is going to send the waiting checks.
    collecting_since: Option<Instant>,
}

struct WaitingCheck {
    request: Arc<CheckRequest>,
    /// Dropped if the check was not sent.
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
            queue: Mutex::new(Queue {
                in_flight: 0,
                replied_at: Instant::now(),
                waiting: VecDeque::new(),
                collecting_since: None,
            }),
            sent_texts: Mutex::default(),
        })
    }

    /// Whether a check of this kind is the first one on the current connection to the server, so
    /// that it has to send the text of its script.
    fn must_send_text(&self, kind: CheckKind) -> bool {
        let times_opened = self.connection.times_opened();
        let mut sent = self.sent_texts.lock();
        if sent.times_opened != times_opened {
            sent.times_opened = times_opened;
            sent.kinds.clear();
        }
        // Calls on one connection run in their order, so the next one can use the hash.
        let is_first = self.connection.is_one_server() && !sent.kinds.contains(&kind);
        if is_first {
            sent.kinds.push(kind);
        }
        is_first
    }

    pub(super) async fn run(self: &Arc<Self>, request: CheckRequest) -> CheckReply {
        // In a cluster, the checks of one message could belong to different servers.
        if !self.connection.is_one_server() {
            return self.send_one(&request).await;
        }
        let request = match self.start(request) {
            NextStep::Send(slot, request) => {
                let reply = self.send_one(&request).await;
                drop(slot);
                return reply;
            }
            NextStep::Wait(request) => request,
        };
        for _ in 0..MAX_ATTEMPTS {
            let (reply, receiver) = oneshot::channel();
            let request = request.clone();
            self.enqueue(WaitingCheck { request, reply });
            // Without a reply, the check was not sent, because the runtime of the collecting task
            // ended.
            if let Ok(reply) = receiver.await {
                return reply;
            }
        }
        self.send_one(&request).await
    }

    fn start(self: &Arc<Self>, request: CheckRequest) -> NextStep {
        let mut queue = self.queue.lock();
        let is_quiet = queue.in_flight < COLLECT_FROM && queue.waiting.is_empty();
        if is_quiet || Handle::try_current().is_err() {
            queue.in_flight += 1;
            return NextStep::Send(self.slot(1), request);
        }
        NextStep::Wait(Arc::new(request))
    }

    fn slot(self: &Arc<Self>, checks: usize) -> Slot {
        Slot {
            batcher: self.clone(),
            checks,
        }
    }

    fn enqueue(self: &Arc<Self>, check: WaitingCheck) {
        let mut queue = self.queue.lock();
        queue.waiting.push_back(check);
        self.collect(queue);
    }

    /// Starts the task that sends the waiting checks, unless there is one.
    fn collect(self: &Arc<Self>, mut queue: MutexGuard<'_, Queue>) {
        let is_collecting = queue
            .collecting_since
            .is_some_and(|since| since.elapsed() < COLLECTING_TIMEOUT);
        if is_collecting || queue.waiting.is_empty() {
            return;
        }
        // Without a runtime, the next check that has one starts the task.
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        queue.collecting_since = Some(Instant::now());
        // A runtime that is ending drops the task at once, and the task takes the lock then.
        drop(queue);
        let collector = Collector {
            batcher: self.clone(),
            has_taken: false,
        };
        runtime.spawn(async move {
            // Tasks that are ready run first, and add their checks.
            yield_now().await;
            if let Some(batch) = collector.take() {
                batch.send().await;
            }
        });
    }

    async fn send_one(&self, request: &CheckRequest) -> CheckReply {
        let script = self.scripts.check(request.kind);
        let keys = request.keys.iter().map(String::as_str);
        let first = Some(request.kind);
        let reply = self.call(script, first, keys, &request.packed).await?;
        parse_answer(reply)
    }

    /// Runs a script with one argument, and returns its reply.
    ///
    /// # Errors
    /// Any error of the connection or the server, except `NOSCRIPT`.
    pub(super) async fn run_script(
        &self,
        script: &Script,
        keys: impl ExactSizeIterator<Item = &str> + Clone,
        packed: &[u8],
    ) -> Result<Value, RedisError> {
        self.call(script, None, keys, packed).await
    }

    /// `kind` is that of a check.
    async fn call(
        &self,
        script: &Script,
        kind: Option<CheckKind>,
        keys: impl ExactSizeIterator<Item = &str> + Clone,
        packed: &[u8],
    ) -> Result<Value, RedisError> {
        let args = [packed];
        let open = self.connection.get().await?;
        let (name, text) = match kind {
            Some(kind) if self.must_send_text(kind) => ("EVAL", &script.text),
            _ => ("EVALSHA", &script.sha),
        };
        let command = self.command(name, text, keys.clone(), &args);
        let mut result = open.transport.send(&command).await;
        // The script did not run, so nothing was counted, and a retry is safe.
        if result.as_ref().is_err_and(is_no_script) {
            let command = self.command("EVAL", &script.text, keys, &args);
            result = open.transport.send(&command).await;
        }
        self.connection.report(&open, result).await
    }

    fn command<'a>(
        &self,
        name: &str,
        script: &str,
        keys: impl ExactSizeIterator<Item = &'a str>,
        args: &[&[u8]],
    ) -> Cmd {
        let size = script.len() + 96 * (keys.len() + args.len());
        let mut command = Cmd::with_capacity(4 + keys.len() + args.len(), size);
        command.arg(name).arg(script).arg(keys.len());
        for key in keys {
            command.arg(key);
        }
        for arg in args {
            command.arg(arg);
        }
        if let Some(clock) = &self.clock {
            command.arg(clock.now().as_micros());
        }
        command
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
    Wait(Arc<CheckRequest>),
}

/// Checks in flight. When it is dropped, they are not any more.
struct Slot {
    batcher: Arc<Batcher>,
    checks: usize,
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut queue = self.batcher.queue.lock();
        queue.in_flight = queue.in_flight.saturating_sub(self.checks);
        queue.replied_at = Instant::now();
        // Checks can wait because too many were in flight.
        self.batcher.collect(queue);
    }
}

/// The task that collects checks. If it is dropped before it took them, because its runtime ended,
/// the checks return to their own tasks.
struct Collector {
    batcher: Arc<Batcher>,
    has_taken: bool,
}

impl Collector {
    /// Takes the waiting checks, up to what may be in flight.
    fn take(mut self) -> Option<Batch> {
        self.has_taken = true;
        let mut queue = self.batcher.queue.lock();
        queue.collecting_since = None;
        if queue.in_flight >= MAX_IN_FLIGHT && queue.replied_at.elapsed() >= IN_FLIGHT_TIMEOUT {
            queue.in_flight = 0;
        }
        let room = MAX_IN_FLIGHT.saturating_sub(queue.in_flight);
        let mut checks = Vec::with_capacity(room.min(queue.waiting.len()));
        while checks.len() < room {
            match queue.waiting.pop_front() {
                // Nothing waits for its reply any more.
                Some(check) if check.reply.is_closed() => {}
                Some(check) => checks.push(check),
                None => break,
            }
        }
        if checks.is_empty() {
            return None;
        }
        queue.in_flight += checks.len();
        drop(queue);
        // Stable, so that the checks of one kind stay in their order.
        checks.sort_by_key(|check| check.request.kind);
        let slot = self.batcher.slot(checks.len());
        Some(Batch {
            slot,
            checks,
            is_sent: false,
        })
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        if self.has_taken {
            return;
        }
        let mut queue = self.batcher.queue.lock();
        if queue.collecting_since.take().is_some() {
            let waiting = mem::take(&mut queue.waiting);
            drop(queue);
            drop(waiting);
        }
    }
}

/// Checks that are sent in one message, sorted by kind.
struct Batch {
    slot: Slot,
    checks: Vec<WaitingCheck>,
    is_sent: bool,
}

impl Batch {
    async fn send(mut self) {
        let batcher = self.slot.batcher.clone();
        let open = match batcher.connection.get().await {
            Ok(open) => open,
            Err(error) => return self.fail(&error),
        };
        self.is_sent = true;
        let result = self.send_calls(&batcher, &*open.transport).await;
        let replies = match batcher.connection.report(&open, result).await {
            Ok(replies) => replies,
            Err(error) => return self.fail(&error),
        };
        let error = replies.iter().find_map(|reply| reply.as_ref().err());
        if let Some(error) = error {
            batcher.connection.report_error(&open, error);
        }
        // A reply to a check that was cancelled meanwhile is dropped.
        for (check, reply) in self.checks.drain(..).zip(replies) {
            let _ = check.reply.send(reply);
        }
    }

    /// Sends one message with all checks, and returns a reply for each.
    async fn send_calls(
        &self,
        batcher: &Batcher,
        transport: &dyn Transport,
    ) -> Result<Vec<CheckReply>, RedisError> {
        let calls: Vec<&[WaitingCheck]> = self
            .checks
            .chunk_by(|one, next| one.request.kind == next.request.kind)
            .flat_map(|same| match same.first().map(|check| check.request.kind) {
                Some(CheckKind::General) | None => same.chunks(1),
                Some(CheckKind::Lean { .. }) => same.chunks(MAX_PER_CALL),
            })
            .collect();
        let mut pipeline = Pipeline::with_capacity(calls.len());
        for call in &calls {
            let kind = call.first().map(|check| check.request.kind);
            let with_text = kind.is_some_and(|kind| batcher.must_send_text(kind));
            pipeline.add_command(call_command(batcher, call, with_text));
        }
        let mut replies = send_all(transport, &pipeline).await?;
        resend_unknown(batcher, transport, &calls, &mut replies).await?;
        let mut all = Vec::with_capacity(self.checks.len());
        for (call, reply) in calls.iter().zip(replies) {
            let answers = match reply {
                Value::ServerError(error) if call.len() > 1 => Err(error.into()),
                reply => parse_reply(reply, call.len()),
            };
            match answers {
                Ok(answers) => all.extend(answers),
                Err(error) => all.extend(call.iter().map(|_| Err(error.clone()))),
            }
        }
        Ok(all)
    }

    fn fail(mut self, error: &RedisError) {
        for check in self.checks.drain(..) {
            let _ = check.reply.send(Err(error.clone()));
        }
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        // Checks that were not sent return to their own tasks.
        if self.is_sent {
            for check in self.checks.drain(..) {
                let _ = check.reply.send(Err(RuntimeEnded::wrap()));
            }
        }
    }
}

/// The call of a script for checks of one kind, by its hash or with its text.
fn call_command(batcher: &Batcher, call: &[WaitingCheck], with_text: bool) -> Cmd {
    let kind = call.first().map(|check| check.request.kind);
    let script = batcher.scripts.check(kind.unwrap_or(CheckKind::General));
    let requests = || call.iter().map(|check| &check.request);
    let keys: Vec<&str> = requests()
        .flat_map(|request| request.keys.iter().map(String::as_str))
        .collect();
    let args: Vec<&[u8]> = requests().map(|request| &*request.packed).collect();
    let (name, text) = if with_text {
        ("EVAL", &script.text)
    } else {
        ("EVALSHA", &script.sha)
    };
    batcher.command(name, text, keys.into_iter(), &args)
}

/// Repeats the calls of scripts that the server does not know, and replaces their replies. Such a
/// call did not run, so nothing was counted.
async fn resend_unknown(
    batcher: &Batcher,
    transport: &dyn Transport,
    calls: &[&[WaitingCheck]],
    replies: &mut [Value],
) -> Result<(), RedisError> {
    let is_unknown = |reply: &Value| match reply {
        Value::ServerError(error) => error.kind() == Some(ServerErrorKind::NoScript),
        _ => false,
    };
    if !replies.iter().any(is_unknown) {
        return Ok(());
    }
    let (mut pipeline, mut sent_text) = (Pipeline::new(), None);
    let mut unknown = Vec::new();
    for (call, reply) in calls.iter().zip(replies) {
        if is_unknown(reply) {
            // The server knows the script once it has seen its text.
            let kind = call.first().map(|check| check.request.kind);
            let with_text = sent_text != Some(kind);
            sent_text = Some(kind);
            pipeline.add_command(call_command(batcher, call, with_text));
            unknown.push(reply);
        }
    }
    for (place, reply) in unknown
        .into_iter()
        .zip(send_all(transport, &pipeline).await?)
    {
        *place = reply;
    }
    Ok(())
}

/// Sends commands, and returns a reply for each.
async fn send_all(
    transport: &dyn Transport,
    commands: &Pipeline,
) -> Result<Vec<Value>, RedisError> {
    let replies = transport.send_all(commands).await?;
    if replies.len() == commands.len() {
        Ok(replies)
    } else {
        Err(unexpected_reply())
    }
}

/// Splits the reply to a call of `checks` requests into the answers.
fn parse_reply(reply: Value, checks: usize) -> Result<Vec<CheckReply>, RedisError> {
    match reply {
        Value::Array(answers) if checks > 1 && answers.len() == checks => {
            Ok(answers.into_iter().map(parse_answer).collect())
        }
        answer if checks == 1 => Ok(vec![parse_answer(answer)]),
        _ => Err(unexpected_reply()),
    }
}

fn parse_answer(answer: Value) -> CheckReply {
    match answer {
        Value::BulkString(packed) => Ok(packed),
        Value::ServerError(error) => Err(error.into()),
        _ => Err(unexpected_reply()),
    }
}

fn is_no_script(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::NoScript)
}

fn unexpected_reply() -> RedisError {
    (
        ErrorKind::UnexpectedReturnType,
        "unexpected reply of the rate limiting script: expected an answer to each check",
    )
        .into()
}
