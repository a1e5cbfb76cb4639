//! A request, a runtime or a key that fails harms no other request.

use limit_runtime::{
    Decision, IntoKey, Limiter, Limits, limits,
    store::{Action, Charge, Scope, Store, StoreError, redis::RedisStore},
};
use std::{
    future::{Future, IntoFuture},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Waker},
    time::Duration,
};
use test_support::{
    proxy::Proxy,
    remote::{until, until_async},
    servers::{Server, ask, patient},
};

#[test]
fn runtimes_that_end_in_the_middle_of_checks_leave_nothing_behind() {
    let server = Server::redis();
    let proxy = Proxy::to(server.port());
    let runtime = || {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap()
    };
    let limiter = runtime().block_on(patient(&proxy.url()));
    let limits = limits!("1_000_000/minute");
    for round in 0..40_u32 {
        // In half of the rounds the checks are on the way, in the others they have just begun.
        proxy.withhold_replies(true);
        let short = runtime();
        for task in 0..64_u32 {
            let limiter = limiter.clone();
            short.spawn(async move { limiter.check(&limits, task).await.map(drop) });
        }
        if round % 2 == 0 {
            short.block_on(async { tokio::time::sleep(Duration::from_millis(3)).await });
        }
        drop(short);
        proxy.withhold_replies(false);
    }
    let before = limiter.health();
    runtime().block_on(async {
        for key in 0..40_u32 {
            limiter.check(&limits, key).await.unwrap();
        }
    });
    let after = limiter.health();
    assert_eq!(after.answered - before.answered, 40);
    assert_eq!(
        (after.failed, after.fallbacks),
        (before.failed, before.fallbacks)
    );
}

#[test]
fn a_limiter_works_in_several_runtimes_at_once() {
    let server = Server::redis();
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let limiter = runtime().block_on(patient(&server.url()));
    let threads: Vec<_> = (0..4_u32)
        .map(|thread| {
            let limiter = limiter.clone();
            std::thread::spawn(move || {
                runtime().block_on(async {
                    let limits = limits!("1_000_000/minute");
                    let checks = (0..200_u32).map(|key| limiter.check(&limits, (thread, key)));
                    let checks = checks.map(IntoFuture::into_future);
                    let decisions = futures_util::future::join_all(checks).await;
                    // The connection may end with the runtime that has opened it, so only the
                    // first of them is sure to get all answers.
                    decisions.iter().filter(|decision| decision.is_ok()).count()
                })
            })
        })
        .collect();
    let answered: Vec<_> = threads.into_iter().map(|it| it.join().unwrap()).collect();
    assert!(answered.contains(&200), "{answered:?}");
    let limits = limits!("1_000_000/minute");
    let check = || limiter.check(&limits, "last");
    runtime().block_on(async {
        // The calls that ended with their runtimes may have opened the circuit breaker.
        until_async("the store is asked again", async || check().await.is_ok()).await;
        assert!(check().await.unwrap().is_allowed());
    });
}

/// Checks 150 keys at once, which are more than one call has room for.
async fn check_each_key(
    store: &RedisStore,
    scope: Scope<'_>,
    limits: &Limits,
) -> Vec<Result<Decision, StoreError>> {
    let checks = (0..150_u32).map(|key| async move {
        let key = key.into_key();
        let charge = Charge::new(scope, &key, limits);
        store.check(&[charge], Action::Consume).await
    });
    futures_util::future::join_all(checks).await
}

#[tokio::test]
async fn a_key_of_another_type_fails_only_its_own_checks() {
    let server = Server::redis();
    let store = RedisStore::new(&server.url()).unwrap();
    let scope = Scope::shared("isolation");
    let limits = limits!("9/minute");
    let bad = 17_u32.into_key();
    let name = store.describe_key(scope, &bad).unwrap();
    assert!(
        ask(server.port(), &format!("SET {name}:m60000 x"))
            .unwrap()
            .starts_with("+OK")
    );
    let two_limits = limits!("9/minute; 20/hour");
    for limits in [limits, two_limits] {
        let results = check_each_key(&store, scope, &limits).await;
        for (key, result) in results.iter().enumerate() {
            match result {
                Ok(decision) => assert!(decision.is_allowed() && key != 17),
                Err(error) => {
                    assert_eq!(key, 17, "{error}");
                    assert!(error.to_string().contains("WRONGTYPE"), "{error}");
                }
            }
        }
        assert!(results[17].is_err());
    }
}

#[tokio::test]
async fn a_list_that_the_limiter_did_not_write_fails_only_its_own_checks() {
    let server = Server::redis();
    let store = RedisStore::new(&server.url()).unwrap();
    let scope = Scope::shared("isolation");
    let limits = limits!("9/minute");
    for (bad, entries) in [
        (17_u32, "0123456789 0123456789 0123456789"),
        (18, "1 2 3 4"),
    ] {
        let name = store.describe_key(scope, &bad.into_key()).unwrap();
        ask(server.port(), &format!("RPUSH {name}:m60000 {entries}")).unwrap();
    }
    let results = check_each_key(&store, scope, &limits).await;
    let failed = results
        .iter()
        .enumerate()
        .filter(|(_, result)| result.is_err());
    let failed: Vec<_> = failed.map(|(key, _)| key).collect();
    assert_eq!(failed, [17, 18]);
}

#[test]
fn a_runtime_that_ends_opens_no_circuit_breaker() {
    let server = Server::redis();
    let proxy = Proxy::to(server.port());
    let runtime = |threads| {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder
            .worker_threads(threads)
            .enable_all()
            .build()
            .unwrap()
    };
    let main = runtime(2);
    let limiter = main.block_on(patient(&proxy.url()));
    let limits = limits!("1_000_000/minute");
    main.block_on(async { limiter.check(&limits, "first").await.unwrap() });
    proxy.set_round_trip(Duration::from_millis(4), Duration::ZERO);
    let stop = Arc::new(AtomicBool::new(false));
    for task in 0..64_u32 {
        let (limiter, stop) = (limiter.clone(), stop.clone());
        main.spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                let _ = limiter.check(&limits, task).await;
            }
        });
    }
    // Its tasks send checks of the other runtime together with their own.
    for _ in 0..60 {
        let short = runtime(1);
        for task in 0..32_u32 {
            let limiter = limiter.clone();
            short.spawn(async move { limiter.check(&limits, (1_u32, task)).await.map(drop) });
        }
        short.block_on(async { tokio::time::sleep(Duration::from_millis(2)).await });
        drop(short);
    }
    stop.store(true, Ordering::Relaxed);
    assert_eq!(limiter.health().outages, 0, "{:?}", limiter.health());
}

/// Checks leave although no reply to earlier ones has arrived.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checks_do_not_wait_for_the_replies_to_others() {
    let server = Server::redis();
    let proxy = Proxy::to(server.port());
    let limiter = patient(&proxy.url()).await;
    let limits = limits!("9/minute");
    // The server has the script.
    limiter.check(&limits, "first").await.unwrap();
    proxy.withhold_replies(true);
    let mut checks = Vec::new();
    for wave in 1..=5_u32 {
        for task in 0..64_u32 {
            let limiter = limiter.clone();
            checks.push(tokio::spawn(async move {
                limiter.check(&limits, (wave, task)).await.map(drop)
            }));
        }
        // Beside them, those of the first check and of the windows in use.
        let keys = format!(":{}\r", 2 + 64 * wave);
        until("the checks of this wave arrive", || {
            ask(server.port(), "DBSIZE").is_some_and(|size| size.starts_with(&keys))
        })
        .await;
    }
    proxy.withhold_replies(false);
    for check in checks {
        check.await.unwrap().unwrap();
    }
    assert_eq!(limiter.health().fallbacks, 0);
}

/// A check that is dropped before it was answered is not counted, or given back.
#[tokio::test]
async fn checks_that_are_dropped_do_not_count() {
    let server = Server::redis();
    let limiter: Limiter = patient(&server.url()).await;
    let limits = limits!("1_000/minute");
    let check = || limiter.check(&limits, "alice").into_future();
    check().await.unwrap();
    {
        let mut checks: Vec<_> = (0..50).map(|_| Box::pin(check())).collect();
        for check in &mut checks {
            let mut context = Context::from_waker(Waker::noop());
            assert!(check.as_mut().poll(&mut context).is_pending());
        }
    }
    until_async("no dropped check counts", async || {
        let peek = limiter.check(&limits, "alice").peek().await.unwrap();
        peek.outcomes()[0].remaining() == 999
    })
    .await;
}
