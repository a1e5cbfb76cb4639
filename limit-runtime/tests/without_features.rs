//! What a build without the feature `redis` reports.
#![cfg(not(feature = "redis"))]
#![allow(clippy::unwrap_used, reason = "these are tests")]

use limit_runtime::Limiter;

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
