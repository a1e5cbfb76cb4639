//! Errors of ours in errors of the `redis` crate, which is what all requests on a connection get.

use crate::store::ConnectError;
use redis::RedisError;
use std::{error::Error, fmt, io, sync::Arc};

/// A server that cannot be used, in the error that the requests on its connection get.
#[derive(Debug)]
pub(super) struct Unsuitable(ConnectError);

impl Unsuitable {
    /// Wraps the problem in an error of the `redis` crate.
    pub(super) fn wrap(problem: ConnectError) -> RedisError {
        RedisError::from(io::Error::other(Self(problem)))
    }

    /// The problem that the error wraps.
    pub(super) fn find(error: &RedisError) -> Option<&ConnectError> {
        cause::<Self>(error).map(|cause| &cause.0)
    }
}

/// The runtime has ended that drove the connection, which says nothing of the server.
#[derive(Debug)]
pub(super) struct RuntimeEnded;

impl RuntimeEnded {
    /// Wraps it in an error of the `redis` crate.
    pub(super) fn wrap() -> RedisError {
        RedisError::from(io::Error::other(Self))
    }

    /// Whether the error wraps this one.
    pub(super) fn is_cause_of(error: &RedisError) -> bool {
        cause::<Self>(error).is_some()
    }
}

impl fmt::Display for RuntimeEnded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the runtime of the connection has ended")
    }
}

impl Error for RuntimeEnded {}

/// The error of ours that an error of the `redis` crate wraps.
fn cause<T: Error + 'static>(error: &RedisError) -> Option<&T> {
    // The crate keeps causes in an `Arc`, which is the type of the source.
    let source = error.source()?;
    let shared = source.downcast_ref::<Arc<dyn Error + Send + Sync>>()?;
    shared
        .downcast_ref::<io::Error>()?
        .get_ref()?
        .downcast_ref()
}

impl fmt::Display for Unsuitable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for Unsuitable {}
