//! The store gives the answers of the model that counts by brute force.

use limit_runtime::{
    Decision, Receipt,
    store::{Action, Charge, Store, redis::RedisStore},
};
use workspace_tests::{
    oracle::{self, Subject},
    servers::Server,
};

/// In the default run; `REDIS_ORACLE_CHECKS` asks for another number.
const CHECKS: usize = 15_000;

struct Redis(RedisStore);

impl Subject for Redis {
    async fn check(&self, charges: &[Charge<'_>], action: Action) -> Decision {
        self.0.check(charges, action).await.unwrap()
    }

    async fn refund(&self, charges: &[Charge<'_>], receipts: &[Receipt]) {
        self.0.refund(charges, receipts).await.unwrap();
    }

    fn tick(window: u64) -> u64 {
        window.div_ceil(1 << 30)
    }
}

#[tokio::test]
async fn every_answer_is_the_models() {
    let server = Server::redis();
    let wanted = std::env::var("REDIS_ORACLE_CHECKS").ok();
    let checks = wanted.map_or(CHECKS, |number| number.parse().unwrap());
    oracle::run(checks, async |clock, seed| {
        // A connection of our own that waits for a busy machine.
        let client = ::redis::Client::open(server.url()).unwrap();
        let patient = ::redis::AsyncConnectionConfig::new().set_response_timeout(None);
        let connection = client
            .get_multiplexed_async_connection_with_config(&patient)
            .await
            .unwrap();
        Redis(
            RedisStore::from_redis_connection(connection)
                .prefix(&format!("oracle{seed}"))
                .clock(clock.clone()),
        )
    })
    .await;
}
