//! A connection, whatever it leads to: one server, a cluster, or one of the user's own.

use redis::{Cmd, RedisFuture, Value, aio::ConnectionLike};

/// Takes commands from many tasks at once.
pub(super) trait Wire: Send + Sync {
    fn send<'a>(&'a self, command: &'a Cmd) -> RedisFuture<'a, Value>;
}

impl<C: ConnectionLike + Clone + Send + Sync + 'static> Wire for C {
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
