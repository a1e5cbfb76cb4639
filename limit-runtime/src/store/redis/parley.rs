//! What is looked at once, when a limiter is connected: does the server let us in, and is it fit?

use super::{RedisStore, failure};
use crate::store::ConnectError;
use redis::{Cmd, ErrorKind, FromRedisValue, RedisError, ServerErrorKind};
use std::time::Duration;

/// How long starting waits for a server that does not answer.
const PATIENCE: Duration = Duration::from_millis(500);
/// The oldest server that the scripts are tested with.
const OLDEST: (u32, u32) = (6, 2);

impl RedisStore {
    /// Looks at the server. One that does not answer is no error: it is used as soon as it does.
    ///
    /// # Errors
    /// When the server refuses us, or is too old.
    pub(crate) async fn parley(&self) -> Result<(), ConnectError> {
        let info = match tokio::time::timeout(PATIENCE, self.info()).await {
            Ok(Ok(info)) => info,
            Ok(Err(error)) => return unanswered(&error),
            Err(_) => {
                tracing::warn!(
                    "the rate limiter starts without its store: no answer within {PATIENCE:?}"
                );
                return Ok(());
            }
        };
        let field = |name: &str| {
            info.lines()
                .find_map(|line| line.trim_end().strip_prefix(name)?.strip_prefix(':'))
        };
        if let Some(version) = field("redis_version")
            && let Some(found) = parse(version)
            && found < OLDEST
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
                "the rate limiter's store may forget what was counted: its `maxmemory-policy` evicts keys \
                 when memory is full, so clients could get a second budget; set it to `noeviction`",
            );
        }
        Ok(())
    }

    async fn info(&self) -> Result<String, RedisError> {
        let open = self.link.get().await?;
        let mut command = Cmd::new();
        command.arg("INFO");
        match open.wire.send(&command).await {
            // A cluster answers with one text for each node; nothing is looked at then.
            Ok(value) => Ok(String::from_redis_value(value).unwrap_or_default()),
            // Some users may count, and not look at the server.
            Err(error) if is_forbidden(&error) => Ok(String::new()),
            Err(error) => Err(error),
        }
    }
}

/// Says that the server does not answer, unless it does, and refuses us.
fn unanswered(error: &RedisError) -> Result<(), ConnectError> {
    // A master that Sentinel does not name may be one that it is just replacing.
    let refused = matches!(
        error.kind(),
        ErrorKind::AuthenticationFailed | ErrorKind::InvalidClientConfig
    ) || failure::names(error, "NOAUTH")
        || failure::names(error, "WRONGPASS");
    if refused {
        return Err(ConnectError::Refused {
            reason: error.to_string().into(),
        });
    }
    tracing::warn!(%error, "the rate limiter starts without its store: it does not answer");
    Ok(())
}

fn is_forbidden(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::NoPerm)
}

fn parse(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.split('.').map(|number| number.parse().ok());
    Some((numbers.next()??, numbers.next()??))
}
