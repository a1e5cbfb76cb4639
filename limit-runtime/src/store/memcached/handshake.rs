//! Start-up handshake with each server: what it is, its version and its settings.

use super::{
    admin::{Problem, ServerInfo, ask},
    memcached_store::MemcachedStore,
};
use crate::store::ConnectError;
use std::time::Duration;

/// How long the start of the program waits for the servers.
const TIMEOUT: Duration = Duration::from_millis(500);
/// The first version with the meta protocol.
const MIN_VERSION: (u32, u32) = (1, 6);
/// The size of an item that every server has to accept.
const MIN_ITEM_SIZE: u64 = 8 * 1024;

impl MemcachedStore {
    /// Connects to the servers, and checks that they are suitable.
    ///
    /// A server that does not answer is not an error, because checks use it as soon as it answers.
    ///
    /// # Errors
    /// If the key prefix is invalid, or if a server is no memcached, is too old, or is set up in a
    /// way that does not work.
    pub(crate) async fn handshake(&self) -> Result<(), ConnectError> {
        self.shared.names.validate()?;
        for server in &self.shared.servers {
            let address = &*server.address;
            match tokio::time::timeout(TIMEOUT, ask(address)).await {
                Ok(Ok(info)) => {
                    examine(&info)?;
                    tracing::info!(
                        server = address,
                        version = &*info.version,
                        max_bytes = info.max_bytes,
                        evictions = info.evictions,
                        "the rate limiter counts in memcached, which forgets counts when its \
                         memory is full"
                    );
                    server.evictions.begin(info.evictions);
                }
                Ok(Err(Problem::Unsuitable(problem))) => return Err(problem),
                Ok(Err(Problem::Outage(error))) => tracing::warn!(
                    server = address,
                    %error,
                    "the rate limiter starts without its store: memcached does not answer"
                ),
                Err(_) => tracing::warn!(
                    server = address,
                    "the rate limiter starts without its store: memcached did not answer within \
                     {TIMEOUT:?}"
                ),
            }
        }
        Ok(())
    }
}

fn examine(info: &ServerInfo) -> Result<(), ConnectError> {
    let mut numbers = info.version.split(['.', '-', ' ']).map(str::parse);
    let version = match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor),
        _ => (0, 0),
    };
    if version < MIN_VERSION || !info.has_meta_protocol {
        return Err(ConnectError::Unfit {
            found: format!("memcached {}", info.version).into(),
            needed: "memcached 1.6 or later, with the meta protocol",
        });
    }
    if info.max_item_size.is_some_and(|size| size < MIN_ITEM_SIZE) {
        let size = info.max_item_size.unwrap_or_default();
        return Err(ConnectError::Unfit {
            found: format!("memcached with items of at most {size} bytes").into(),
            needed: "items of at least 8 KB: start memcached with `-I 8k` or more",
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(version: &str) -> ServerInfo {
        ServerInfo {
            version: version.into(),
            has_meta_protocol: true,
            max_item_size: Some(1 << 20),
            max_bytes: 64 << 20,
            evictions: 0,
        }
    }

    #[test]
    fn the_version_decides() {
        for version in ["1.6.0", "1.6.18", "1.7.1", "2.0", "1.6.21_1", "1.10.0-beta"] {
            assert!(examine(&info(version)).is_ok(), "{version}");
        }
        for version in ["1.5.22", "1.4", "0.9", "unknown", ""] {
            let error = examine(&info(version)).map_err(|error| error.to_string());
            let error = error.expect_err(version);
            assert!(error.contains("needs memcached 1.6 or later"), "{error}");
        }
        let old = ServerInfo {
            has_meta_protocol: false,
            ..info("1.6.0")
        };
        assert!(examine(&old).is_err());
        let small = ServerInfo {
            max_item_size: Some(1024),
            ..info("1.6.18")
        };
        assert!(examine(&small).is_err());
    }
}
