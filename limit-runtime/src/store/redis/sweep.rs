//! Forgetting everything under the prefix, without holding the server up.

use super::{RedisStore, failure::store_error};
use crate::store::StoreError;
use redis::{Cmd, FromRedisValue};

/// Keys per step; a step takes the server well under a millisecond.
const STEP: u64 = 500;

impl RedisStore {
    pub(super) async fn sweep(&self) -> Result<(), StoreError> {
        if !self.link.is_one_server() {
            return Err(StoreError::bug(
                "a cluster cannot forget everything at once: change the prefix, or `SCAN` each node for it",
            ));
        }
        let pattern = format!("{}:*", escaped(self.namer.prefix()));
        let mut cursor = 0_u64;
        loop {
            let open = self.link.get().await.map_err(store_error)?;
            let mut scan = Cmd::new();
            scan.arg("SCAN").arg(cursor).arg("MATCH").arg(&pattern);
            scan.arg("COUNT").arg(STEP);
            let page = open.wire.send(&scan).await.map_err(store_error)?;
            let (next, keys) = <(u64, Vec<Vec<u8>>)>::from_redis_value(page)
                .map_err(|_| StoreError::bug("SCAN did not answer with a cursor and keys"))?;
            if !keys.is_empty() {
                let mut unlink = Cmd::new();
                unlink.arg("UNLINK");
                for key in &keys {
                    unlink.arg(key);
                }
                open.wire.send(&unlink).await.map_err(store_error)?;
            }
            if next == 0 {
                return Ok(());
            }
            cursor = next;
        }
    }
}

/// The prefix as a pattern that matches nothing else.
fn escaped(prefix: &str) -> String {
    let mut pattern = String::with_capacity(prefix.len());
    for c in prefix.chars() {
        if matches!(c, '*' | '?' | '[' | ']' | '\\' | '^') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern
}
