//! Deletes all budgets of a limiter, in steps that do not block the server.
//!
//! A key is deleted only if its name has the exact form of this limiter's names, with a digest of
//! its secret. Keys of the application, of another prefix and of another secret stay.

use super::{
    redis_store::RedisStore,
    scan::{scan, unlink_own},
    server_error::store_error,
};
use crate::store::StoreError;
use redis::RedisError;

impl RedisStore {
    pub(super) async fn delete_all_budgets(&self) -> Result<(), StoreError> {
        #[cfg(feature = "redis-cluster")]
        if let Some(cluster) = &self.cluster {
            return super::cluster_reset::delete_all_budgets(cluster, &self.key_names)
                .await
                .map_err(store_error);
        }
        self.delete_on_one_server().await.map_err(store_error)
    }

    async fn delete_on_one_server(&self) -> Result<(), RedisError> {
        let mut cursor = 0;
        let mut connection = self.connection.times_opened();
        loop {
            let page = self.send(&scan(&self.key_names, cursor)).await?;
            let (next_cursor, unlink) = unlink_own(&self.key_names, page)?;
            if let Some(unlink) = unlink {
                self.send(&unlink).await?;
            }
            // A cursor has a meaning only for the server that returned it. After a reconnect, that
            // may be another one.
            let now = self.connection.times_opened();
            if now != connection && connection != 0 {
                cursor = 0;
            } else if next_cursor == 0 {
                return Ok(());
            } else {
                cursor = next_cursor;
            }
            connection = now;
        }
    }
}
