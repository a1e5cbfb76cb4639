//! Handshake with the server, on each new connection: identity, version, eviction policy, and a
//! probe of the commands and permissions that the scripts need.

use super::{
    script::{PROBE, unknown_script},
    server_error::{
        is_redirection, misconfiguration, node_of_a_cluster, script_failure, sentinel_as_server,
    },
    transport::Transport,
    wrapped_error::Unsuitable,
};
use crate::store::ConnectError;
use redis::{Cmd, RedisError, Value};

/// The oldest version that the scripts are tested with.
const MIN_VERSION: (u32, u32) = (6, 2);

/// What identifies a run of the server. A restarted server has another one, and may have lost its
/// counts.
///
/// `None` if the user may not read it.
pub(super) type RunId = Option<Box<str>>;

/// Checks a connection that has just been opened, and returns the run ID of the server.
///
/// # Errors
/// If the server does not answer, cannot count at the moment, or is unsuitable.
pub(super) async fn shake_hands(
    transport: &dyn Transport,
    is_one_server: bool,
    probe_key: &str,
    is_first: bool,
) -> Result<RunId, RedisError> {
    let probe = PROBE.eval_command(&[probe_key]);
    let mut info = Cmd::new();
    info.arg("INFO");
    let by_hash = unknown_script(probe_key);
    // All are under way at once, so that the handshake takes one round trip.
    let (info, probe, by_hash) = tokio::join!(
        transport.send(&info),
        transport.send(&probe),
        transport.send(&by_hash)
    );
    let unsuitable = |problem| Err(Unsuitable::wrap(problem));
    let info = match info {
        Ok(info) => texts(info),
        // Without `INFO`, the server is not checked any further. It may be a proxy.
        Err(error) if error.code().is_some() || !is_one_server => Vec::new(),
        Err(error) => return Err(error),
    };
    let field = |name: &str| {
        let mut lines = info.iter().flat_map(|text| text.lines());
        lines.find_map(|line| line.trim_end().strip_prefix(name)?.strip_prefix(':'))
    };
    if let Some(version) = field("redis_version")
        && let Some(found) = parse_version(version)
        && found < MIN_VERSION
    {
        return unsuitable(ConnectError::Unfit {
            found: format!("Redis {version}").into(),
            needed: "Redis 6.2 or later, or any Valkey",
        });
    }
    // Valkey has another name for it.
    let mode = field("redis_mode").or_else(|| field("server_mode"));
    if is_one_server && mode == Some("cluster") {
        return unsuitable(node_of_a_cluster());
    }
    if mode == Some("sentinel") {
        return unsuitable(sentinel_as_server());
    }
    if let Err(error) = probe {
        if is_one_server && is_redirection(&error) {
            return unsuitable(node_of_a_cluster());
        }
        match misconfiguration(&error).or_else(|| script_failure(&error)) {
            Some(problem) => return unsuitable(problem),
            None if is_one_server => return Err(error),
            // The node of this key is out. The others can be used.
            None => {}
        }
    }
    if let Err(error) = by_hash
        && let Some(problem) = misconfiguration(&error)
    {
        return unsuitable(problem);
    }
    if is_first
        && let Some(policy) = field("maxmemory_policy")
        && policy != "noeviction"
    {
        tracing::warn!(
            policy,
            "the rate limiter's store may lose counts: with this `maxmemory-policy`, Redis evicts \
                 keys when its memory is full, and clients get their budget again; set it to \
                 `noeviction`",
        );
    }
    let run_ids = info.iter().filter_map(|text| {
        let mut lines = text.lines();
        lines.find_map(|line| line.trim_end().strip_prefix("run_id:"))
    });
    let mut run_ids: Vec<_> = run_ids.collect();
    run_ids.sort_unstable();
    if run_ids.is_empty() && is_first {
        tracing::warn!(
            "the rate limiter cannot read the `run_id` of Redis: each new connection counts as a \
                 restart of the server, after which this process also applies its own counts; permit \
                 `INFO` to tell them apart"
        );
    }
    Ok((!run_ids.is_empty()).then(|| run_ids.concat().into()))
}

/// The texts in a reply to `INFO`: one, or one for each node of a cluster.
fn texts(reply: Value) -> Vec<String> {
    match reply {
        Value::BulkString(bytes) => vec![String::from_utf8_lossy(&bytes).into_owned()],
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => vec![text],
        Value::Map(nodes) => nodes
            .into_iter()
            .flat_map(|(_, text)| texts(text))
            .collect(),
        Value::Array(replies) => replies.into_iter().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

fn parse_version(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.split('.').map(|number| number.parse().ok());
    Some((numbers.next()??, numbers.next()??))
}
