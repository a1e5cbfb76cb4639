//! How users test their handlers.

use crate::common::text;
use axum::extract::State;
use axum::{Json, response::IntoResponse};
use limit_runtime::{Limited, rate_limit};

#[rate_limit("1/day", cost = inputs.len(), direct = predict_now)]
/// Predicts.
async fn predict(State(bias): State<i32>, Json(inputs): Json<Vec<i32>>) -> Json<i32> {
    Json(bias + inputs.into_iter().sum::<i32>())
}

#[tokio::test]
async fn direct_is_the_function_as_written() {
    for _ in 0..3 {
        let Json(sum) = predict_now(State(1), Json(vec![2, 3])).await;
        assert_eq!(sum, 6);
    }
}

#[tokio::test]
async fn unlimited_arguments_are_not_checked() {
    for _ in 0..3 {
        let response = predict(Limited::unlimited((State(1), Json(vec![2, 3])))).await;
        assert!(!response.headers().contains_key("ratelimit"));
        assert_eq!(text(response).await, "6");
    }
}

#[rate_limit("1/day", direct = countdown_now)]
async fn countdown(n: String) -> String {
    match n.len() {
        0 => "end".to_owned(),
        len => Box::pin(countdown(n[..len - 1].to_owned())).await,
    }
}

#[tokio::test]
async fn a_direct_function_may_call_itself_by_the_handlers_name() {
    assert_eq!(countdown_now("aaa".to_owned()).await, "end");
    let response = countdown(Limited::unlimited(("aaa".to_owned(),))).await;
    assert_eq!(text(response.into_response()).await, "end");
}
