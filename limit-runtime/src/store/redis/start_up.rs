//! The first connection, at the start of the program.

use super::{
    redis_store::RedisStore,
    server_error::{misconfiguration, text},
};
use crate::store::ConnectError;
use std::time::Duration;

/// How long the start of the program waits for the server.
const TIMEOUT: Duration = Duration::from_millis(500);

impl RedisStore {
    /// Connects to the server, and checks that it is suitable.
    ///
    /// A server that does not answer is not an error, because checks use it as soon as it answers.
    ///
    /// # Errors
    /// If the server rejects the connection, is too old, or is set up in a way that does not work.
    pub(crate) async fn handshake(&self) -> Result<(), ConnectError> {
        match tokio::time::timeout(TIMEOUT, self.connection.get()).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => {
                if let Some(problem) = misconfiguration(&error) {
                    return Err(problem);
                }
                tracing::warn!(
                    error = %text(&error),
                    "the rate limiter starts without its store: Redis does not answer"
                );
            }
            Err(_) => {
                tracing::warn!(
                    "the rate limiter starts without its store: Redis did not answer within {TIMEOUT:?}"
                );
            }
        }
        Ok(())
    }
}
