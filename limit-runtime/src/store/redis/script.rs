//! The Lua scripts: assembles them from their parts, and runs them by their hash.
//!
//! `EVALSHA` runs a script that the server has in its script cache. After a restart, a failover or
//! `SCRIPT FLUSH`, the server answers `NOSCRIPT` without running anything. Then `EVAL` sends the
//! whole text.

use super::transport::Transport;
use redis::{Cmd, ErrorKind, RedisError, ServerErrorKind, Value};
use std::sync::LazyLock;

const HEAD: &str = include_str!("lua/head.lua");
const SERVER_CLOCK: &str = include_str!("lua/server_clock.lua");
const TEST_CLOCK: &str = include_str!("lua/test_clock.lua");
const STRATEGIES: [&str; 4] = [
    include_str!("lua/moving.lua"),
    include_str!("lua/fixed.lua"),
    include_str!("lua/sliding.lua"),
    include_str!("lua/gcra.lua"),
];
const PROBE_TEXT: &str = include_str!("lua/probe.lua");
const CHECK: &str = include_str!("lua/check.lua");
const REFUND: &str = include_str!("lua/refund.lua");

/// The clock that the scripts read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ScriptClock {
    /// The server's.
    Server,
    /// The last argument, in microseconds, so that tests can set the time.
    Argument,
}

/// Tries the commands that the scripts use.
pub(super) static PROBE: LazyLock<Script> = LazyLock::new(|| Script::new(PROBE_TEXT));

/// The complete scripts.
#[derive(Debug)]
pub(super) struct Scripts {
    pub(super) check: Script,
    pub(super) refund: Script,
}

impl Scripts {
    pub(super) fn new(clock: ScriptClock) -> Self {
        let script = |main: &str| {
            let clock = match clock {
                ScriptClock::Server => SERVER_CLOCK,
                ScriptClock::Argument => TEST_CLOCK,
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

    /// The command that sends the text of the script and runs it.
    pub(super) fn eval_command(&self, keys: &[&str]) -> Cmd {
        let mut command = Cmd::new();
        command.arg("EVAL").arg(&*self.text).arg(keys.len());
        for key in keys {
            command.arg(*key);
        }
        command
    }

    /// Runs the script, and returns its reply.
    ///
    /// # Errors
    /// Any error of the connection or the server, except `NOSCRIPT`.
    pub(super) async fn run(
        &self,
        transport: &dyn Transport,
        keys: &[&str],
        args: &[u64],
    ) -> Result<Value, RedisError> {
        let command = |name: &str, script: &str| {
            let mut command = Cmd::new();
            command.arg(name).arg(script).arg(keys.len());
            for key in keys {
                command.arg(*key);
            }
            for arg in args {
                command.arg(*arg);
            }
            command
        };
        match transport.send(&command("EVALSHA", &self.sha)).await {
            // The script did not run, so nothing was counted, and a retry is safe.
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                transport.send(&command("EVAL", &self.text)).await
            }
            reply => reply,
        }
    }
}

/// Removes comments, blank lines and indentation, so that `EVAL` sends less.
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
