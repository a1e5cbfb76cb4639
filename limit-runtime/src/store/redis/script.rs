//! The Lua scripts: assembles them from their parts.
//!
//! A check runs one of several scripts. The general one answers any request. The lean ones answer
//! requests with up to [`MAX_LEAN_LIMITS`] limits of one strategy: they begin with a straight-line
//! text for the common states, and contain the general text for all others.

use redis::Cmd;
use std::{
    iter,
    sync::{Arc, LazyLock},
};

const COMMANDS: &str = include_str!("lua/commands.lua");
const TEST_COMMANDS: &str = include_str!("lua/test_commands.lua");
const MAIN: &str = include_str!("lua/main.lua");
const HEAD: &str = include_str!("lua/head.lua");
const STRATEGIES: [&str; 4] = [
    include_str!("lua/moving.lua"),
    include_str!("lua/fixed.lua"),
    include_str!("lua/sliding.lua"),
    include_str!("lua/gcra.lua"),
];
const PROBE_TEXT: &str = include_str!("lua/probe.lua");
const CHECK: &str = include_str!("lua/check.lua");
const REFUND: &str = include_str!("lua/refund.lua");
const LEAN_FRAME: &str = include_str!("lua/lean/frame.lua");
const LEAN_STRATEGIES: [&str; 4] = [
    include_str!("lua/lean/moving.lua"),
    include_str!("lua/lean/fixed.lua"),
    include_str!("lua/lean/sliding.lua"),
    include_str!("lua/lean/gcra.lua"),
];

/// The largest number of limits in a request that a lean script answers.
pub(super) const MAX_LEAN_LIMITS: usize = 3;

/// The commands and the clock that the scripts use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ScriptClock {
    /// The server's.
    Server,
    /// The last argument, in microseconds, so that tests can set the time.
    Argument,
}

/// Tries the commands that the scripts use.
pub(super) static PROBE: LazyLock<Script> = LazyLock::new(|| Script::new(PROBE_TEXT));

/// Takes, extends and releases leases, on the server's clock.
pub(super) static LEASES: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("lua/leases.lua")));

/// Which script answers a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum CheckKind {
    /// Up to [`MAX_LEAN_LIMITS`] limits of one strategy with different keys, and no ids. One call
    /// may carry several of these requests.
    Lean {
        /// The strategy's number.
        strategy: usize,
        limits: usize,
    },
    /// Any request, alone.
    General,
}

/// The complete scripts.
#[derive(Debug)]
pub(super) struct Scripts {
    general: Script,
    /// By strategy and number of limits.
    lean: [Vec<Script>; 4],
    pub(super) refund: Script,
}

impl Scripts {
    pub(super) fn new(clock: ScriptClock) -> Arc<Self> {
        static FOR_SERVER: LazyLock<Arc<Scripts>> =
            LazyLock::new(|| Arc::new(Scripts::assemble(COMMANDS)));
        match clock {
            ScriptClock::Server => FOR_SERVER.clone(),
            ScriptClock::Argument => Arc::new(Self::assemble(TEST_COMMANDS)),
        }
    }

    fn assemble(commands: &str) -> Self {
        let functions = iter::once(HEAD).chain(STRATEGIES).collect::<String>();
        let check = |lean: &str, limits: usize| {
            let general = format!("{functions}\n{CHECK}");
            let main = MAIN
                .replace("$lean", lean)
                .replace("$general", &general)
                .replace("$limits", &limits.to_string());
            Script::new(&format!("{commands}\n{main}"))
        };
        let lean = LEAN_STRATEGIES.map(|strategy| {
            (1..=MAX_LEAN_LIMITS)
                .map(|limits| check(&lean_text(strategy, limits), limits))
                .collect()
        });
        Self {
            general: check("", 0),
            lean,
            refund: Script::new(&format!(
                "{commands}\n{}",
                REFUND.replace("$functions", &functions)
            )),
        }
    }

    /// The script for checks of this kind.
    pub(super) fn check(&self, kind: CheckKind) -> &Script {
        let lean = match kind {
            CheckKind::Lean { strategy, limits } => self
                .lean
                .get(strategy)
                .and_then(|scripts| scripts.get(limits.checked_sub(1)?)),
            CheckKind::General => None,
        };
        lean.unwrap_or(&self.general)
    }
}

/// The lean text of a strategy, for requests with `limits` limits.
fn lean_text(strategy: &str, limits: usize) -> String {
    let each = |text: &str, separator: &str| {
        let numbered = (1..=limits).map(|number| text.replace('@', &number.to_string()));
        numbered.collect::<Vec<_>>().join(separator)
    };
    let step = |name: &str| {
        let (_, text) = strategy.split_once(name).unwrap_or_default();
        let text = text.split("-- @").next().unwrap_or_default();
        each(text, "\n")
    };
    LEAN_FRAME
        .replace("$arguments", &each("count@, window@, cost@, burst@", ", "))
        // The bytes that are skipped: the numbers of limits and ids, and each index of a strategy.
        .replace(
            "$unpack",
            &format!(">Bxxxxxxxx{}", "xI8I8I8I8".repeat(limits)),
        )
        .replace("$read", &step("-- @read"))
        .replace("$is_allowed", &each("wait@ == 0", " and "))
        .replace("$plan", &step("-- @plan"))
        .replace("$write", &step("-- @write"))
        .replace("$pack", &format!(">I8B{}", "I8I8i8I8".repeat(limits)))
        .replace("$results", &each("remaining@, reset@, wait@, next@", ", "))
}

/// A script, which the server runs by its hash once it has the text.
#[derive(Debug)]
pub(super) struct Script {
    pub(super) text: Box<str>,
    pub(super) sha: Box<str>,
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
}

/// A call of a script that no server has: the answer `NOSCRIPT` shows that the call is permitted.
pub(super) fn unknown_script(key: &str) -> Cmd {
    let mut command = Cmd::new();
    command.arg("EVALSHA").arg("0".repeat(40)).arg(1).arg(key);
    command
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
