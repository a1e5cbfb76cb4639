//! The smallest things that must be true.

use limit_runtime::{
    IntoKey, Limits, Strategy,
    clock::TestClock,
    store::{Action, Charge, Scope, Store, redis::RedisStore},
};
use std::time::Duration;
use workspace_tests::servers::Server;

#[tokio::test]
async fn moving() {
    let server = Server::redis();
    let clock = TestClock::new();
    let store = RedisStore::new(&server.url()).unwrap().clock(clock.clone());
    let limits: Limits = "2/10s".parse().unwrap();
    let key = "a".into_key();
    let charge = Charge {
        scope: Scope { name: "s", route: "" },
        key: &key,
        limits: &limits,
        cost: 1,
        strategy: Strategy::MovingWindow,
    };
    let mut last = Duration::ZERO;
    for (at, allowed) in [(0, true), (4000, true), (5000, false), (9999, false), (10000, true), (10001, false), (14000, true), (14001, false), (20000, true)] {
        let at = Duration::from_millis(at);
        clock.advance(at - last);
        last = at;
        let decision = store.check(&[charge], Action::Consume).await.unwrap();
        println!("{at:?} {:?}", decision.outcomes());
        assert_eq!(decision.is_allowed(), allowed, "at {at:?}");
    }
}
