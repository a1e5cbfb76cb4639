//! What the server's errors mean to us.

use crate::store::StoreError;
use redis::{ErrorKind, RedisError, ServerErrorKind};

/// A server that says one of these cannot count at the moment. Inside a script some servers put
/// the word into the text of another error.
const OUTAGES: [&str; 9] = [
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

/// Whether the error is `word`, or says so of something that a script called.
pub(super) fn names(error: &RedisError, word: &str) -> bool {
    error.code() == Some(word)
        || error.detail().is_some_and(|detail| {
            detail
                .split(|c: char| !c.is_ascii_uppercase())
                .any(|found| found == word)
        })
}

/// The error as the guard takes it: is the server out, or did we ask nonsense?
pub(super) fn store_error(error: RedisError) -> StoreError {
    let is_ours = match error.kind() {
        ErrorKind::Server(ServerErrorKind::ResponseError | ServerErrorKind::CrossSlot)
        | ErrorKind::UnexpectedReturnType
        | ErrorKind::Extension => !OUTAGES.iter().any(|word| names(&error, word)),
        _ => false,
    };
    let message = format!("Redis did not count: {error}");
    if is_ours {
        StoreError::bug(message)
    } else {
        StoreError::with_source(message, error)
    }
}
