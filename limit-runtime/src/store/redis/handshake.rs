//! Start-up check of the server: authentication, version, eviction policy.

use super::{redis_store::RedisStore, server_error::has_code};
use crate::store::ConnectError;
use redis::{Cmd, ErrorKind, FromRedisValue, RedisError, ServerErrorKind};
use std::time::Duration;

/// How long the start of the program waits for the server.
const TIMEOUT: Duration = Duration::from_millis(500);
/// The oldest version that the scripts are tested with.
const MIN_VERSION: (u32, u32) = (6, 2);

impl RedisStore {
    /// Checks that the server accepts the connection and is suitable.
    ///
    /// A server that does not answer is not an error, because checks use it as soon as it answers.
    ///
    /// # Errors
    /// If the server rejects the connection or is too old.
    pub(crate) async fn handshake(&self) -> Result<(), ConnectError> {
        let info = match tokio::time::timeout(TIMEOUT, self.server_info()).await {
            Ok(Ok(info)) => info,
            Ok(Err(error)) => return rejection_or_warning(&error),
            Err(_) => {
                tracing::warn!(
                    "the rate limiter starts without its store: Redis did not answer within {TIMEOUT:?}"
                );
                return Ok(());
            }
        };
        let field = |name: &str| {
            info.lines()
                .find_map(|line| line.trim_end().strip_prefix(name)?.strip_prefix(':'))
        };
        if let Some(version) = field("redis_version")
            && let Some(found) = parse_version(version)
            && found < MIN_VERSION
        {
            return Err(ConnectError::Unfit {
                found: format!("Redis {version}").into(),
                needed: "Redis 6.2 or later, or any Valkey",
            });
        }
        if let Some(policy) = field("maxmemory_policy")
            && policy != "noeviction"
        {
            tracing::warn!(
                policy,
                "the rate limiter's store may lose counts: with this `maxmemory-policy`, Redis evicts \
                 keys when its memory is full, and clients get their budget again; set it to \
                 `noeviction`",
            );
        }
        Ok(())
    }

    /// The text of `INFO`; empty if there is none to look at.
    async fn server_info(&self) -> Result<String, RedisError> {
        let open = self.connection.get().await?;
        let mut command = Cmd::new();
        command.arg("INFO");
        match open.transport.send(&command).await {
            // A cluster answers with a map from nodes to texts, and is then not checked.
            Ok(value) => Ok(String::from_redis_value(value).unwrap_or_default()),
            // The user's ACL may allow scripts but not `INFO`.
            Err(error) if is_not_permitted(&error) => Ok(String::new()),
            Err(error) => Err(error),
        }
    }
}

/// Returns an error if the server rejects the connection. Any other error is logged as an outage.
fn rejection_or_warning(error: &RedisError) -> Result<(), ConnectError> {
    // An unknown master of Sentinel is not a rejection: a failover may be in progress.
    let is_rejection = matches!(
        error.kind(),
        ErrorKind::AuthenticationFailed | ErrorKind::InvalidClientConfig
    ) || has_code(error, "NOAUTH")
        || has_code(error, "WRONGPASS");
    if is_rejection {
        return Err(ConnectError::Refused {
            reason: error.to_string().into(),
        });
    }
    tracing::warn!(%error, "the rate limiter starts without its store: Redis does not answer");
    Ok(())
}

fn is_not_permitted(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::NoPerm)
}

fn parse_version(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.split('.').map(|number| number.parse().ok());
    Some((numbers.next()??, numbers.next()??))
}
