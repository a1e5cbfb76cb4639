//! Checks that are waiting go out together.
//!
//! At most [`IN_FLIGHT`] scripts are under way at once. A check that finds a free place goes at
//! once and alone, so nothing is added to it; one that finds none waits for the next place, and
//! leaves together with all who wait then.

use super::{link::Link, request::Request, script::Scripts};
use crate::clock::Clock;
use parking_lot::Mutex;
use redis::{ErrorKind, RedisError, Value};
use std::{collections::VecDeque, fmt, sync::Arc};
use tokio::{runtime::Handle, sync::oneshot};

/// One is being counted while the next is on its way.
const IN_FLIGHT: usize = 2;
/// A script holds the server for its whole run: about 2 ms for so many.
const AT_ONCE: usize = 256;

/// The script's answer to one request: the server's time, and the numbers of the request.
pub(super) type Answer = Result<(i64, Vec<i64>), RedisError>;

pub(super) struct Batcher {
    link: Link,
    scripts: Arc<Scripts>,
    /// In tests, the time that goes with each call.
    clock: Option<Clock>,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    in_flight: usize,
    waiting: VecDeque<Waiting>,
}

struct Waiting {
    request: Request,
    answer: oneshot::Sender<Answer>,
}

impl Batcher {
    pub(super) fn new(link: Link, scripts: Arc<Scripts>, clock: Option<Clock>) -> Arc<Self> {
        Arc::new(Self {
            link,
            scripts,
            clock,
            queue: Mutex::default(),
        })
    }

    pub(super) async fn run(self: &Arc<Self>, request: Request) -> Answer {
        // In a cluster, those who wait together would go to different servers.
        if !self.link.is_one_server() {
            return self.alone(&request).await;
        }
        match self.enter(request) {
            Entry::Free(place, request) => {
                let answer = self.alone(&request).await;
                drop(place);
                answer
            }
            Entry::Full(answer) => answer.await.unwrap_or_else(|_| Err(gone())),
        }
    }

    fn enter(self: &Arc<Self>, request: Request) -> Entry {
        let mut queue = self.queue.lock();
        if queue.in_flight < IN_FLIGHT {
            queue.in_flight += 1;
            return Entry::Free(Place(self.clone()), request);
        }
        let (sender, answer) = oneshot::channel();
        queue.waiting.push_back(Waiting {
            request,
            answer: sender,
        });
        Entry::Full(answer)
    }

    async fn alone(&self, request: &Request) -> Answer {
        let (now, mut replies) = self.send(&[request]).await?;
        Ok((now, replies.pop().unwrap_or_default()))
    }

    /// Counts all of `waiting` in one script, and tells each its answer.
    async fn together(&self, waiting: Vec<Waiting>) {
        let requests: Vec<_> = waiting.iter().map(|one| &one.request).collect();
        let result = self.send(&requests).await;
        // Whoever gave up meanwhile does not listen any more.
        match result {
            Ok((now, replies)) => {
                for (one, reply) in waiting.into_iter().zip(replies) {
                    let _ = one.answer.send(Ok((now, reply)));
                }
            }
            Err(error) => {
                for one in waiting {
                    let _ = one.answer.send(Err(error.clone()));
                }
            }
        }
    }

    async fn send(&self, requests: &[&Request]) -> Result<(i64, Vec<Vec<i64>>), RedisError> {
        let keys: Vec<&str> = requests
            .iter()
            .flat_map(|request| request.keys.iter().map(String::as_str))
            .collect();
        let mut args = vec![requests.len() as u64];
        for request in requests {
            args.extend_from_slice(&request.args);
        }
        args.extend(self.clock.as_ref().map(|clock| clock.now().as_micros()));
        let open = self.link.get().await?;
        let result = self.scripts.check.run(&*open.wire, &keys, &args).await;
        self.link.saw(&open, result.as_ref().err());
        let numbers = whole_numbers(result?)?;
        let (&now, mut rest) = numbers.split_first().ok_or_else(garbled)?;
        let mut replies = Vec::with_capacity(requests.len());
        for request in requests {
            let (reply, more) = rest
                .split_at_checked(request.reply_len())
                .ok_or_else(garbled)?;
            replies.push(reply.to_vec());
            rest = more;
        }
        Ok((now, replies))
    }
}

impl fmt::Debug for Batcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batcher")
            .field("link", &self.link)
            .finish_non_exhaustive()
    }
}

enum Entry {
    Free(Place, Request),
    Full(oneshot::Receiver<Answer>),
}

/// One of the few places under way. When it falls free, those who wait take it.
struct Place(Arc<Batcher>);

impl Drop for Place {
    fn drop(&mut self) {
        let mut queue = self.0.queue.lock();
        let mut waiting = Vec::new();
        while waiting.len() < AT_ONCE {
            match queue.waiting.pop_front() {
                // Who gave up was answered by the fallback, and must not be counted here as well.
                Some(one) if one.answer.is_closed() => {}
                Some(one) => waiting.push(one),
                None => break,
            }
        }
        // Without a runtime there is nobody left to answer.
        let runtime = Handle::try_current().ok().filter(|_| !waiting.is_empty());
        let Some(runtime) = runtime else {
            queue.in_flight -= 1;
            return;
        };
        drop(queue);
        let batcher = self.0.clone();
        runtime.spawn(async move {
            let place = Place(batcher);
            place.0.together(waiting).await;
        });
    }
}

fn whole_numbers(value: Value) -> Result<Vec<i64>, RedisError> {
    let Value::Array(values) = value else {
        return Err(garbled());
    };
    values
        .into_iter()
        .map(|value| match value {
            Value::Int(number) => Ok(number),
            _ => Err(garbled()),
        })
        .collect()
}

fn garbled() -> RedisError {
    (
        ErrorKind::UnexpectedReturnType,
        "the script did not answer with whole numbers",
    )
        .into()
}

fn gone() -> RedisError {
    (ErrorKind::Io, "the task that asked for several is gone").into()
}
