//! Sentinels with credentials and TLS of their own.

use crate::{tls::Files, topologies::counts};
use limit_runtime::Limiter;
use test_support::servers::{Server, ask, free_port, patient};

async fn never_answers(url: &str) {
    if let Ok(limiter) = Limiter::connect(url).await {
        let limits = limit_runtime::limits!("9/minute");
        limiter.check(&limits, "bob").await.unwrap();
        assert_eq!(limiter.health().answered, 0, "{url}");
    }
}

#[tokio::test]
async fn sentinels_have_a_user_and_a_password_of_their_own() {
    let master = Server::redis_with(&["--requirepass", "of@master"]);
    let sentinel = Server::sentinel_with(
        master.port(),
        "sentinel auth-pass main of@master\nrequirepass of/sentinel\n\
         user scout on >of?scout ~* &* +@all",
    );
    let hosts = format!("127.0.0.1:{}/main", sentinel.port());
    for (user, parameters) in [
        (":of%40master@", "sentinel-password=of%2Fsentinel"),
        (
            "default:of%40master@",
            "sentinel-user=scout&sentinel-password=of%3Fscout",
        ),
    ] {
        let url = format!("redis+sentinel://{user}{hosts}?{parameters}");
        let limiter = patient(&url).await;
        counts(&limiter).await;
        limiter.reset_all().await.unwrap();
    }
    // The password of the master is not that of the Sentinels.
    for url in [
        format!("redis+sentinel://:of%40master@{hosts}"),
        format!("redis+sentinel://:of%40master@{hosts}?sentinel-password=wrong"),
        format!("redis+sentinel://{hosts}?sentinel-password=of%2Fsentinel"),
    ] {
        let error = Limiter::connect(&url).await.unwrap_err().to_string();
        assert!(error.contains("refused the connection"), "{error}");
        assert!(
            error.contains("?sentinel-user=user&sentinel-password="),
            "{error}"
        );
    }
}

#[tokio::test]
async fn hosts_and_names_that_are_not_those_of_sentinels_are_named() {
    let master = Server::redis();
    let sentinel = Server::sentinel(master.port());
    let url = format!("redis+sentinel://127.0.0.1:{}/main", master.port());
    let error = Limiter::connect(&url).await.unwrap_err().to_string();
    assert!(
        error.contains("a server in the URL is no Sentinel"),
        "{error}"
    );
    assert!(
        error.contains("redis+sentinel://host:26379/master"),
        "{error}"
    );
    let url = format!("redis://127.0.0.1:{}", sentinel.port());
    let error = Limiter::connect(&url).await.unwrap_err().to_string();
    assert!(error.contains("the server is a Sentinel"), "{error}");
    // A master that is down is not named either, so this is no error at the start.
    let url = format!("redis+sentinel://127.0.0.1:{}/other", sentinel.port());
    let limiter = Limiter::connect(&url).await.unwrap();
    let limits = limit_runtime::limits!("9/minute");
    limiter.check(&limits, "bob").await.unwrap();
    let error = limiter.health().last_error.unwrap();
    assert!(
        error.contains("the name is that in `sentinel monitor`"),
        "{error}"
    );
}

#[tokio::test]
async fn sentinels_and_master_can_differ_in_tls() {
    let files = Files::make();
    let options = |port: u16| -> String {
        let options = files.options(port, "no");
        let line = |pair: &[String]| {
            let (name, value) = (pair[0].trim_start_matches('-'), &pair[1]);
            format!("{name} \"{value}\"\n")
        };
        options.chunks(2).map(line).collect()
    };
    let tls_port = free_port();
    let ca = files.encoded("ca.pem");
    let master = Server::redis();
    let _sentinel = Server::sentinel_with(master.port(), &options(tls_port));
    let url = format!("redis+sentinel://127.0.0.1:{tls_port}/main");
    let limiter = patient(&format!("{url}?sentinel-tls=true&tls-ca={ca}")).await;
    counts(&limiter).await;
    never_answers(&url).await;
    // And the other way round: the master has TLS only.
    let (server, port) = files.server("no");
    let options = format!("tls-replication yes\n{}", options(free_port()));
    let sentinel = Server::sentinel_with(port, &options);
    let url = format!("rediss+sentinel://127.0.0.1:{}/main", sentinel.port());
    let limiter = patient(&format!("{url}?sentinel-tls=false&tls-ca={ca}")).await;
    counts(&limiter).await;
    assert!(ask(server.port(), "DBSIZE").unwrap().starts_with(':'));
}
