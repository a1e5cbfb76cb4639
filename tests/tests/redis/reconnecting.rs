//! Connections that the program made itself.

use limit_runtime::{
    Limiter, limits,
    store::redis::{RedisStore, redis},
};
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use std::time::Duration;
use test_support::{remote::until_it_answers, servers::Server};

/// As the documentation of `RedisStore` shows it.
#[tokio::test]
async fn a_connection_manager_recovers_from_a_restart() {
    let server = Server::redis();
    let client = redis::Client::open(server.url()).unwrap();
    let config = ConnectionManagerConfig::new()
        .set_response_timeout(Some(Duration::from_secs(2)))
        .set_connection_timeout(Some(Duration::from_secs(1)))
        .set_max_delay(Duration::from_millis(500));
    let connection = ConnectionManager::new_with_config(client, config).await;
    let store = RedisStore::from_redis_connection(connection.unwrap()).key_prefix("inference");
    let limiter = Limiter::builder().store(store).build();
    let limits = limits!("1000000/minute");
    for _ in 0..2 {
        until_it_answers(&limiter, "alice").await;
        server.kill();
        for _ in 0..9 {
            assert!(limiter.check(&limits, "alice").await.unwrap().is_allowed());
        }
        server.restart();
    }
}
