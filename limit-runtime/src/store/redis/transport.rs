//! An object-safe trait over the connection types of the `redis` crate.

use redis::{Cmd, Pipeline, RedisFuture, Value, aio::ConnectionLike};

/// A connection to a server or a cluster, to which many tasks can send commands concurrently.
pub(super) trait Transport: Send + Sync {
    /// Sends a command and waits for its reply. An error reply is an `Err`.
    fn send<'a>(&'a self, command: &'a Cmd) -> RedisFuture<'a, Value>;

    /// Sends commands together and waits for all replies. An error reply to one of the commands is
    /// a [`Value::ServerError`] in the list.
    fn send_all<'a>(&'a self, commands: &'a Pipeline) -> RedisFuture<'a, Vec<Value>>;
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

    fn send_all<'a>(&'a self, commands: &'a Pipeline) -> RedisFuture<'a, Vec<Value>> {
        let mut connection = self.clone();
        Box::pin(async move {
            connection
                .req_packed_commands(commands, 0, commands.len())
                .await
        })
    }
}
