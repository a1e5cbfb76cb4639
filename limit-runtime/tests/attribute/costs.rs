//! What `cost = …` may be.

use crate::common::{get, json, request, routed, send, status, third_is_429, with};
use axum::Json;
use axum::body::Body;
use http::{HeaderMap, StatusCode};
use limit_runtime::rate_limit;
use serde::Deserialize;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};

const FIVE: u32 = 5;
const FIVE_USIZE: usize = 5;

async fn later(_: &HeaderMap) -> Result<u64, StatusCode> {
    tokio::task::yield_now().await;
    Ok(5)
}

macro_rules! five {
    ($test:ident, $($cost:tt)*) => {
        #[tokio::test]
        async fn $test() {
            #[rate_limit("10/minute", cost = $($cost)*)]
            async fn handler() {}
            third_is_429(handler, get).await;
        }
    };
}

five!(a_literal, 5);
five!(a_literal_with_a_suffix, 5_u32);
five!(a_constant, FIVE);
five!(a_usize, FIVE_USIZE);
five!(a_nonzero, NonZeroU32::new(5).unwrap());
five!(an_expression, 2 * FIVE - 5);
five!(an_async_function, later);
five!(a_closure, |_: HeaderMap| 5_u8);

fn first(inputs: &[u32]) -> u32 {
    inputs.first().copied().unwrap_or(1)
}

/// Expressions over the handler's argument, which is `[5]`.
macro_rules! five_of_inputs {
    ($($test:ident($inputs:ident) $cost:expr;)*) => {$(
        #[tokio::test]
        async fn $test() {
            #[rate_limit("10/minute", cost = $cost)]
            async fn handler(Json($inputs): Json<Vec<u32>>) -> Json<Vec<u32>> {
                Json($inputs)
            }
            third_is_429(handler, || json("[5]")).await;
        }
    )*};
}

five_of_inputs! {
    a_call(inputs) first(inputs);
    a_block(inputs) { let len = inputs.len(); 5 * len };
    a_match(inputs) match inputs.first() { Some(n) => *n, None => 1 };
    a_condition(inputs) if let Some(n) = inputs.first() { u64::from(*n) } else { 1 };
    a_closure_inside(inputs) inputs.iter().map(|n| n + 1).sum::<u32>() - 1;
    an_array(inputs) [inputs.len(); 5].iter().sum::<usize>();
    a_macro(inputs) vec![inputs[0]].len() + 4;
}

#[derive(Deserialize)]
struct Batch {
    inputs: Vec<f32>,
    #[serde(default)]
    #[allow(dead_code)]
    model: String,
}

fn batch(size: usize) -> http::Request<Body> {
    json(&format!(r#"{{"inputs":{:?}}}"#, vec![1.5; size]))
}

#[tokio::test]
async fn the_size_of_the_batch() {
    #[rate_limit("10/minute", cost = inputs.len())]
    async fn handler(_: HeaderMap, Json(Batch { inputs, mut model }): Json<Batch>) -> String {
        model.push('x');
        inputs.len().to_string()
    }
    let router = routed(handler);
    assert_eq!(status(&router, batch(4)).await, 200);
    assert_eq!(status(&router, batch(4)).await, 200);
    assert_eq!(status(&router, batch(4)).await, 429);
    let response = send(&router, batch(2)).await;
    assert_eq!(response.status(), 200);
    assert!(
        response.headers()["ratelimit"]
            .to_str()
            .unwrap()
            .contains("r=0")
    );
    assert_eq!(status(&router, batch(0)).await, 429);
}

#[tokio::test]
async fn the_exhausted_are_refused_before_the_body_is_read() {
    static READ: AtomicU32 = AtomicU32::new(0);
    #[rate_limit("4/minute", cost = body.len())]
    async fn handler(body: String) -> String {
        body
    }
    let router = routed(handler);
    let stream = || {
        let chunk = futures_util::stream::once(async {
            READ.fetch_add(1, Ordering::Relaxed);
            Ok::<_, std::convert::Infallible>("1234")
        });
        request("POST", "/", Body::from_stream(chunk))
    };
    assert_eq!(status(&router, stream()).await, 200);
    assert_eq!(status(&router, stream()).await, 429);
    assert_eq!(READ.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_body_that_is_rejected_costs_one() {
    #[rate_limit("10/minute", cost = batch.inputs.len())]
    async fn handler(Json(batch): Json<Batch>) -> usize_text::Text {
        usize_text::Text(batch.inputs.len())
    }
    let router = routed(handler);
    assert_eq!(status(&router, json("{")).await, 400);
    assert_eq!(status(&router, batch(10)).await, 429);
    assert_eq!(status(&router, batch(9)).await, 200);
}

mod usize_text {
    pub(super) struct Text(pub(super) usize);
    impl axum::response::IntoResponse for Text {
        fn into_response(self) -> axum::response::Response {
            self.0.to_string().into_response()
        }
    }
}

#[tokio::test]
async fn a_cost_that_never_fits_says_so() {
    #[rate_limit("10/minute", cost = inputs.len())]
    async fn handler(Json(Batch { inputs, .. }): Json<Batch>) -> String {
        inputs.len().to_string()
    }
    let router = routed(handler);
    let response = send(&router, batch(11)).await;
    assert_eq!(response.status(), 429);
    assert!(!response.headers().contains_key("retry-after"));
    assert_eq!(status(&router, batch(10)).await, 200);
}

#[tokio::test]
async fn costs_of_all_kinds_on_one_handler() {
    fn weight(headers: &HeaderMap) -> u32 {
        headers
            .get("weight")
            .map_or(1, |weight| weight.to_str().unwrap().parse().unwrap())
    }
    #[rate_limit("10/minute", cost = inputs.len(), name = "inputs")]
    #[rate_limit("20/minute", cost = weight, name = "weight")]
    #[rate_limit("3/minute", name = "requests")]
    #[rate_limit("1/minute", key = |_: HeaderMap| None::<&str>, cost = 1)]
    async fn handler(Json(Batch { inputs, .. }): Json<Batch>) -> String {
        inputs.len().to_string()
    }
    let router = routed(handler);
    assert_eq!(status(&router, with(batch(1), "weight", "15")).await, 200);
    assert_eq!(status(&router, with(batch(1), "weight", "6")).await, 429);
    assert_eq!(status(&router, with(batch(9), "weight", "5")).await, 200);
    assert_eq!(status(&router, with(batch(1), "weight", "1")).await, 429);
    // Inputs and weight are used up, so what is left of the requests cannot be had.
    assert_eq!(
        status(&routed(handler), with(batch(10), "weight", "20")).await,
        200
    );
}

#[tokio::test]
async fn a_number_by_reference() {
    #[rate_limit("10/minute", cost = n)]
    async fn handler(Json(n): Json<u32>) -> String {
        n.to_string()
    }
    third_is_429(handler, || json("5")).await;
}
