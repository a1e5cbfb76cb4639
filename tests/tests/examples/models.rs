//! A limit for each model, and a cost for each text.

use crate::api::Api;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

fn texts(count: usize) -> Value {
    json!(vec!["libres et égaux"; count])
}

#[tokio::test]
async fn each_model_has_its_own_limit() {
    let api = Api::start("models");
    let text = json!({ "text": "libres et égaux" });
    for remaining in (0..10).rev() {
        let answer = api.post("/heavy", &text).await.expect(200);
        assert_eq!(answer.remaining(), remaining);
        assert_eq!(answer.body, json!({ "language": "French" }));
    }
    api.post("/heavy", &text).await.refused_by(&["heavy"], 60);
    for remaining in (0..100).rev() {
        let answer = api.post("/light", &text).await.expect(200);
        assert_eq!(answer.remaining(), remaining);
    }
    api.post("/light", &text).await.refused_by(&["light"], 60);
}

#[tokio::test]
async fn two_batches_in_five_minutes_whatever_they_hold() {
    let api = Api::start("models");
    let answer = api.post("/batch", &texts(60)).await.expect(200);
    assert_eq!(answer.header("ratelimit-policy"), r#""batch";q=2;w=300"#);
    assert_eq!(answer.body.as_array().unwrap().len(), 60);
    api.post("/batch", &texts(1)).await.expect(200);
    let refused = api.post("/batch", &texts(1)).await;
    let refused = refused.refused_by(&["batch"], 300);
    assert!(refused.header("retry-after").parse::<u64>().unwrap() > 60);
}

#[tokio::test]
async fn each_text_counts_and_a_list_is_taken_as_a_whole() {
    let api = Api::start("models");
    let answer = api.post("/texts", &texts(30)).await.expect(200);
    assert_eq!(answer.remaining(), 20);
    api.post("/texts", &texts(21))
        .await
        .refused_by(&["texts"], 60);
    // The refused list took nothing.
    let answer = api.post("/texts", &texts(20)).await.expect(200);
    assert_eq!(answer.remaining(), 0);
    api.post("/texts", &texts(1))
        .await
        .refused_by(&["texts"], 60);
}

#[tokio::test]
async fn a_list_above_the_whole_limit_can_never_fit() {
    let api = Api::start("models");
    let refused = api.post("/texts", &texts(51)).await.expect(429);
    assert_eq!(refused.header("retry-after"), "");
    assert_eq!(refused.header("x-should-retry"), "false");
    assert_eq!(refused.body["error"]["code"], "cost_above_limit");
    api.post("/texts", &texts(50)).await.expect(200);
}

/// The first line of the answer to a request whose body is announced and never sent.
async fn answer_before_the_body(api: &Api) -> String {
    let address = api.example.url.strip_prefix("http://").unwrap();
    let mut socket = TcpStream::connect(address).await.unwrap();
    let head = "POST /texts HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
                content-length: 1000000\r\nexpect: 100-continue\r\n\r\n";
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n") {
        answer.push(socket.read_u8().await.unwrap());
    }
    String::from_utf8(answer).unwrap().trim_end().to_owned()
}

#[tokio::test]
async fn the_exhausted_are_refused_before_the_body_is_read() {
    let other = Api::start("models");
    assert_eq!(
        answer_before_the_body(&other).await,
        "HTTP/1.1 100 Continue"
    );
    let api = Api::start("models");
    api.post("/texts", &texts(50)).await.expect(200);
    let answer = answer_before_the_body(&api).await;
    assert_eq!(answer, "HTTP/1.1 429 Too Many Requests");
}
