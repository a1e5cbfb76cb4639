//! A gateway that learns the tokens of an answer from the model server's events.

use crate::{api::Api, python};
use futures_util::StreamExt;
use reqwest::Method;
use serde_json::{Value, json};
use test_support::process::Example;

struct Gateway {
    api: Api,
    _upstream: Example,
}

fn start() -> Gateway {
    let upstream = Example::start("upstream");
    let api = Api::start_with("gateway", &[("UPSTREAM", &upstream.url)]);
    Gateway {
        api,
        _upstream: upstream,
    }
}

impl Gateway {
    fn post(&self, path: &str, key: &str, body: &Value) -> reqwest::RequestBuilder {
        let request = self.api.request(Method::POST, path);
        request.bearer_auth(key).json(body)
    }

    /// What the key has used so far, by the header of a request that the upstream rejects. It
    /// reserves 4 units, and gives them back when its response has ended.
    async fn used(&self, key: &str) -> u64 {
        let bad = json!({ "model": "none", "max_tokens": 0 });
        let answer = crate::api::answer(self.post("/v1/messages", key, &bad)).await;
        2_000 - 4 - u64::from(answer.expect(422).remaining())
    }
}

fn request(most: u64) -> Value {
    json!({
        "model": "echo-small",
        "messages": [{ "role": "user", "content": "to be or not to be" }],
        "max_tokens": most,
        "stream": true,
    })
}

#[tokio::test]
async fn the_usage_in_the_last_event_is_charged() {
    let gateway = start();
    for (path, key) in [
        ("/v1/chat/completions", "openai"),
        ("/v1/messages", "anthropic"),
    ] {
        let answer = gateway.post(path, key, &request(100)).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let text = answer.text().await.unwrap();
        // A token each, and others around them.
        let others = if key == "openai" { 3 } else { 5 };
        assert_eq!(text.matches("data:").count(), 100 + others, "{text}");
        assert_eq!(gateway.used(key).await, 106, "{path}");
    }
}

/// The model server does not say how many tokens it made until then.
#[tokio::test]
async fn a_stream_that_is_closed_keeps_its_reservation() {
    let gateway = start();
    for (path, key) in [
        ("/v1/chat/completions", "openai"),
        ("/v1/messages", "anthropic"),
    ] {
        let answer = gateway.post(path, key, &request(500)).send().await.unwrap();
        let mut body = answer.bytes_stream();
        body.next().await.unwrap().unwrap();
        drop(body);
        let reserved = gateway.used(key).await;
        assert!((500..700).contains(&reserved), "{path}: {reserved}");
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        assert_eq!(gateway.used(key).await, reserved, "{path}");
    }
}

#[tokio::test]
async fn an_upstream_that_is_away_costs_nothing() {
    let api = Api::start_with("gateway", &[("UPSTREAM", "http://127.0.0.1:9")]);
    let post = || {
        let request = api.request(Method::POST, "/v1/messages");
        crate::api::answer(request.bearer_auth("k").json(&request_body()))
    };
    for _ in 0..20 {
        assert_eq!(post().await.expect(502).remaining(), 2_000);
    }
}

fn request_body() -> Value {
    request(500)
}

/// With Anthropic's own client, from PyPI. Skipped, and said so, where Python or PyPI is missing.
#[test]
fn the_anthropic_client_is_charged_its_usage() {
    let gateway = start();
    let url = &gateway.api.example.url;
    if let Some(printed) = python::run("anthropic", "anthropic_client.py", url) {
        assert_eq!(printed.lines().count(), 3, "{printed}");
    }
}
