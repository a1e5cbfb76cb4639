//! The page and the lists.

use crate::{app, json};
use http::StatusCode;

#[tokio::test]
async fn the_json_is_that_of_the_limiter() {
    let app = app();
    for _ in 0..3 {
        app.get("/address").await;
    }
    let stats = app.get("/limits/stats.json").await;
    assert_eq!(stats.status, StatusCode::OK);
    assert_eq!(stats.header("content-type"), Some("application/json"));
    assert_eq!(stats.header("cache-control"), Some("no-store"));
    let expected = serde_json::to_value(app.limiter.stats()).unwrap();
    assert_eq!(json(&stats), expected);
    assert_eq!(expected["endpoints"]["/address"]["limited"], 1);

    let limits = json(&app.get("/limits/limits.json").await);
    assert_eq!(
        limits,
        serde_json::to_value(app.limiter.policies()).unwrap()
    );
    let mut names = limits
        .as_array()
        .unwrap()
        .iter()
        .map(|policy| &policy["policy"]);
    assert!(names.any(|name| name == "outer"), "{limits}");
}

#[tokio::test]
async fn the_page_allows_only_its_own_style_and_script() {
    let app = app();
    let (first, second) = (app.get("/limits").await, app.get("/limits").await);
    assert_eq!(first.status, StatusCode::OK);
    assert_eq!(
        first.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    let policy = first.header("content-security-policy").unwrap();
    let (_, nonce) = policy.split_once("script-src 'nonce-").unwrap();
    let (nonce, _) = nonce.split_once('\'').unwrap();
    for part in [
        "default-src 'none'",
        "connect-src 'self'",
        "frame-ancestors 'none'",
    ] {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(first.body.matches(nonce).count(), 2);
    assert!(!first.body.contains("{nonce}") && !second.body.contains(nonce));
}

#[tokio::test]
async fn other_paths_and_methods_are_refused() {
    let app = app();
    assert_eq!(
        app.get("/limits/key").await.status,
        StatusCode::METHOD_NOT_ALLOWED
    );
    assert_eq!(app.get("/limits/other").await.status, StatusCode::NOT_FOUND);
}
