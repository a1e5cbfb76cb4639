//! A running example, and what it answers.

use reqwest::{
    Client, Method, RequestBuilder,
    header::{HeaderMap, HeaderName},
};
use serde_json::Value;
use test_support::process::Example;

pub(crate) struct Api {
    pub(crate) example: Example,
    client: Client,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    /// `Null` where it is no JSON.
    pub(crate) body: Value,
}

impl Api {
    pub(crate) fn start(name: &str) -> Self {
        Self::start_with(name, &[])
    }

    /// The same, with further variables in its environment.
    pub(crate) fn start_with(name: &str, environment: &[(&str, &str)]) -> Self {
        Self {
            example: Example::start_with(name, environment),
            client: Client::new(),
        }
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client
            .request(method, format!("{}{path}", self.example.url))
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        answer(self.request(Method::GET, path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        answer(self.request(Method::POST, path).json(body)).await
    }
}

pub(crate) async fn answer(request: RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    Answer {
        status: response.status().as_u16(),
        headers: response.headers().clone(),
        body: serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or_default(),
    }
}

impl Answer {
    /// Panics, with all that was answered, on any other status.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }

    /// The text of a header; empty if there is none.
    pub(crate) fn header(&self, name: &'static str) -> &str {
        let value = self.headers.get(HeaderName::from_static(name));
        value.map_or("", |value| value.to_str().unwrap())
    }

    /// What `RateLimit` says is left.
    pub(crate) fn remaining(&self) -> u32 {
        let state = self.header("ratelimit");
        let (_, rest) = state.split_once(";r=").unwrap();
        rest.split(';').next().unwrap().parse().unwrap()
    }

    /// Asserts that this is 429 from these policies, with a wait of at most the window's seconds:
    /// one more where the store rounds the time of a hit up.
    #[track_caller]
    pub(crate) fn refused_by(self, policies: &[&str], window: u64) -> Self {
        let answer = self.expect(429);
        assert_eq!(answer.header("content-type"), "application/problem+json");
        assert_eq!(
            answer.body["violated-policies"],
            serde_json::json!(policies)
        );
        let seconds: u64 = answer.header("retry-after").parse().unwrap();
        assert!((1..=window + 1).contains(&seconds), "{answer:?}");
        answer
    }
}
