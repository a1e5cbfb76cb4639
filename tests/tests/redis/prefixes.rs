//! The prefix of keys.

use limit_runtime::{
    IntoKey, Limiter,
    store::{ConnectError, Scope, Store, redis::RedisStore},
};
use test_support::{log::Log, servers::free_port};

const REFUSED: [(&str, &str); 5] = [
    ("{app}", "{app}"),
    ("app}", "app}"),
    ("a{b", "a{b"),
    ("", ""),
    ("a\nb", r"a\nb"),
];

#[tokio::test]
async fn a_prefix_that_is_not_allowed_is_an_error() {
    let url = format!("redis://127.0.0.1:{}", free_port());
    for (prefix, shown) in REFUSED {
        let builder = Limiter::builder().remote(&url).key_prefix(prefix);
        let error = builder.connect().await.unwrap_err();
        assert!(matches!(error, ConnectError::KeyPrefix { .. }), "{error}");
        assert_eq!(
            error.to_string(),
            format!(
                "the prefix of keys is `{shown}`; allowed: at least one character, and neither \
                 `{{` and `}}` nor control characters, such as `inference`"
            )
        );
    }
}

#[tokio::test]
async fn a_store_replaces_characters_that_are_not_allowed_in_a_prefix() {
    let (log, _guard) = Log::capture_thread();
    let key = "alice".into_key();
    for ((prefix, shown), used) in REFUSED
        .into_iter()
        .zip(["_app_", "app_", "a_b", "limit", "a_b"])
    {
        let store = RedisStore::new("redis://cache").unwrap().key_prefix(prefix);
        let name = store.describe_key(Scope::shared(""), &key).unwrap();
        assert!(name.starts_with(&format!("{used}:{{")), "{name}");
        let line = log.text();
        assert!(line.contains("WARN") && line.contains(used), "{line}");
        assert!(line.contains(&format!("prefix={shown}")), "{line}");
    }
    let store = RedisStore::new("redis://cache").unwrap().key_prefix("a:b");
    let name = store.describe_key(Scope::shared(""), &key).unwrap();
    assert!(name.starts_with("a:b:{"), "{name}");
    assert_eq!(log.text(), "");
}
