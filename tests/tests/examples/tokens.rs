//! Tokens that are reserved, and settled when the model is done.

use crate::api::{Answer, Api, answer};
use reqwest::Method;
use serde_json::{Value, json};

/// A prompt of so many words; each is a token.
async fn complete(api: &Api, key: &str, words: usize, max_tokens: Option<u32>) -> Answer {
    let mut body = json!({ "prompt": vec!["word"; words].join(" ") });
    if let Some(most) = max_tokens {
        body["max_tokens"] = most.into();
    }
    let request = api.request(Method::POST, "/complete");
    answer(request.header("x-api-key", key).json(&body)).await
}

/// Requests and tokens that are left, as OpenAI's headers have it.
fn left(answer: &Answer) -> (u32, u32) {
    let number = |name| answer.header(name).parse().unwrap();
    assert_eq!(number("x-ratelimit-limit-requests"), 20);
    assert_eq!(number("x-ratelimit-limit-tokens"), 200);
    (
        number("x-ratelimit-remaining-requests"),
        number("x-ratelimit-remaining-tokens"),
    )
}

fn usage(prompt: u32, completion: u32) -> Value {
    json!({ "prompt_tokens": prompt, "completion_tokens": completion })
}

#[tokio::test]
async fn reserved_tokens_that_were_not_used_are_refunded() {
    let api = Api::start("tokens");
    let done = complete(&api, "k", 6, Some(100)).await.expect(200);
    assert_eq!(done.body["text"], "word word word word word word");
    assert_eq!(done.body["usage"], usage(6, 6));
    assert_eq!(left(&done), (19, 188));
    for reset in ["x-ratelimit-reset-requests", "x-ratelimit-reset-tokens"] {
        assert_eq!(done.header(reset), "1m0s");
    }
    // All that is left can be reserved, and no more.
    let refused = complete(&api, "k", 6, Some(183)).await;
    let refused = refused.refused_by(&["tokens"], 60);
    assert_eq!(left(&refused), (19, 188));
    let done = complete(&api, "k", 6, Some(182)).await.expect(200);
    assert_eq!(left(&done), (18, 176));
}

#[tokio::test]
async fn tokens_used_beyond_the_estimate_are_charged() {
    let api = Api::start("tokens");
    // 80 + 16 are reserved.
    let done = complete(&api, "k", 80, None).await.expect(200);
    assert_eq!(done.body["usage"], usage(80, 80));
    assert_eq!(left(&done), (19, 40));
    // 24 + 16 are reserved, which fits; 48 are used.
    let done = complete(&api, "k", 24, None).await.expect(200);
    assert_eq!(done.body["usage"], usage(24, 24));
    assert_eq!(left(&done), (18, 0));
    complete(&api, "k", 0, Some(1))
        .await
        .refused_by(&["tokens"], 60);
    let other = complete(&api, "other", 1, Some(1)).await.expect(200);
    assert_eq!(left(&other), (19, 198));
}

#[tokio::test]
async fn requests_are_limited_beside_tokens() {
    let api = Api::start("tokens");
    for n in (0..20).rev() {
        let done = complete(&api, "k", 1, Some(1)).await.expect(200);
        assert_eq!(left(&done), (n, 160 + 2 * n));
    }
    let refused = complete(&api, "k", 1, Some(1)).await;
    let refused = refused.refused_by(&["requests"], 60);
    assert_eq!(left(&refused), (0, 160));
}

#[tokio::test]
async fn more_than_a_minutes_tokens_can_never_fit() {
    let api = Api::start("tokens");
    let refused = complete(&api, "k", 1, Some(200)).await.expect(429);
    assert_eq!(refused.header("retry-after"), "");
    assert_eq!(refused.body["violated-policies"], json!(["tokens"]));
    assert_eq!(refused.body["error"]["code"], "cost_above_limit");
}
