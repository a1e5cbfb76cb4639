//! Every error of the server is seen: at the start, in the health, and in the log.

use crate::protocols::Proxy;
use limit_runtime::{
    Limiter, limits,
    store::{ConnectError, Fallback},
};
use std::{
    io::{Read, Write},
    net::TcpListener,
    time::{Duration, Instant},
};
use test_support::{
    log::Log,
    remote::{is_down, trip, until},
    servers::{Cluster, Server, ask, free_port},
};

/// Connects as a user who may do all that these rules say.
async fn connect_as(server: &Server, rules: &str) -> Result<Limiter, ConnectError> {
    let said = ask(
        server.port(),
        &format!("ACL SETUSER limiter reset on >pass {rules}"),
    );
    assert!(said.unwrap().starts_with("+OK"), "{rules}");
    Limiter::connect(&format!("redis://limiter:pass@127.0.0.1:{}", server.port())).await
}

async fn check(limiter: &Limiter) {
    limiter.check(&limits!("5/minute"), "alice").await.unwrap();
}

fn last_error(limiter: &Limiter) -> String {
    let error = limiter.health().last_error;
    error.map(|error| error.to_string()).unwrap_or_default()
}

#[tokio::test]
async fn a_server_that_cannot_be_used_is_an_error_at_the_start_that_names_the_fix() {
    let server = Server::redis();
    for (rules, named) in [
        ("~* +@all -lindex", "grant the commands"),
        ("~* +@all -pexpire", "grant the commands"),
        ("~* +@all -eval", "grant the commands"),
        ("~* +@all -evalsha", "grant the commands"),
        ("~other:* +@all", "grant the commands"),
    ] {
        let error = connect_as(&server, rules).await.unwrap_err().to_string();
        assert!(error.contains(named), "{rules}: {error}");
        assert!(error.contains("the user lacks a permission"), "{error}");
    }
    connect_as(&server, "~* +@all -info").await.unwrap();
    let error = Limiter::connect(&format!("{}/99", server.url())).await;
    let error = error.unwrap_err().to_string();
    assert!(error.contains("number of a database"), "{error}");

    for command in ["EVAL", "EVALSHA", "RPUSH"] {
        let renamed = Server::redis_with(&["--rename-command", command, ""]);
        let error = Limiter::connect(&renamed.url()).await.unwrap_err();
        assert!(error.to_string().contains("`rename-command`"), "{error}");
    }
}

#[tokio::test]
async fn a_server_that_answers_that_it_cannot_be_used_is_an_error_that_names_the_fix() {
    let server = Server::redis();
    let protected = "-DENIED Redis is running in protected mode because no password is set\r\n";
    for (answers, named) in [
        (
            vec![("INFO", Some("$20\r\nredis_version:6.0.16\r\n"))],
            "the store is Redis 6.0.16, and the limiter needs Redis 6.2 or later",
        ),
        (
            vec![("INFO", Some("$19\r\nredis_mode:sentinel\r\n"))],
            "write `redis+sentinel://host:26379/master`",
        ),
        // As Valkey writes it.
        (
            vec![("INFO", Some("$19\r\nserver_mode:cluster\r\n"))],
            "write `redis+cluster://host1:6379,host2:6379`",
        ),
        (
            vec![("HELLO", Some(protected)), ("CLIENT", Some(protected))],
            "set a password in the server and write it in the URL",
        ),
    ] {
        let proxy = Proxy::start(server.port(), answers);
        let error = Limiter::connect(&proxy.url("")).await.unwrap_err();
        assert!(error.to_string().contains(named), "{error}");
    }
}

#[tokio::test]
async fn a_state_that_ends_by_itself_is_no_error_at_the_start() {
    let server = Server::redis();
    for state in [
        "-LOADING Redis is loading the dataset in memory\r\n",
        "-CLUSTERDOWN The cluster is down\r\n",
        "-MASTERDOWN Link with MASTER is down\r\n",
        "-TRYAGAIN Multiple keys request during rehashing of slot\r\n",
        "-BUSY Redis is busy running a script\r\n",
    ] {
        let answers = vec![("EVAL", Some(state)), ("EVALSHA", Some(state))];
        let proxy = Proxy::start(server.port(), answers);
        let limiter = Limiter::connect(&proxy.url("")).await.unwrap();
        for _ in 0..6 {
            check(&limiter).await;
        }
        assert!(is_down(&limiter), "{state}: {:?}", limiter.health());
        let (_, text) = state.trim().split_once(' ').unwrap();
        let error = last_error(&limiter);
        assert!(error.contains(text), "{state}: {error}");
    }
}

#[tokio::test]
async fn a_node_of_a_cluster_is_not_taken_for_one_server() {
    let cluster = Cluster::start(false);
    for node in &cluster.nodes {
        let error = Limiter::connect(&node.url()).await.unwrap_err();
        assert!(error.to_string().contains("redis+cluster://"), "{error}");
    }
    let server = Server::redis();
    let url = server.url().replace("redis://", "redis+cluster://");
    let error = Limiter::connect(&url).await;
    let shown = error.err().map(|error| error.to_string());
    assert!(
        shown
            .as_deref()
            .is_some_and(|text| text.contains("write `redis://")),
        "{shown:?}"
    );
}

#[tokio::test]
async fn a_server_that_turns_out_unusable_later_is_logged_as_an_error_and_shown_in_the_health() {
    let (log, _guard) = Log::capture_thread();
    let port = free_port();
    let url = format!("redis://127.0.0.1:{port}");
    let limiter = Limiter::connect(&url).await.unwrap();
    let _server = Server::redis_on(port, &["--requirepass", "right"]);
    until("the error is seen", || {
        last_error(&limiter).contains("check the user and password") || {
            let limiter = limiter.clone();
            tokio::spawn(async move { check(&limiter).await });
            false
        }
    })
    .await;
    assert!(is_down(&limiter));
    let (error, lines) = (last_error(&limiter), log.lines());
    let errors: Vec<_> = lines.iter().filter(|line| line.contains("ERROR")).collect();
    assert!(
        errors.iter().any(|line| line.contains(&error)),
        "{error}: {errors:?}"
    );
}

#[tokio::test]
async fn a_set_up_that_turns_out_wrong_during_an_outage_is_logged_as_an_error_too() {
    let (log, _guard) = Log::capture_thread();
    let port = free_port();
    let url = format!("redis://127.0.0.1:{port}");
    let limiter = Limiter::connect(&url).await.unwrap();
    trip(&limiter).await;
    let _server = Server::redis_on(port, &["--requirepass", "right"]);
    until("the error is seen", || {
        last_error(&limiter).contains("check the user and password")
    })
    .await;
    let error = last_error(&limiter);
    let lines = log.lines();
    let errors = lines.iter().filter(|line| line.contains("ERROR"));
    let errors: Vec<_> = errors.collect();
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(errors[0].contains(&error), "{error}: {errors:?}");
}

#[tokio::test]
async fn a_server_that_cannot_count_at_the_moment_is_no_error_at_the_start() {
    let replica = Server::redis();
    ask(
        replica.port(),
        &format!("REPLICAOF 127.0.0.1 {}", free_port()),
    )
    .unwrap();
    let lonely = Server::redis();
    ask(lonely.port(), "CONFIG SET min-replicas-to-write 1").unwrap();
    let full = Server::redis_with(&["--maxmemory", "1"]);
    // Redis 6.2 does not apply `min-replicas-to-write` to scripts, so it can count.
    let write = "EVAL \"return redis.call('INCR', KEYS[1])\" 1 x";
    let counts = ask(lonely.port(), write).unwrap().starts_with(':');
    let lonely = (!counts).then_some(lonely);
    for server in [Some(replica), lonely, Some(full)].into_iter().flatten() {
        let limiter = Limiter::connect(&server.url()).await.unwrap();
        check(&limiter).await;
        assert_eq!(limiter.health().answered, 0);
        ask(server.port(), "REPLICAOF NO ONE").unwrap();
        ask(server.port(), "CONFIG SET min-replicas-to-write 0").unwrap();
        ask(server.port(), "CONFIG SET maxmemory 0").unwrap();
        until("the server is used", || {
            limiter.health().answered > 0 || {
                let limiter = limiter.clone();
                tokio::spawn(async move { check(&limiter).await });
                false
            }
        })
        .await;
    }
}

#[tokio::test]
async fn a_permission_that_is_revoked_keeps_the_store_down_until_it_is_granted_again() {
    let server = Server::redis();
    let limiter = connect_as(&server, "~* +@all").await.unwrap();
    check(&limiter).await;
    // The probe of the circuit breaker does not need it.
    ask(server.port(), "ACL SETUSER limiter -lrange").unwrap();
    while !is_down(&limiter) {
        check(&limiter).await;
    }
    for _ in 0..60 {
        check(&limiter).await;
        assert!(is_down(&limiter), "{:?}", limiter.health());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(limiter.health().outages, 1);
    ask(server.port(), "ACL SETUSER limiter +lrange").unwrap();
    until("the store is used again", || !is_down(&limiter)).await;
}

#[tokio::test]
async fn each_error_while_running_opens_the_circuit_breaker_and_shows_in_the_health() {
    let server = Server::redis();
    let port = server.port();
    for (name, rules) in [
        ("a permission", "-evalsha"),
        ("a permission in the script", "-rpush -get -set"),
        ("the password", "resetpass >other"),
        ("the user", "off"),
    ] {
        let limiter = connect_as(&server, "~* +@all").await.unwrap();
        check(&limiter).await;
        assert!(!is_down(&limiter), "{:?}", limiter.health());
        ask(port, &format!("ACL SETUSER limiter {rules}")).unwrap();
        if rules.starts_with('-') {
            // Permissions hold for open connections, too.
        } else {
            ask(port, "CLIENT KILL USER limiter").unwrap();
        }
        until(name, || {
            is_down(&limiter) || {
                let limiter = limiter.clone();
                tokio::spawn(async move { check(&limiter).await });
                false
            }
        })
        .await;
        let health = limiter.health();
        assert!(
            health.last_error.is_some() && health.failed > 0,
            "{name}: {health:?}"
        );
        // It is used again once this is mended.
        ask(port, "ACL SETUSER limiter reset on >pass ~* +@all").unwrap();
        until("the store is used again", || !is_down(&limiter)).await;
    }
}

/// A server that answers everything with these bytes.
fn answering(answer: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            std::thread::spawn(move || {
                let mut request = [0; 4096];
                while stream.read(&mut request).is_ok_and(|length| length > 0) {
                    if stream.write_all(answer).is_err() {
                        return;
                    }
                }
            });
        }
    });
    format!("redis://127.0.0.1:{port}")
}

#[tokio::test]
async fn errors_of_a_proxy_and_garbled_replies_are_outages() {
    for answer in [
        &b"-ERR upstream failure\r\n"[..],
        b"-ERR upstream failure\r\n-ERR upstream failure\r\n-ERR upstream failure\r\n",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b":1\r\n:1\r\n:1\r\n:1\r\n",
        b"+OK\r\n+OK\r\n+OK\r\n+OK\r\n",
    ] {
        let Ok(limiter) = Limiter::connect(&answering(answer)).await else {
            // An error at the start is seen as well.
            continue;
        };
        for _ in 0..6 {
            check(&limiter).await;
        }
        assert!(is_down(&limiter), "{:?}", limiter.health());
        assert!(limiter.health().last_error.is_some());
        let limits = limits!("5/minute");
        let strict = limiter.check(&limits, "bob").on_store_error(Fallback::Deny);
        assert!(strict.await.is_err());
    }
}

#[tokio::test]
async fn a_key_of_another_type_fails_its_own_requests_alone() {
    let (log, _guard) = Log::capture_thread();
    let server = Server::redis();
    let limiter = Limiter::connect(&server.url()).await.unwrap();
    let name = limiter.describe_key("", "alice").unwrap();
    ask(server.port(), &format!("SET {name}:m60000 x")).unwrap();
    for _ in 0..20 {
        check(&limiter).await;
        let other = limiter.check(&limits!("100/minute"), "bob");
        assert!(other.await.unwrap().is_allowed());
    }
    let health = limiter.health();
    assert!(!is_down(&limiter), "{health:?}");
    // Five were admitted by the local counts, which refuse the rest.
    assert_eq!(health.fallbacks, 5, "{health:?}");
    assert!(health.last_error.unwrap().contains("WRONGTYPE"));
    let lines = log.lines();
    let errors = lines.iter().filter(|line| line.contains("ERROR"));
    assert_eq!(errors.count(), 1, "{lines:?}");
}

#[tokio::test]
async fn a_store_that_flaps_is_logged_once_a_minute() {
    let (log, _guard) = Log::capture_thread();
    let server = Server::redis();
    let limiter = Limiter::connect(&server.url()).await.unwrap();
    for _ in 0..3 {
        server.kill();
        until("the circuit breaker is open", || {
            is_down(&limiter) || {
                let limiter = limiter.clone();
                tokio::spawn(async move { check(&limiter).await });
                false
            }
        })
        .await;
        server.restart();
        until("the store is used again", || !is_down(&limiter)).await;
    }
    assert_eq!(limiter.health().outages, 3);
    let lines = log.lines();
    let count = |text: &str| lines.iter().filter(|line| line.contains(text)).count();
    assert_eq!(count("rate-limit store unavailable"), 1, "{lines:?}");
    assert_eq!(count("rate-limit store available again"), 1, "{lines:?}");
}

#[tokio::test]
async fn a_master_of_a_cluster_that_is_down_is_logged_once_at_most() {
    let cluster = Cluster::start(false);
    for node in &cluster.nodes {
        // Otherwise the other nodes refuse all commands while one is down.
        ask(node.port(), "CONFIG SET cluster-require-full-coverage no").unwrap();
    }
    let (log, _guard) = Log::capture_thread();
    let limiter = Limiter::connect(&cluster.url()).await.unwrap();
    let check_many_keys = async || {
        let before = limiter.health();
        for key in 0..60 {
            let limits = limits!("1000/minute");
            limiter.check(&limits, key).await.unwrap();
        }
        let after = limiter.health();
        (
            after.answered - before.answered,
            after.failed - before.failed,
        )
    };
    let all_are_answered = async || {
        let start = Instant::now();
        while check_many_keys().await != (60, 0) {
            assert!(
                start.elapsed() < Duration::from_secs(20),
                "{:?}",
                limiter.health()
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    all_are_answered().await;
    cluster.nodes[2].kill();
    let start = Instant::now();
    // A third of the keys fails. The circuit breaker may open and close several times.
    while start.elapsed() < Duration::from_secs(2) {
        check_many_keys().await;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(limiter.health().failed > 0);
    cluster.nodes[2].restart();
    all_are_answered().await;
    let lines = log.lines();
    let count = |text: &str| lines.iter().filter(|line| line.contains(text)).count();
    let begins = count("rate-limit store unavailable");
    assert!(begins <= 1, "{lines:?}");
    assert_eq!(
        count("rate-limit store available again"),
        begins,
        "{lines:?}"
    );
}
