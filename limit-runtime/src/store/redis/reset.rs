//! Deletes all keys with the store's prefix, in steps that do not block the server.

use super::{redis_store::RedisStore, server_error::store_error};
use crate::store::StoreError;
use redis::{Cmd, FromRedisValue};

/// How many keys one `SCAN` looks at. The server needs well under a millisecond for that.
const KEYS_PER_SCAN: u64 = 500;

impl RedisStore {
    pub(super) async fn delete_all_budgets(&self) -> Result<(), StoreError> {
        let pattern = format!("{}:*", escape_glob(self.key_names.prefix()));
        if !self.connection.is_one_server() {
            return Err(StoreError::new(format!(
                "`reset_all` is not supported on Redis Cluster: change `key_prefix`, or delete the \
                 keys that match `{pattern}` on each node"
            )));
        }
        let mut cursor = 0_u64;
        loop {
            let open = self.connection.get().await.map_err(store_error)?;
            let mut scan = Cmd::new();
            scan.arg("SCAN").arg(cursor).arg("MATCH").arg(&pattern);
            scan.arg("COUNT").arg(KEYS_PER_SCAN);
            let page = open.transport.send(&scan).await.map_err(store_error)?;
            let (next_cursor, keys) =
                <(u64, Vec<Vec<u8>>)>::from_redis_value(page).map_err(|_| {
                    StoreError::new("unexpected reply of Redis to SCAN: expected a cursor and keys")
                })?;
            if !keys.is_empty() {
                let mut unlink = Cmd::new();
                unlink.arg("UNLINK");
                for key in &keys {
                    unlink.arg(key);
                }
                open.transport.send(&unlink).await.map_err(store_error)?;
            }
            if next_cursor == 0 {
                return Ok(());
            }
            cursor = next_cursor;
        }
    }
}

/// Escapes the characters that have a meaning in patterns of `SCAN … MATCH`.
fn escape_glob(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '*' | '?' | '[' | ']' | '\\' | '^') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}
