//! Several servers: each key is on one of them.

use limit_runtime::{
    IntoKey, limits,
    store::{Action, Charge, Scope, Store, memcached::MemcachedStore},
};
use test_support::{memcached_server::Memcached, servers::patient};

fn url(servers: &[Memcached]) -> String {
    let hosts = servers
        .iter()
        .map(|server| format!("127.0.0.1:{}", server.port()));
    format!("memcached://{}", hosts.collect::<Vec<_>>().join(","))
}

fn start() -> [Memcached; 2] {
    [(); 2].map(|()| Memcached::start())
}

#[tokio::test]
async fn keys_are_spread_over_the_servers_in_any_order() {
    let servers = start();
    let limiter = patient(&url(&servers)).await;
    let limits = limits!("1/minute");
    for key in 0..200_u32 {
        assert!(limiter.check(&limits, key).await.unwrap().is_allowed());
    }
    for server in &servers {
        let items = server.counter("curr_items");
        assert!((60..=142).contains(&items), "{items}");
    }
    let ports = [servers[1].port(), servers[0].port()];
    let reversed = format!("memcached://127.0.0.1:{},127.0.0.1:{}", ports[0], ports[1]);
    let reversed = patient(&reversed).await;
    for key in 0..200_u32 {
        assert!(!reversed.check(&limits, key).await.unwrap().is_allowed());
    }
    reversed.reset_all().await.unwrap();
    for key in 0..200_u32 {
        assert!(reversed.check(&limits, key).await.unwrap().is_allowed());
    }
}

#[tokio::test]
async fn a_dead_server_is_an_error_for_its_keys_alone_and_gives_no_new_budgets() {
    let servers = start();
    let store = MemcachedStore::new(&url(&servers)).unwrap();
    let (limits, keys) = (limits!("1/minute"), (0..40_u32).map(IntoKey::into_key));
    let keys: Vec<_> = keys.collect();
    let check = async |key| {
        let charges = [Charge::new(Scope::shared(""), key, &limits)];
        let decision = store.check(&charges, Action::Consume).await;
        decision.map(|decision| decision.is_allowed())
    };
    for key in &keys {
        assert!(check(key).await.unwrap());
    }
    servers[0].kill();
    let mut failed = 0;
    for key in &keys {
        match check(key).await {
            Ok(is_allowed) => assert!(!is_allowed),
            Err(_) => failed += 1,
        }
    }
    assert!((5..=35).contains(&failed), "{failed}");
    let before = store.epoch();
    servers[0].restart();
    let mut allowed = 0;
    for key in &keys {
        allowed += u32::from(check(key).await.unwrap());
    }
    assert_eq!(allowed, failed);
    assert_eq!(store.epoch(), before + 1, "the loss of counts is seen");
}

#[tokio::test]
async fn a_request_with_keys_on_two_servers_consumes_from_both_or_from_none() {
    let servers = start();
    let limiter = patient(&url(&servers)).await;
    let (few, many) = (limits!("2/minute"), limits!("100/minute"));
    let all = "everyone".into_key();
    for number in 0..20_u32 {
        let client = number.into_key();
        for expected in [true, true, false, false] {
            let charges = [
                Charge::new(Scope::shared("all"), &all, &many),
                Charge::new(Scope::shared("client"), &client, &few),
            ];
            let decision = limiter.check_all(&charges, Action::Consume).await.unwrap();
            assert_eq!(decision.is_allowed(), expected);
            let left = decision.outcomes()[0].remaining();
            let used = u64::from(2 * number) + decision.outcomes()[1].limit().count().get()
                - decision.outcomes()[1].remaining();
            assert_eq!(left, 100 - used);
        }
    }
    let peek = limiter.check(&many, "everyone").scope("all").peek().await;
    assert_eq!(peek.unwrap().outcomes()[0].remaining(), 60);
    servers[1].kill();
    // If one of both cannot be counted, the other is given back.
    let mut failed = 0;
    for number in 100..120_u32 {
        let client = number.into_key();
        let charges = [
            Charge::new(Scope::shared("all"), &all, &many),
            Charge::new(Scope::shared("client"), &client, &few),
        ];
        failed += u32::from(limiter.check_all(&charges, Action::Consume).await.is_err());
    }
    assert!(failed > 0);
}
