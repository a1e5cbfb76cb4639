//! An object-safe trait over the connection types of the `redis` crate.

use redis::{Cmd, RedisFuture, Value, aio::ConnectionLike};

/// A connection to a server or a cluster, to which many tasks can send commands concurrently.
pub(super) trait Transport: Send + Sync {
    /// Sends a command and waits for its reply. An error reply is an `Err`.
    fn send<'a>(&'a self, command: &'a Cmd) -> RedisFuture<'a, Value>;
}

impl<C: ConnectionLike + Clone + Send + Sync + 'static> Transport for C {
    fn send<'a>(&'a self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        let mut connection = self.clone();
        Box::pin(async move {
            connection
                .req_packed_command(command)
                .await?
                .extract_error()
        })
    }
}
