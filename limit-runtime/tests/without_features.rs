//! What a build without the features of stores reports.
#![allow(clippy::unwrap_used, reason = "these are tests")]

#[cfg(not(all(feature = "memcached", feature = "redis")))]
use limit_runtime::Limiter;

#[cfg(not(feature = "memcached"))]
#[tokio::test]
async fn a_memcached_url_names_the_feature_that_is_off() {
    let error = Limiter::connect("memcached://a,b").await.unwrap_err();
    let error = error.to_string();
    assert!(error.contains("features = [\"memcached\"]"), "{error}");
}

#[cfg(not(feature = "redis"))]
#[tokio::test]
async fn a_redis_url_names_the_feature_that_is_off() {
    for url in [
        "redis://127.0.0.1",
        "rediss://127.0.0.1",
        "redis+cluster://a,b",
    ] {
        let error = Limiter::connect(url).await.unwrap_err().to_string();
        assert!(error.contains("feature"), "{error}");
        assert!(error.contains("`redis`"), "{error}");
    }
}
