//! The limits of the client that asks.

use crate::{app, json, request};
use axum::body::Body;
use http::Request;
use serde_json::{Value, json as value};

/// What remains of the first limit of each policy on a route.
fn remaining(answer: &Value) -> Vec<(&str, Option<&str>, u64)> {
    let policies = answer["policies"].as_array().unwrap().iter();
    let mut found: Vec<_> = policies
        .map(|policy| {
            let remaining = policy["limits"][0]["remaining"].as_u64().unwrap();
            (
                policy["policy"].as_str().unwrap(),
                policy["route"].as_str(),
                remaining,
            )
        })
        .collect();
    found.sort_unstable();
    found
}

fn others(answer: &Value) -> Vec<&str> {
    let others = answer["others"].as_array().unwrap().iter();
    let mut others: Vec<_> = others.map(|name| name.as_str().unwrap()).collect();
    others.sort_unstable();
    others
}

#[tokio::test]
async fn a_client_sees_its_own_limits_and_the_names_of_the_others() {
    let app = app();
    app.get("/address").await;
    app.get_from("192.0.2.2", "/address").await;
    app.get("/a").await;
    app.get("/tried").await;
    let with_key = || {
        Request::get("/mine")
            .header("x-api-key", "k")
            .body(Body::empty())
            .unwrap()
    };
    let answer = json(&request(&app, with_key()).await);
    // Asking consumes nothing.
    assert_eq!(answer, json(&request(&app, with_key()).await));
    assert_eq!(
        remaining(&answer),
        [
            ("by_address", None, 1),
            ("by_api_key", None, 5),
            ("by_both", None, 3),
            ("by_route", Some("/a"), 3),
            ("outer", None, 97),
            ("tried", None, 8),
        ]
    );
    // A policy with a budget for each route has none before its first request.
    assert_eq!(
        others(&answer),
        ["by_address_and_route", "by_tenant", "by_tier", "by_token"]
    );
    assert_eq!(
        answer["policies"][0]["limits"][0]["limit"],
        value!("2 per minute")
    );
}

#[tokio::test]
async fn a_policy_without_a_key_for_the_client_is_named_only() {
    let app = app();
    let answer = json(&app.get("/mine").await);
    assert_eq!(
        others(&answer),
        [
            "by_address_and_route",
            "by_api_key",
            "by_both",
            "by_route",
            "by_tenant",
            "by_tier",
            "by_token"
        ]
    );
}
