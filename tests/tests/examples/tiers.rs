//! Tiers by API key, and a client that is upgraded.

use crate::api::{Answer, Api, answer};
use reqwest::Method;
use serde_json::json;

async fn ask(api: &Api, model: &str, key: &str) -> Answer {
    let path = format!("/models/{model}/language");
    let request = api.request(Method::POST, &path).header("x-api-key", key);
    let text = json!({ "text": "vernünftig und brüderlich begegnen" });
    answer(request.json(&text)).await
}

async fn set_tier(api: &Api, client: &str, tier: &str, key: &str) -> Answer {
    let path = format!("/clients/{client}/tier");
    let request = api.request(Method::PUT, &path).header("x-api-key", key);
    answer(request.json(&json!(tier))).await
}

#[tokio::test]
async fn an_upgraded_client_has_the_rest_of_the_higher_limit() {
    let api = Api::start("tiers");
    for remaining in (0..20).rev() {
        let answer = ask(&api, "small", "key-of-ann").await.expect(200);
        assert_eq!(answer.header("ratelimit-policy"), r#""language";q=20;w=60"#);
        assert_eq!(answer.remaining(), remaining);
        assert_eq!(answer.body, json!({ "language": "German" }));
    }
    let refused = ask(&api, "small", "key-of-ann").await;
    let refused = refused.refused_by(&["language"], 60);
    assert_eq!(refused.body["detail"], "Rate limit exceeded: 20 per minute");
    set_tier(&api, "ann", "premium", "key-of-admin")
        .await
        .expect(204);
    for remaining in (0..80).rev() {
        let answer = ask(&api, "small", "key-of-ann").await.expect(200);
        assert_eq!(
            answer.header("ratelimit-policy"),
            r#""language";q=100;w=60"#
        );
        assert_eq!(answer.remaining(), remaining);
    }
    ask(&api, "small", "key-of-ann")
        .await
        .refused_by(&["language"], 60);
    // Downgraded, the hundred are still there.
    set_tier(&api, "ann", "free", "key-of-admin")
        .await
        .expect(204);
    ask(&api, "small", "key-of-ann")
        .await
        .refused_by(&["language"], 60);
}

#[tokio::test]
async fn a_model_of_a_higher_tier_is_forbidden_and_consumes_nothing() {
    let api = Api::start("tiers");
    for _ in 0..30 {
        let forbidden = ask(&api, "large", "key-of-ann").await.expect(403);
        assert_eq!(forbidden.header("ratelimit"), "");
    }
    let answer = ask(&api, "small", "key-of-ann").await.expect(200);
    assert_eq!(answer.remaining(), 19);
    let answer = ask(&api, "large", "key-of-eve").await.expect(200);
    assert_eq!(answer.remaining(), 99);
    assert_eq!(answer.body, json!({ "language": "German" }));
}

#[tokio::test]
async fn an_unknown_client_is_rejected() {
    let api = Api::start("tiers");
    ask(&api, "small", "key-of-nobody").await.expect(401);
    let path = "/models/small/language";
    api.post(path, &json!({ "text": "" })).await.expect(401);
    set_tier(&api, "ann", "premium", "key-of-ann")
        .await
        .expect(403);
    set_tier(&api, "nobody", "premium", "key-of-admin")
        .await
        .expect(404);
    let answer = ask(&api, "small", "key-of-ann").await.expect(200);
    assert_eq!(answer.remaining(), 19);
}
