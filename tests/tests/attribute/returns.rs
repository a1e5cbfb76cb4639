//! What a handler may return.

use crate::common::{get, routed, send, text, third_is_429};
use axum::Json;
use axum::response::sse::{Event, Sse};
use axum::response::{Html, IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use limit_runtime::rate_limit;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;

struct AppError(std::num::ParseIntError);

impl From<std::num::ParseIntError> for AppError {
    fn from(error: std::num::ParseIntError) -> Self {
        Self(error)
    }
}

impl IntoResponse for AppError {
    fn into_response(self) -> Response {
        (StatusCode::IM_A_TEAPOT, self.0.to_string()).into_response()
    }
}

#[tokio::test]
async fn unit() {
    #[rate_limit("2/minute")]
    async fn handler() {}
    third_is_429(handler, get).await;
}

#[tokio::test]
async fn text_of_the_program() {
    #[rate_limit("2/minute")]
    async fn handler() -> &'static str {
        "ok"
    }
    third_is_429(handler, get).await;
}

#[tokio::test]
async fn something() {
    #[rate_limit("2/minute")]
    async fn handler() -> impl IntoResponse {
        Html("ok")
    }
    third_is_429(handler, get).await;
}

#[tokio::test]
async fn a_result_with_question_marks_and_early_returns() {
    #[rate_limit("2/minute")]
    async fn handler(headers: HeaderMap) -> Result<impl IntoResponse, AppError> {
        let Some(n) = headers.get("n") else {
            return Ok(Json(0_u32));
        };
        let n: u32 = n.to_str().unwrap().parse()?;
        Ok(Json(n))
    }
    third_is_429(handler, get).await;
    let response = send(&routed(handler), crate::common::with(get(), "n", "x")).await;
    assert_eq!(response.status(), StatusCode::IM_A_TEAPOT);
    assert!(response.headers().contains_key("ratelimit"));
}

#[tokio::test]
async fn axums_result() {
    #[rate_limit("2/minute")]
    async fn handler() -> axum::response::Result<Json<u32>> {
        Ok(Json(Err::<u32, _>(StatusCode::IM_A_TEAPOT)?))
    }
    let response = send(&routed(handler), get()).await;
    assert_eq!(response.status(), StatusCode::IM_A_TEAPOT);
}

#[tokio::test]
async fn tuples() {
    #[rate_limit("2/minute")]
    async fn handler() -> (StatusCode, [(&'static str, &'static str); 1], String) {
        (StatusCode::CREATED, [("x-a", "b")], "made".to_owned())
    }
    third_is_429(handler, get).await;
}

#[tokio::test]
async fn a_response() {
    #[rate_limit("2/minute")]
    async fn handler() -> Response {
        Response::new("ok".into())
    }
    third_is_429(handler, get).await;
}

#[tokio::test]
async fn events() {
    #[rate_limit("2/minute")]
    async fn handler() -> Sse<impl futures_util::Stream<Item = Result<Event, Infallible>>> {
        Sse::new(futures_util::stream::iter([Ok(
            Event::default().data("hello")
        )]))
    }
    assert_eq!(
        text(send(&routed(handler), get()).await).await,
        "data: hello\n\n"
    );
    third_is_429(handler, get).await;
}

#[tokio::test]
async fn a_future_of_some_type() {
    #[rate_limit("2/minute")]
    #[expect(clippy::manual_async_fn, reason = "that is what is tested")]
    fn handler(headers: HeaderMap) -> impl Future<Output = String> + Send {
        async move { headers.len().to_string() }
    }
    third_is_429(handler, get).await;
}

#[tokio::test]
async fn a_boxed_future() {
    #[rate_limit("2/minute")]
    fn handler() -> Pin<Box<dyn Future<Output = &'static str> + Send>> {
        Box::pin(async { "ok" })
    }
    third_is_429(handler, get).await;
}

#[tokio::test]
async fn a_boxed_future_below_another_attribute() {
    #[rate_limit("2/minute")]
    #[tracing::instrument]
    fn handler(headers: HeaderMap) -> Pin<Box<dyn Future<Output = String> + Send>> {
        Box::pin(async move { headers.len().to_string() })
    }
    third_is_429(handler, get).await;
}

#[tokio::test]
async fn a_future_with_a_name() {
    #[rate_limit("2/minute")]
    fn handler() -> std::future::Ready<&'static str> {
        std::future::ready("ok")
    }
    #[rate_limit("2/minute", cost = text.len() + 1)]
    fn charged_later(text: String) -> std::future::Ready<String> {
        std::future::ready(text)
    }
    third_is_429(handler, get).await;
    third_is_429(charged_later, get).await;
}

#[tokio::test]
async fn a_result_of_anything_or_anything() {
    #[rate_limit("2/minute")]
    async fn handler(headers: HeaderMap) -> Result<impl IntoResponse, impl IntoResponse> {
        if headers.is_empty() {
            Ok((StatusCode::ACCEPTED, "ok"))
        } else {
            Err(StatusCode::IM_A_TEAPOT)
        }
    }
    #[rate_limit("2/minute")]
    async fn captures_nothing(_: HeaderMap) -> impl IntoResponse + use<> {
        "ok"
    }
    third_is_429(handler, get).await;
    third_is_429(captures_nothing, get).await;
}

#[tokio::test]
async fn recursion_counts_once() {
    #[rate_limit("2/minute")]
    async fn handler(headers: HeaderMap) -> String {
        if headers.is_empty() {
            return "end".to_owned();
        }
        Box::pin(handler(HeaderMap::new())).await
    }
    third_is_429(handler, || crate::common::with(get(), "a", "b")).await;
}

#[tokio::test]
async fn never() {
    #[rate_limit("2/minute")]
    async fn handler() -> Result<(), AppError> {
        Err("x".parse::<u32>().unwrap_err())?
    }
    assert_eq!(
        send(&routed(handler), get()).await.status(),
        StatusCode::IM_A_TEAPOT
    );
}
