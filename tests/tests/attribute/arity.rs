//! From no argument to sixteen.

#![expect(clippy::too_many_arguments, reason = "that is what is tested")]

use crate::common::{get, third_is_429};
use http::{HeaderMap, Method, Uri, Version};
use limit_runtime::rate_limit;

#[tokio::test]
async fn zero() {
    #[rate_limit("2/minute")]
    async fn handler() {}
    third_is_429(handler, get).await;
}

#[tokio::test]
async fn one() {
    #[rate_limit("2/minute")]
    async fn handler(_: Method) {}
    third_is_429(handler, get).await;
}

#[tokio::test]
async fn two() {
    #[rate_limit("2/minute")]
    async fn handler(_: Method, _: Uri) {}
    third_is_429(handler, get).await;
}

#[tokio::test]
async fn three() {
    #[rate_limit("2/minute")]
    async fn handler(_: Method, _: Uri, _: Version) {}
    third_is_429(handler, get).await;
}

#[tokio::test]
async fn four() {
    #[rate_limit("2/minute")]
    async fn handler(_: Method, _: Uri, _: Version, _: HeaderMap) {}
    third_is_429(handler, get).await;
}

#[tokio::test]
async fn five() {
    #[rate_limit("2/minute")]
    async fn handler(_: Method, _: Uri, _: Version, _: HeaderMap, _: Method) {}
    third_is_429(handler, get).await;
}

#[tokio::test]
async fn six() {
    #[rate_limit("2/minute")]
    async fn handler(_: Method, _: Uri, _: Version, _: HeaderMap, _: Method, _: Uri) {}
    third_is_429(handler, get).await;
}

#[tokio::test]
async fn seven() {
    #[rate_limit("2/minute")]
    async fn handler(_: Method, _: Uri, _: Version, _: HeaderMap, _: Method, _: Uri, _: Version) {}
    third_is_429(handler, get).await;
}

#[tokio::test]
async fn eight() {
    #[rate_limit("2/minute")]
    async fn handler(
        _: Method,
        _: Uri,
        _: Version,
        _: HeaderMap,
        _: Method,
        _: Uri,
        _: Version,
        _: HeaderMap,
    ) {
    }
    third_is_429(handler, get).await;
}

#[tokio::test]
async fn nine() {
    #[rate_limit("2/minute")]
    async fn handler(
        _: Method,
        _: Uri,
        _: Version,
        _: HeaderMap,
        _: Method,
        _: Uri,
        _: Version,
        _: HeaderMap,
        _: Method,
    ) {
    }
    third_is_429(handler, get).await;
}

#[tokio::test]
async fn ten() {
    #[rate_limit("2/minute")]
    async fn handler(
        _: Method,
        _: Uri,
        _: Version,
        _: HeaderMap,
        _: Method,
        _: Uri,
        _: Version,
        _: HeaderMap,
        _: Method,
        _: Uri,
    ) {
    }
    third_is_429(handler, get).await;
}

#[tokio::test]
async fn eleven() {
    #[rate_limit("2/minute")]
    async fn handler(
        _: Method,
        _: Uri,
        _: Version,
        _: HeaderMap,
        _: Method,
        _: Uri,
        _: Version,
        _: HeaderMap,
        _: Method,
        _: Uri,
        _: Version,
    ) {
    }
    third_is_429(handler, get).await;
}

#[tokio::test]
async fn twelve() {
    #[rate_limit("2/minute")]
    async fn handler(
        _: Method,
        _: Uri,
        _: Version,
        _: HeaderMap,
        _: Method,
        _: Uri,
        _: Version,
        _: HeaderMap,
        _: Method,
        _: Uri,
        _: Version,
        _: HeaderMap,
    ) {
    }
    third_is_429(handler, get).await;
}

#[tokio::test]
async fn thirteen() {
    #[rate_limit("2/minute")]
    async fn handler(
        _: Method,
        _: Uri,
        _: Version,
        _: HeaderMap,
        _: Method,
        _: Uri,
        _: Version,
        _: HeaderMap,
        _: Method,
        _: Uri,
        _: Version,
        _: HeaderMap,
        _: Method,
    ) {
    }
    third_is_429(handler, get).await;
}

#[tokio::test]
async fn fourteen() {
    #[rate_limit("2/minute")]
    async fn handler(
        _: Method,
        _: Uri,
        _: Version,
        _: HeaderMap,
        _: Method,
        _: Uri,
        _: Version,
        _: HeaderMap,
        _: Method,
        _: Uri,
        _: Version,
        _: HeaderMap,
        _: Method,
        _: Uri,
    ) {
    }
    third_is_429(handler, get).await;
}

#[tokio::test]
async fn fifteen() {
    #[rate_limit("2/minute")]
    async fn handler(
        _: Method,
        _: Uri,
        _: Version,
        _: HeaderMap,
        _: Method,
        _: Uri,
        _: Version,
        _: HeaderMap,
        _: Method,
        _: Uri,
        _: Version,
        _: HeaderMap,
        _: Method,
        _: Uri,
        _: Version,
    ) {
    }
    third_is_429(handler, get).await;
}

#[tokio::test]
async fn sixteen() {
    #[rate_limit("2/minute")]
    async fn handler(
        _: Method,
        _: Uri,
        _: Version,
        _: HeaderMap,
        _: Method,
        _: Uri,
        _: Version,
        _: HeaderMap,
        _: Method,
        _: Uri,
        _: Version,
        _: HeaderMap,
        _: Method,
        _: Uri,
        _: Version,
        _: HeaderMap,
    ) {
    }
    third_is_429(handler, get).await;
}
