//! A chat API in OpenAI's shape: tokens are reserved, and settled with the stream.

use crate::{
    api::{Answer, Api, answer},
    python,
};
use futures_util::StreamExt;
use reqwest::{Method, Response};
use serde_json::{Value, json};

fn request(model: &str, words: usize, most: u64) -> Value {
    json!({
        "model": model,
        "messages": [{ "role": "user", "content": vec!["word"; words].join(" ") }],
        "max_tokens": most,
    })
}

fn post(api: &Api, key: &str, body: &Value) -> reqwest::RequestBuilder {
    let request = api.request(Method::POST, "/v1/chat/completions");
    request.bearer_auth(key).json(body)
}

async fn chat(api: &Api, key: &str, body: &Value) -> Answer {
    answer(post(api, key, body)).await
}

async fn start_stream(api: &Api, key: &str, mut body: Value) -> Response {
    body["stream"] = true.into();
    body["stream_options"] = json!({ "include_usage": true });
    post(api, key, &body).send().await.unwrap()
}

/// Tokens of the model that are left, as OpenAI's headers have it. Asking costs one.
async fn left(api: &Api, key: &str, model: &str) -> u64 {
    let probe = chat(api, key, &request(model, 1, 0)).await.expect(200);
    let left: u64 = probe
        .header("x-ratelimit-remaining-tokens")
        .parse()
        .unwrap();
    left + 1
}

#[tokio::test]
async fn an_answer_is_charged_what_it_used() {
    let api = Api::start("chat");
    let done = chat(&api, "k", &request("echo-small", 6, 100))
        .await
        .expect(200);
    assert_eq!(done.body["usage"]["total_tokens"], 106);
    assert_eq!(done.header("x-ratelimit-limit-tokens"), "2000");
    assert_eq!(done.header("x-ratelimit-remaining-tokens"), "1894");
    assert_eq!(done.header("x-ratelimit-limit-requests"), "60");
    assert_eq!(done.header("x-ratelimit-remaining-requests"), "59");
    // The other model, and another key, have budgets of their own.
    assert_eq!(left(&api, "k", "echo-large").await, 2_000);
    assert_eq!(left(&api, "other", "echo-small").await, 2_000);
}

#[tokio::test]
async fn a_stream_is_charged_what_was_sent() {
    let api = Api::start("chat");
    let whole = start_stream(&api, "whole", request("echo-small", 6, 50)).await;
    let text = whole.text().await.unwrap();
    assert!(text.contains(r#""total_tokens":56"#), "{text}");
    assert!(text.trim_end().ends_with("data: [DONE]"), "{text}");
    assert_eq!(left(&api, "whole", "echo-small").await, 2_000 - 56);

    let cut = start_stream(&api, "cut", request("echo-large", 6, 500)).await;
    let mut body = cut.bytes_stream();
    let mut tokens = 0;
    while tokens < 3 {
        let bytes = body.next().await.unwrap().unwrap();
        tokens += String::from_utf8_lossy(&bytes).matches("data:").count() as u64;
    }
    drop(body);
    // The server sees within a few tokens that the client has left.
    let (mut probes, mut used) = (0, u64::MAX);
    loop {
        let now = 2_000 - left(&api, "cut", "echo-large").await - probes;
        probes += 1;
        if now == used {
            break;
        }
        used = now;
        tokio::time::sleep(std::time::Duration::from_millis(120)).await;
    }
    assert!(
        (6 + tokens..=6 + tokens + 5).contains(&used),
        "{tokens} sent, {used} charged"
    );
}

#[tokio::test]
async fn two_answers_at_a_time() {
    let api = Api::start("chat");
    let one = start_stream(&api, "k", request("echo-large", 1, 100)).await;
    let two = start_stream(&api, "k", request("echo-large", 1, 100)).await;
    assert_eq!(
        (one.status(), two.status()),
        (200.try_into().unwrap(), 200.try_into().unwrap())
    );
    let refused = chat(&api, "k", &request("echo-small", 1, 1))
        .await
        .expect(429);
    assert_eq!(refused.body["violated-policies"], json!(["streams"]));
    assert_eq!(
        refused.header("retry-after"),
        "",
        "the end of an answer is not known"
    );
    chat(&api, "other", &request("echo-small", 1, 1))
        .await
        .expect(200);
    drop(one);
    // The permit is back once the server sees that the client has left.
    loop {
        let next = chat(&api, "k", &request("echo-small", 1, 1)).await;
        if next.status == 200 {
            break;
        }
        assert_eq!(next.status, 429);
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    drop(two);
}

#[tokio::test]
async fn a_model_that_does_not_exist_gets_no_budget() {
    let api = Api::start("chat");
    chat(&api, "k", &request("echo-huge", 1, 1))
        .await
        .expect(422);
}

/// With OpenAI's own client, from PyPI. Skipped, and said so, where Python or PyPI is missing.
#[test]
fn the_openai_client_is_charged_its_usage() {
    let api = Api::start("chat");
    if let Some(printed) = python::run("openai", "openai_client.py", &api.example.url) {
        assert_eq!(printed.lines().count(), 4, "{printed}");
    }
}
