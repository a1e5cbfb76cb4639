//! The script family: shared parts, one part for each strategy, and what is asked of them.
//!
//! A script is known to the server by its hash; a server that does not know it (restarted, flushed,
//! failed over) says so without running anything, and is sent the text once.

use super::wire::Wire;
use redis::{Cmd, ErrorKind, RedisError, ServerErrorKind, Value};

const HEAD: &str = include_str!("lua/head.lua");
const SERVER_CLOCK: &str = include_str!("lua/server_clock.lua");
const TEST_CLOCK: &str = include_str!("lua/test_clock.lua");
const STRATEGIES: [&str; 4] = [
    include_str!("lua/moving.lua"),
    include_str!("lua/fixed.lua"),
    include_str!("lua/sliding.lua"),
    include_str!("lua/gcra.lua"),
];
const CHECK: &str = include_str!("lua/check.lua");
const REFUND: &str = include_str!("lua/refund.lua");

/// Which clock the scripts read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Time {
    /// The server's own.
    Server,
    /// The last argument, so that tests can move it.
    Argument,
}

/// The scripts, put together.
#[derive(Debug)]
pub(super) struct Scripts {
    pub(super) check: Script,
    pub(super) refund: Script,
}

impl Scripts {
    pub(super) fn new(time: Time) -> Self {
        let script = |main: &str| {
            let clock = match time {
                Time::Server => SERVER_CLOCK,
                Time::Argument => TEST_CLOCK,
            };
            let mut parts = vec![HEAD, clock];
            parts.extend(STRATEGIES);
            parts.push(main);
            Script::new(&parts.join("\n"))
        };
        Self {
            check: script(CHECK),
            refund: script(REFUND),
        }
    }
}

#[derive(Debug)]
pub(super) struct Script {
    text: Box<str>,
    sha: Box<str>,
}

impl Script {
    fn new(text: &str) -> Self {
        let text = compact(text);
        let sha = redis::Script::new(&text).get_hash().into();
        Self {
            text: text.into(),
            sha,
        }
    }

    /// Runs it.
    ///
    /// # Errors
    /// Whatever the connection or the server has to say, but for a script that is not known yet.
    pub(super) async fn run(
        &self,
        wire: &dyn Wire,
        keys: &[&str],
        args: &[u64],
    ) -> Result<Value, RedisError> {
        let command = |verb: &str, script: &str| {
            let mut command = Cmd::new();
            command.arg(verb).arg(script).arg(keys.len());
            for key in keys {
                command.arg(*key);
            }
            for arg in args {
                command.arg(*arg);
            }
            command
        };
        match wire.send(&command("EVALSHA", &self.sha)).await {
            // Nothing was counted, so asking again is safe.
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                wire.send(&command("EVAL", &self.text)).await
            }
            reply => reply,
        }
    }
}

/// The text without comments and indentation: what is sent when the server does not know it.
fn compact(text: &str) -> String {
    let mut compact = String::with_capacity(text.len());
    for line in text.lines().map(str::trim) {
        if !line.is_empty() && !line.starts_with("--") {
            compact.push_str(line);
            compact.push('\n');
        }
    }
    compact
}
