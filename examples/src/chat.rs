//! A chat model for the examples, with the shapes of OpenAI's API. It repeats what it is asked, one
//! word after the other, and a word is a token.

use futures_util::{Stream, stream};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{iter, time::Duration};

/// The body of `POST /v1/chat/completions`.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct ChatRequest {
    /// The model to ask.
    pub model: Model,
    /// The conversation so far.
    pub messages: Vec<Message>,
    /// The most tokens of the answer.
    #[serde(default = "default_most", alias = "max_completion_tokens")]
    pub max_tokens: u64,
    /// Whether the answer is sent token by token.
    #[serde(default)]
    pub stream: bool,
    /// What a stream has besides the answer.
    #[serde(default)]
    pub stream_options: StreamOptions,
}

/// The models. An enum, so that a client cannot invent one to get another budget.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Model {
    /// Answers quickly.
    EchoSmall,
    /// Answers slowly.
    EchoLarge,
}

/// One message of a conversation.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Message {
    /// Who says it.
    pub role: String,
    /// What is said.
    pub content: String,
}

/// Options of a stream.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
pub struct StreamOptions {
    /// Whether the last event has the number of tokens.
    #[serde(default)]
    pub include_usage: bool,
}

fn default_most() -> u64 {
    64
}

impl Model {
    /// The name that clients use.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::EchoSmall => "echo-small",
            Self::EchoLarge => "echo-large",
        }
    }

    fn time_per_token(self) -> Duration {
        Duration::from_millis(match self {
            Self::EchoSmall => 2,
            Self::EchoLarge => 50,
        })
    }
}

impl ChatRequest {
    /// The tokens of all messages.
    #[must_use]
    pub fn prompt_tokens(&self) -> u64 {
        let words = |message: &Message| message.content.split_whitespace().count();
        let words: usize = self.messages.iter().map(words).sum();
        u64::try_from(words).unwrap_or(u64::MAX)
    }

    /// The most tokens that prompt and answer can have.
    #[must_use]
    pub fn most_tokens(&self) -> u64 {
        self.prompt_tokens().saturating_add(self.max_tokens)
    }

    /// The answer, word by word: the last message, repeated until it has `max_tokens`.
    pub fn answer(&self) -> impl Stream<Item = String> + Send + use<> {
        let last = self.messages.last();
        let words = last.map(|message| message.content.split_whitespace());
        let words: Vec<_> = words.into_iter().flatten().map(str::to_owned).collect();
        let most = usize::try_from(self.max_tokens).unwrap_or(usize::MAX);
        let times = if words.is_empty() { 0 } else { most };
        let words = iter::repeat_n(words, times).flatten().take(most);
        let time = self.model.time_per_token();
        stream::unfold(words, move |mut words| async move {
            let word = words.next()?;
            tokio::time::sleep(time).await;
            Some((word + " ", words))
        })
    }

    /// The answer as one object.
    #[must_use]
    pub fn completion(&self, text: &str, tokens: u64) -> Value {
        json!({
            "id": "chatcmpl-1", "object": "chat.completion", "created": 0,
            "model": self.model.name(),
            "choices": [{
                "index": 0,
                "message": { "role": "assistant", "content": text },
                "finish_reason": "stop",
            }],
            "usage": usage(self.prompt_tokens(), tokens),
        })
    }

    /// The event with one token of the answer.
    #[must_use]
    pub fn chunk(&self, token: &str) -> Value {
        let choice = json!({ "index": 0, "delta": { "content": token }, "finish_reason": null });
        self.event(&json!([choice]), &Value::Null)
    }

    /// The events that follow the last token.
    #[must_use]
    pub fn last_chunks(&self, tokens: u64) -> Vec<Value> {
        let choice = json!({ "index": 0, "delta": {}, "finish_reason": "stop" });
        let mut events = vec![self.event(&json!([choice]), &Value::Null)];
        if self.stream_options.include_usage {
            let usage = usage(self.prompt_tokens(), tokens);
            events.push(self.event(&json!([]), &usage));
        }
        events
    }

    fn event(&self, choices: &Value, usage: &Value) -> Value {
        json!({
            "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 0,
            "model": self.model.name(), "choices": choices, "usage": usage,
        })
    }
}

fn usage(prompt: u64, completion: u64) -> Value {
    json!({
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt.saturating_add(completion),
    })
}
