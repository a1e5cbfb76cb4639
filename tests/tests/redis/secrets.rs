//! No part of a secret is in an error or in the log.

use limit_runtime::{
    Limiter, limits,
    store::{Fallback, redis::RedisStore},
};
use std::time::Duration;
use test_support::{
    log::Log,
    servers::{Server, free_port},
};

/// Secrets with characters that a URL encodes, and without.
const SECRETS: [&str; 12] = [
    "Zx7Kq2Vw9",
    "p@Zx7K:w/Kq2V?rVw9T#dTy5R",
    "Zx7K@Kq2V",
    "Zx7K/Kq2V",
    "Zx7K?Kq2V",
    "Zx7K#Kq2V",
    "Zx7K:Kq2V",
    "Zx7K&Kq2V=Vw9T",
    "Zx7K,Kq2V",
    "Zx7K%Kq2V",
    "Zx7K]Kq2V[Vw9T",
    "Zx7K Kq2V\u{e9}Vw9T",
];

const SCHEMES: [&str; 9] = [
    "redis",
    "rediss",
    "redis+unix",
    "redis+cluster",
    "rediss+cluster",
    "redis+sentinel",
    "rediss+sentinel",
    "valkey",
    "rdis",
];

/// URLs that have the secret in one of their parts. `{}` is its place.
const URLS: [&str; 35] = [
    "://:{}@HOST",
    "://user:{}@HOST/0",
    "://{}:password@HOST/0",
    "://{}@HOST/main/0",
    "://:{}@HOST,HOST/main",
    "://HOST,:{}@HOST/main",
    "://:{}@HOST/main/zero",
    "://:{}@HOST/main?timeout=3",
    "://:{}@HOST?protocol=4",
    "://:{}@HOST/main?tls-ca=/none/ca.pem",
    "://:{}@HOST/main?tls-cert=/none/cert.pem",
    "://:{}@HOST:port",
    "://:{}@:6379",
    "://:{}@[HOST]/0",
    "://:{}@",
    "://:{}",
    "://user:{}",
    "://user:{}/0",
    "://:{}#HOST",
    "://HOST/0/{}",
    "://HOST/main?{}",
    "://HOST/main?pass={}",
    "://HOST/main?password={}&db=x",
    "://HOST/main?sentinel-password={}",
    "://HOST/main?sentinel-password={}&sentinel-tls=perhaps",
    "://HOST/main?sentinel-user={}&sentinel-user={}",
    "://HOST/main#{}",
    ":///run/none.sock?pass={}",
    ":///run/none.sock?user=u&pass={}&db=zero",
    "://:{}@/run/none.sock",
    "://:{}@HOST/run/none.sock?pass={}",
    "//:{}@HOST",
    ":/:{}@HOST",
    ":{}@HOST",
    "",
];

/// The parts of a secret that must not be seen: four characters and more.
fn parts(secret: &str) -> Vec<String> {
    let parts = secret.split(|c: char| !c.is_ascii_alphanumeric());
    let parts = parts.flat_map(|part| {
        let part: Vec<char> = part.chars().collect();
        part.windows(4).map(String::from_iter).collect::<Vec<_>>()
    });
    parts.collect()
}

fn assert_hidden(secret: &str, text: &str, url: &str, place: &str) {
    for part in parts(secret) {
        assert!(
            !text.contains(&part),
            "`{part}` in {place} of {url}: {text}"
        );
    }
}

#[test]
fn the_parts_of_a_secret_are_its_words() {
    assert_eq!(parts("p@Zx7K:w/Kq2Vw"), ["Zx7K", "Kq2V", "q2Vw"]);
}

#[tokio::test]
async fn no_error_and_no_line_of_the_log_has_a_part_of_a_secret() {
    let (log, _guard) = Log::capture_thread();
    let host = format!("127.0.0.1:{}", free_port());
    for scheme in SCHEMES {
        for form in URLS {
            for secret in SECRETS {
                let encoded = encode(secret);
                for written in [secret, &encoded] {
                    let url = format!("{scheme}{form}").replace("HOST", &host);
                    if is_a_host(form, written) {
                        continue;
                    }
                    let url = match form {
                        "" => format!("{written}:{written}@{host}"),
                        _ => url.replace("{}", written),
                    };
                    match RedisStore::new(&url) {
                        Ok(store) => {
                            let shown = format!("{store:?}");
                            assert_hidden(secret, &shown, &url, "the store");
                        }
                        Err(error) => {
                            let shown = format!("{error} {error:?}");
                            assert_hidden(secret, &shown, &url, "the error");
                        }
                    }
                    let builder = Limiter::builder().remote(&url);
                    let shown = format!("{builder:?}");
                    assert_hidden(secret, &shown, &url, "the builder");
                    let variables = [("RATE_LIMIT_STORE", &url)];
                    // Only what fails at once: the others wait for servers.
                    if RedisStore::new(&url).is_err() {
                        let error = Limiter::from_variables(variables).await.unwrap_err();
                        let shown = format!("{error} {error:?}");
                        assert_hidden(secret, &shown, &url, "the variable");
                    }
                    assert_hidden(secret, &log.text(), &url, "the log");
                }
            }
        }
    }
}

/// Whether a URL without a host, but with a password that has an `@`, looks like one with a host.
fn is_a_host(form: &str, written: &str) -> bool {
    match form {
        "://:{}" | "://user:{}" | "://user:{}/0" => {
            written.contains('@') && !written.contains(['/', '#'])
        }
        _ => false,
    }
}

/// Connects where nothing listens, and where the server refuses.
#[tokio::test]
async fn no_failed_connection_shows_a_part_of_a_secret() {
    let (log, _guard) = Log::capture_thread();
    let server = Server::redis_with(&["--requirepass", "right"]);
    let closed = free_port();
    let [first, .., last] = SECRETS;
    for secret in [first, last, SECRETS[1]] {
        let encoded = encode(secret);
        for port in [server.port(), closed] {
            let host = format!("127.0.0.1:{port}");
            for url in [
                format!("redis://:{encoded}@{host}"),
                format!("redis://{encoded}:{encoded}@{host}?protocol=2"),
                format!("redis+unix:///run/none.sock?user={encoded}&pass={encoded}"),
                format!("rediss://:{encoded}@{host}"),
                format!("redis+cluster://{encoded}:{encoded}@{host},{host}"),
                format!("redis+sentinel://:{encoded}@{host}/main?sentinel-password={encoded}"),
            ] {
                let builder = Limiter::builder().remote(&url).key_secret(secret);
                let builder = builder.store_deadline(Duration::from_millis(200));
                let mut shown = format!("{builder:?}");
                match builder.fallback(Fallback::Deny).connect().await {
                    Ok(limiter) => {
                        let error = limiter.check(&limits!("1/minute"), "alice").await;
                        shown += &format!("{limiter:?} {:?} {error:?}", limiter.health());
                        shown += &format!("{:?}", limiter.reset_key("", "alice").await);
                        shown += &format!("{:?}", limiter.reset_all().await);
                    }
                    Err(error) => shown += &format!("{error} {error:?}"),
                }
                assert_hidden(secret, &shown, &url, "an error");
                assert_hidden(secret, &log.text(), &url, "the log");
            }
        }
    }
}

/// Percent-encodes everything but letters and digits.
fn encode(text: &str) -> String {
    let encode = |byte: u8| match byte {
        byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}
