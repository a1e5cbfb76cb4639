//! Classifies errors of the server: an outage, a set-up that has to be changed, or a fault in one
//! request.

use super::wrapped_error::{RuntimeEnded, Unsuitable};
use crate::store::{ConnectError, StoreError, error::StoreErrorKind};
use redis::{ErrorKind, RedisError, ServerErrorKind};

/// What a user of the server must be permitted to do; see `docs/REDIS.md`.
const GRANT: &str = "grant the commands and keys that docs/REDIS.md lists under \"Permissions\"";
const OFFER_COMMAND: &str = "the limiter needs Lua scripts and the commands in them: undo \
    `rename-command`, or use a server or proxy that has them";
const CHOOSE_DATABASE: &str = "write the number of a database that exists at the end of the URL, as in \
    `redis://host:6379/0`";
const USE_CLUSTER: &str =
    "write `redis+cluster://host1:6379,host2:6379` in the URL (feature `redis-cluster`)";
const USE_SERVER: &str = "write `redis://host:6379` in the URL";
const USE_SENTINEL: &str =
    "write `redis+sentinel://host:26379/master` in the URL (feature `redis-sentinel`)";
const TRUST_SERVER: &str = "write a host that the server's certificate is valid for, and the path \
    of its authority's certificate, as in `rediss://host:6380?tls-ca=/path/ca.pem`";
const SHOW_CERTIFICATE: &str = "write the paths of a certificate that the server trusts and of its \
    key, as in `rediss://host:6380?tls-cert=/path/cert.pem&tls-key=/path/key.pem`";
const SET_PASSWORD: &str = "set a password in the server and write it in the URL, as in \
    `redis://:password@host:6379/0`, or turn `protected-mode` off";
#[cfg(feature = "redis-sentinel")]
const SENTINEL_PASSWORDS: &str = "check the master's user and password, which are before the hosts \
    in the URL, and those of the Sentinels, as in \
    `redis+sentinel://user:password@host:26379/master?sentinel-user=user&sentinel-password=password`";
#[cfg(feature = "redis-sentinel")]
const SENTINEL_HOSTS: &str = "write the hosts and ports of Sentinels, as in \
    `redis+sentinel://host:26379/master`, or `redis://host:6379` for one server";
const USE_REDIS: &str =
    "the limiter's scripts do not run on this server: use Redis 6.2 or later, or Valkey";

/// Codes of a server that cannot count at the moment.
const SERVER_STATES: [&str; 9] = [
    "OOM",
    "READONLY",
    "BUSY",
    "LOADING",
    "MISCONF",
    "MASTERDOWN",
    "CLUSTERDOWN",
    "NOREPLICAS",
    "TRYAGAIN",
];

/// Whether `code` is the code of the error, or a word in its text.
///
/// If a command inside a script fails, some servers return another code, and the original one only
/// as a word in the text.
pub(super) fn has_code(error: &RedisError, code: &str) -> bool {
    error.code() == Some(code)
        || error.detail().is_some_and(|detail| {
            detail
                .split(|c: char| !c.is_ascii_uppercase())
                .any(|word| word == code)
        })
}

/// Converts the error of a call.
///
/// Everything is an outage unless it is known to be a set-up that has to be changed, or a fault of
/// this one request.
pub(super) fn store_error(error: RedisError) -> StoreError {
    let problem = misconfiguration(&error);
    let kind = match &problem {
        Some(_) => StoreErrorKind::Misconfiguration,
        None => request_fault(&error).map_or(StoreErrorKind::Outage, StoreErrorKind::Request),
    };
    let message = match problem {
        Some(problem) => problem.to_string(),
        None => format!("the call to Redis failed: {}", text(&error)),
    };
    let names_the_user = text(&error) != error.to_string();
    let error = if names_the_user {
        StoreError::new(message)
    } else {
        StoreError::with_source(message, error)
    };
    error.with_kind(kind)
}

/// The text of the error, without the name of the user, which some texts of the server contain.
pub(super) fn text(error: &RedisError) -> String {
    if error.kind() == ErrorKind::MasterNameNotFoundBySentinel {
        return "the Sentinels know no master of the name in the URL that is up; the name is that \
            in `sentinel monitor`, as in `redis+sentinel://host:26379/master`"
            .to_owned();
    }
    let text = error.to_string();
    let name = text.split_once("User ").and_then(|(before, rest)| {
        let (_, after) = rest.split_once(" has no permissions")?;
        Some(format!("{before}the user has no permissions{after}"))
    });
    name.unwrap_or(text)
}

/// The fault of one request that the error proves: other requests may succeed.
fn request_fault(error: &RedisError) -> Option<&'static str> {
    if RuntimeEnded::is_cause_of(error) {
        return Some("the runtime ended that drove the connection");
    }
    if has_code(error, "WRONGTYPE") {
        return Some("a key of the limiter holds a value of another type");
    }
    if is_server_kind(error, ServerErrorKind::CrossSlot) || has_code(error, "CROSSSLOT") {
        return Some("the keys of one request are in several slots of the cluster");
    }
    // `struct.unpack` of a value that the limiter did not write.
    let detail = error.detail().unwrap_or_default();
    (detail.contains("bad argument") && detail.contains("unpack"))
        .then_some("a key of the limiter holds a value that the limiter did not write")
}

/// The problem with the server's set-up that the error proves, and what to change.
pub(super) fn misconfiguration(error: &RedisError) -> Option<ConnectError> {
    if let Some(problem) = Unsuitable::find(error) {
        return Some(problem.clone());
    }
    let is_rejection = matches!(
        error.kind(),
        ErrorKind::AuthenticationFailed | ErrorKind::InvalidClientConfig
    ) || has_code(error, "NOAUTH")
        || has_code(error, "WRONGPASS");
    if is_rejection {
        return Some(ConnectError::Refused {
            reason: text(error).into(),
        });
    }
    let shown = text(error);
    let lower = shown.to_ascii_lowercase();
    let says = |text: &str| lower.contains(text);
    let (found, fix) = if is_server_kind(error, ServerErrorKind::NoPerm)
        || has_code(error, "NOPERM")
        || says("no permissions to")
        || says("can't run this command or subcommand")
    {
        (format!("the user lacks a permission: {shown}"), GRANT)
    } else if error.code() == Some("DENIED") && says("protected mode") {
        let found = "the server is in protected mode: it accepts only its own machine";
        (found.to_owned(), SET_PASSWORD)
    } else if says("invalid peer certificate") {
        (shown, TRUST_SERVER)
    } else if says("received fatal alert") && (says("certificate") || says("unknownca")) {
        (shown, SHOW_CERTIFICATE)
    } else if says("unknown command") || says("unknown redis command") {
        (shown, OFFER_COMMAND)
    } else if says("db index is out of range") || says("invalid db index") {
        (shown, CHOOSE_DATABASE)
    } else if says("select is not allowed in cluster mode") {
        (shown, USE_CLUSTER)
    } else if says("cluster support disabled") {
        (shown, USE_SERVER)
    } else {
        return None;
    };
    Some(ConnectError::Misconfigured {
        found: found.into(),
        fix,
    })
}

/// The problem with a server on which the scripts fail for their own sake.
pub(super) fn script_failure(error: &RedisError) -> Option<ConnectError> {
    let shown = text(error);
    let is_state = SERVER_STATES.iter().any(|code| has_code(error, code));
    let is_script = error.code() == Some("ERR") && shown.contains("user_script") && !is_state;
    is_script.then(|| ConnectError::Misconfigured {
        found: shown.into(),
        fix: USE_REDIS,
    })
}

/// The problem of a node of a cluster behind the URL of one server.
pub(super) fn node_of_a_cluster() -> ConnectError {
    ConnectError::Misconfigured {
        found: "the server is a node of a Redis Cluster".into(),
        fix: USE_CLUSTER,
    }
}

/// The problem of a Sentinel behind the URL of one server.
pub(super) fn sentinel_as_server() -> ConnectError {
    ConnectError::Misconfigured {
        found: "the server is a Sentinel".into(),
        fix: USE_SENTINEL,
    }
}

/// Adds to an error from Sentinels, or from the master that they name, what to change in the URL.
#[cfg(feature = "redis-sentinel")]
pub(super) fn sentinel_error(error: RedisError) -> RedisError {
    let (found, fix) = if error.kind() == ErrorKind::InvalidClientConfig {
        ("a server in the URL is no Sentinel".into(), SENTINEL_HOSTS)
    } else if let Some(ConnectError::Refused { reason }) = misconfiguration(&error) {
        let found = format!("a Sentinel or the master refused the connection: {reason}");
        (found.into(), SENTINEL_PASSWORDS)
    } else {
        return error;
    };
    Unsuitable::wrap(ConnectError::Misconfigured { found, fix })
}

/// Whether the error is that of a node of a cluster which does not hold the key.
pub(super) fn is_redirection(error: &RedisError) -> bool {
    is_server_kind(error, ServerErrorKind::Moved) || is_server_kind(error, ServerErrorKind::Ask)
}

fn is_server_kind(error: &RedisError, kind: ServerErrorKind) -> bool {
    error.kind() == ErrorKind::Server(kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_found_again_in_the_error_that_wraps_it() {
        let error = Unsuitable::wrap(node_of_a_cluster());
        let found = misconfiguration(&error).expect("the problem");
        assert_eq!(found.to_string(), node_of_a_cluster().to_string());
        let error = store_error(error);
        assert_eq!(error.kind(), StoreErrorKind::Misconfiguration);
        assert_eq!(error.to_string(), node_of_a_cluster().to_string());
    }

    #[test]
    fn no_text_names_the_user() {
        let text = "User s3cr3t has no permissions to run the 'evalsha' command";
        let error = RedisError::from((ErrorKind::Extension, "NOPERM", text.to_owned()));
        let error = store_error(error);
        assert_eq!(error.kind(), StoreErrorKind::Misconfiguration);
        assert!(!error.to_string().contains("s3cr3t"), "{error}");
        assert!(error.to_string().contains("'evalsha'"), "{error}");
    }

    #[test]
    fn an_error_that_nothing_is_known_of_is_an_outage() {
        for (kind, text) in [
            (ErrorKind::Extension, "ERR upstream failure"),
            (ErrorKind::UnexpectedReturnType, "garbled"),
            (ErrorKind::Parse, "garbled"),
            (ErrorKind::Io, "connection reset"),
        ] {
            let error = RedisError::from((kind, "answer", text.to_owned()));
            assert_eq!(store_error(error).kind(), StoreErrorKind::Outage, "{text}");
        }
    }
}
