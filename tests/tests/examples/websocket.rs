//! Messages over their limit, from a real client.

use crate::api::Api;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Error, Message},
};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn connect(api: &Api, user: &str) -> Result<Socket, Error> {
    let url = api.example.url.replace("http://", "ws://");
    let (socket, response) = connect_async(format!("{url}/ws/{user}")).await?;
    assert_eq!(
        response.headers()["ratelimit-policy"],
        r#""connect";q=30;w=60"#
    );
    Ok(socket)
}

async fn next(socket: &mut Socket) -> Message {
    socket.next().await.unwrap().unwrap()
}

async fn ask(socket: &mut Socket) -> Value {
    socket.send("wir sind frei".into()).await.unwrap();
    serde_json::from_str(next(socket).await.to_text().unwrap()).unwrap()
}

/// The milliseconds to wait.
async fn refused(socket: &mut Socket) -> u64 {
    let answer = ask(socket).await;
    assert_eq!(answer["error"], "rate_limit_exceeded");
    let millis = answer["retry_after_ms"].as_u64().unwrap();
    assert!((1..=60_000).contains(&millis), "{millis}");
    millis
}

#[tokio::test]
async fn a_client_over_the_limit_receives_the_wait_and_stays_connected() {
    let api = Api::start("websocket");
    let mut ann = connect(&api, "ann").await.unwrap();
    for _ in 0..10 {
        assert_eq!(ask(&mut ann).await, json!({ "language": "German" }));
    }
    let first = refused(&mut ann).await;
    let second = refused(&mut ann).await;
    assert!(second <= first, "{second} after {first}");
    let ping = Message::Ping("still there?".into());
    ann.send(ping).await.unwrap();
    assert_eq!(next(&mut ann).await, Message::Pong("still there?".into()));
    // The limit is the user's, not the socket's.
    let mut again = connect(&api, "ann").await.unwrap();
    refused(&mut again).await;
    let mut bob = connect(&api, "bob").await.unwrap();
    assert_eq!(ask(&mut bob).await, json!({ "language": "German" }));
}

#[tokio::test]
async fn sockets_are_limited_too() {
    let api = Api::start("websocket");
    let mut sockets = Vec::new();
    for _ in 0..30 {
        sockets.push(connect(&api, "ann").await.unwrap());
    }
    let Err(Error::Http(refused)) = connect(&api, "ann").await else {
        panic!("the 31st socket was opened");
    };
    assert_eq!(refused.status(), 429);
    assert!(refused.headers().contains_key("retry-after"));
}
