//! What `cost = …` may be.

use crate::common::{get, json, request, routed, send, status, third_is_429, with};
use axum::Json;
use axum::body::Body;
use http::{HeaderMap, StatusCode};
use limit_runtime::{Limits, rate_limit};
use serde::Deserialize;
use std::num::{NonZeroI64, NonZeroU32};
use std::sync::atomic::{AtomicU32, Ordering};

const FIVE: u32 = 5;
const SIGNED: i32 = 5;
const NEGATIVE: i32 = -5;

fn signed(_: &HeaderMap) -> Result<i128, StatusCode> {
    Ok(5)
}

fn nothing(_: &HeaderMap) -> u32 {
    0
}

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
five!(a_sum_of_literals, 2 * 5 - 5);
five!(a_shift_of_literals, (1 << 2) + 1);
five!(a_signed_constant, SIGNED);
five!(a_signed_expression, SIGNED * 2 - 5);
five!(a_constant_condition, if FIVE > 1 { 5 } else { 1 });
five!(a_closure_without_arguments, || 5);
five!(a_closure_of_an_untyped_number, |_: HeaderMap| 5);
five!(a_signed_function, signed);
five!(a_signed_nonzero, NonZeroI64::new(5).unwrap());
five!(a_block_of_literals, { 5 });
five!(a_cast, 5 as i64);

macro_rules! one {
    ($test:ident, $($cost:tt)*) => {
        #[tokio::test]
        async fn $test() {
            #[rate_limit("2/minute", cost = $($cost)*)]
            async fn handler() {}
            third_is_429(handler, get).await;
        }
    };
}

one!(a_computed_zero_counts_one, nothing);
one!(a_zero_of_literals_counts_one, 5 - 5);
one!(a_zero_of_a_closure_counts_one, |_: &HeaderMap| 0_usize);
one!(a_negative_constant_counts_one, NEGATIVE);
one!(a_negative_function_counts_one, |_: &HeaderMap| i64::MIN);
one!(a_constant_of_zero_counts_one, u64::MIN);

/// With a literal 0 the handler charges: a client is refused once nothing is left.
#[tokio::test]
async fn a_literal_zero_leaves_the_charge_to_the_handler() {
    #[rate_limit("10/minute", cost = 0)]
    async fn handler(limit: limit_runtime::RateLimit) -> String {
        let before = limit.remaining();
        limit.charge(5).await.unwrap();
        format!("{before:?}")
    }
    #[rate_limit("10/minute", cost = 0)]
    async fn free() {}
    let router = routed(handler);
    let body = async || crate::common::text(send(&router, get()).await).await;
    assert_eq!(body().await, "Some(10)");
    assert_eq!(body().await, "Some(5)");
    assert_eq!(status(&router, get()).await, 429);
    let router = routed(free);
    for _ in 0..20 {
        assert_eq!(status(&router, get()).await, 200);
    }
}

/// What a cost alone uses is used: no warnings.
#[deny(warnings)]
mod used_by_the_cost_alone {
    use super::{Batch, Json, rate_limit};
    use axum::extract::State;

    #[rate_limit("10/minute", cost = n)]
    pub(super) async fn name(Json(n): Json<u32>) {}

    #[rate_limit("10/minute", cost = inputs.len(), direct = fields_now)]
    pub(super) async fn fields(Json(Batch { inputs, .. }): Json<Batch>) {}

    #[rate_limit("10/minute", cost = rest.len())]
    pub(super) async fn rest_of_an_array(Json([_, rest @ ..]): Json<[u32; 6]>) {}

    #[rate_limit("10/minute", cost = all.len() + rest.len() - 6)]
    pub(super) async fn whole_and_rest(Json(all @ [_, ref rest @ ..]): Json<[u32; 6]>) {
        let _ = rest;
    }

    #[rate_limit("10/minute", cost = n + first)]
    pub(super) async fn through_references(
        State(&n): State<&'static u32>,
        Json((first, _)): Json<(u32, u32)>,
    ) {
    }

    #[rate_limit("10/minute", cost = n)]
    pub(super) async fn of_a_reference(State((n, _)): State<&'static (u32, u32)>) {}

    #[rate_limit("10/minute", cost = format!("{text}!").len() - 1)]
    pub(super) async fn captured(text: String) {}

    #[rate_limit("10/minute", cost = texts.iter().map(|text| text.len()).sum::<usize>())]
    pub(super) async fn shadowed(Json((texts, text)): Json<(Vec<String>, u32)>) -> String {
        text.to_string()
    }
}

#[tokio::test]
async fn patterns_of_every_kind() {
    use used_by_the_cost_alone as handlers;
    third_is_429(handlers::name, || json("5")).await;
    third_is_429(handlers::fields, || batch(5)).await;
    handlers::fields_now(Json(Batch {
        inputs: Vec::new(),
        model: String::new(),
    }))
    .await;
    third_is_429(handlers::rest_of_an_array, || json("[0,0,0,0,0,0]")).await;
    third_is_429(handlers::whole_and_rest, || json("[0,0,0,0,0,0]")).await;
    third_is_429(handlers::captured, || request("POST", "/", "12345")).await;
    third_is_429(handlers::shadowed, || json(r#"[["12","345"],7]"#)).await;
    let router = axum::Router::new()
        .route("/", axum::routing::post(handlers::through_references))
        .with_state(&4_u32);
    let router = crate::common::limited(router);
    crate::common::third_of_router_is_429(&router, || json("[1,9]")).await;
    let router = axum::Router::new()
        .route("/", axum::routing::post(handlers::of_a_reference))
        .with_state(&(5_u32, 9_u32));
    let router = crate::common::limited(router);
    crate::common::third_of_router_is_429(&router, || json("")).await;
}

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
    #[rate_limit(|_: HeaderMap| None::<Limits>, name = "exempt", cost = 1)]
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
