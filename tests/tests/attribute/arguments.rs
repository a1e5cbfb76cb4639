//! What a handler may take last, and patterns of arguments.

use crate::common::{get, json, request, routed, send, status, text, third_is_429, with};
use axum::body::Bytes;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Form, Multipart, Path, Query, RawQuery, Request, WebSocketUpgrade};
use axum::{Extension, Json, Router, routing};
use http::{HeaderMap, Method, Uri};
use limit_runtime::rate_limit;
use serde::Deserialize;

#[derive(Deserialize)]
struct Input {
    n: u32,
    #[serde(default)]
    name: String,
}

#[tokio::test]
async fn json_last() {
    #[rate_limit("2/minute")]
    async fn handler(_: Method, Json(input): Json<Input>) -> Json<u32> {
        Json(input.n)
    }
    third_is_429(handler, || json(r#"{"n":1}"#)).await;
}

#[tokio::test]
async fn form_last() {
    #[rate_limit("2/minute")]
    async fn handler(Form(input): Form<Input>) -> String {
        input.n.to_string()
    }
    let form = || {
        with(
            request("POST", "/", "n=1"),
            "content-type",
            "application/x-www-form-urlencoded",
        )
    };
    third_is_429(handler, form).await;
}

#[tokio::test]
async fn bytes_last() {
    #[rate_limit("2/minute")]
    async fn handler(_: Uri, body: Bytes) -> Bytes {
        body
    }
    third_is_429(handler, || request("POST", "/", "body")).await;
}

#[tokio::test]
async fn string_last() {
    #[rate_limit("2/minute")]
    async fn handler(body: String) -> String {
        body
    }
    third_is_429(handler, || request("POST", "/", "body")).await;
}

#[tokio::test]
async fn request_last() {
    #[rate_limit("2/minute")]
    async fn handler(_: HeaderMap, request: Request) -> String {
        request.uri().to_string()
    }
    third_is_429(handler, get).await;
}

#[tokio::test]
async fn multipart_last() {
    #[rate_limit("2/minute")]
    async fn handler(mut parts: Multipart) -> String {
        parts
            .next_field()
            .await
            .unwrap()
            .unwrap()
            .text()
            .await
            .unwrap()
    }
    let body = "--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nhello\r\n--x--\r\n";
    let multipart = || {
        with(
            request("POST", "/", body),
            "content-type",
            "multipart/form-data; boundary=x",
        )
    };
    assert_eq!(
        text(send(&routed(handler), multipart()).await).await,
        "hello"
    );
    third_is_429(handler, multipart).await;
}

#[tokio::test]
async fn web_socket_last() {
    #[rate_limit("2/minute")]
    async fn handler(
        _upgrade: Result<WebSocketUpgrade, axum::extract::ws::rejection::WebSocketUpgradeRejection>,
    ) {
    }

    #[rate_limit("2/minute")]
    async fn upgrading(upgrade: WebSocketUpgrade) -> axum::response::Response {
        upgrade.on_upgrade(|_socket| async {})
    }
    third_is_429(handler, get).await;
    // Without a connection to upgrade, each is refused by the extractor, until the limit refuses.
    let router = routed(upgrading);
    assert_eq!(
        [
            status(&router, get()).await,
            status(&router, get()).await,
            status(&router, get()).await
        ][2],
        429
    );
}

#[tokio::test]
async fn option_last() {
    #[rate_limit("2/minute")]
    async fn handler(_: Option<Extension<u8>>, input: Option<Json<Input>>) -> String {
        format!("{}", input.is_none())
    }
    assert_eq!(text(send(&routed(handler), get()).await).await, "true");
    third_is_429(handler, get).await;
}

#[tokio::test]
async fn result_last() {
    #[rate_limit("2/minute")]
    async fn handler(input: Result<Json<Input>, JsonRejection>) -> String {
        input.is_err().to_string()
    }
    assert_eq!(text(send(&routed(handler), json("{")).await).await, "true");
    third_is_429(handler, || json("{")).await;
}

#[tokio::test]
async fn patterns_of_every_kind() {
    #[rate_limit("2/minute")]
    async fn handler(
        _: Method,
        mut headers: HeaderMap,
        (RawQuery(query), Query(Input { n, .. })): (RawQuery, Query<Input>),
        #[allow(unused_variables)] unused: Uri,
        Json(Input { n: mut m, ref name }): Json<Input>,
    ) -> String {
        headers.clear();
        m += 1;
        format!("{query:?} {n} {m} {name} {}", headers.len())
    }
    let request = || {
        let mut request = json(r#"{"n":1,"name":"x"}"#);
        *request.uri_mut() = "/?n=7".parse().unwrap();
        request
    };
    assert_eq!(
        text(send(&routed(handler), request()).await).await,
        "Some(\"n=7\") 7 2 x 0"
    );
    third_is_429(handler, request).await;
}

#[tokio::test]
async fn a_later_rejection_carries_the_headers() {
    #[rate_limit("2/minute")]
    async fn handler(_: Method, _: Extension<u8>, _: Json<Input>) {}
    let router = routed(handler);
    let response = send(&router, get()).await;
    assert_eq!(response.status(), 500);
    assert!(response.headers().contains_key("ratelimit"));
}

#[tokio::test]
async fn the_last_arguments_rejection_carries_the_headers_and_the_limit_comes_before_it() {
    #[rate_limit("2/minute")]
    async fn handler(_: Json<Input>) {}
    let router = routed(handler);
    for _ in 0..2 {
        let response = send(&router, json("{")).await;
        assert_eq!(response.status(), 400);
        assert!(response.headers().contains_key("ratelimit"));
    }
    assert_eq!(status(&router, json("{")).await, 429);
}

#[tokio::test]
async fn the_handler_is_the_scope_whatever_the_route() {
    #[rate_limit("2/minute")]
    async fn handler(Path(n): Path<u32>) -> String {
        n.to_string()
    }
    let router = Router::new()
        .route("/a/{n}", routing::get(handler))
        .route("/b/{n}", routing::get(handler));
    let router = crate::common::limited(router);
    assert_eq!(status(&router, request("GET", "/a/1", "")).await, 200);
    assert_eq!(status(&router, request("HEAD", "/b/2", "")).await, 200);
    assert_eq!(status(&router, request("GET", "/a/3", "")).await, 429);
    assert_eq!(status(&router, request("GET", "/b/3", "")).await, 429);
}
