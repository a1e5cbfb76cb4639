//! Classifies errors of the server: an outage, or a wrong request of ours.

use crate::store::StoreError;
use redis::{ErrorKind, RedisError, ServerErrorKind};

/// Error codes of a server that cannot count at the moment.
///
/// If a command inside a script fails, some servers return another code, and the original one only
/// as a word in the text.
const OUTAGE_CODES: [&str; 9] = [
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
pub(super) fn has_code(error: &RedisError, code: &str) -> bool {
    error.code() == Some(code)
        || error.detail().is_some_and(|detail| {
            detail
                .split(|c: char| !c.is_ascii_uppercase())
                .any(|word| word == code)
        })
}

/// Converts the error. Only outages count as failures for the circuit breaker.
pub(super) fn store_error(error: RedisError) -> StoreError {
    let is_our_bug = match error.kind() {
        ErrorKind::Server(ServerErrorKind::ResponseError | ServerErrorKind::CrossSlot)
        | ErrorKind::UnexpectedReturnType
        | ErrorKind::Extension => !OUTAGE_CODES.iter().any(|code| has_code(&error, code)),
        _ => false,
    };
    let message = format!("the call to Redis failed: {error}");
    if is_our_bug {
        StoreError::bug(message)
    } else {
        StoreError::with_source(message, error)
    }
}
