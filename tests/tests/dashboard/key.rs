//! `POST /key`.

use crate::{
    app,
    app::{Answer, App},
    app_with, json, request,
};
use axum::body::Body;
use http::{Request, StatusCode};
use limit_runtime::{Limiter, store::CustomStore};
use serde_json::{Value, json as value};
use test_support::check_only::CheckOnly;

async fn post(app: &App, body: impl Into<Body>) -> Answer {
    let post = Request::post("/limits/key").header("content-type", "application/json");
    request(app, post.body(body.into()).unwrap()).await
}

async fn ask(app: &App, query: Value) -> Value {
    let answer = post(app, query.to_string()).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    json(&answer)
}

/// What remains of each limit of each budget.
fn remaining(answer: &Value) -> Vec<(Option<&str>, u64)> {
    let budgets = answer["budgets"].as_array().unwrap().iter();
    let limits = budgets.flat_map(|budget| {
        let limits = budget["limits"].as_array().unwrap().iter();
        limits.map(|limit| {
            (
                budget["route"].as_str(),
                limit["remaining"].as_u64().unwrap(),
            )
        })
    });
    limits.collect()
}

#[tokio::test]
async fn a_key_has_its_digest_and_its_outcomes_and_looking_consumes_nothing() {
    let app = app();
    for _ in 0..3 {
        app.get("/address").await;
    }
    let query = value!({"policy": "by_address", "key": "192.0.2.1", "type": "ip"});
    let first = ask(&app, query.clone()).await;
    assert_eq!(first, ask(&app, query).await);
    let stats = serde_json::to_value(app.limiter.stats()).unwrap();
    let policies = stats["policies"].as_array().unwrap();
    let busy = policies
        .iter()
        .find(|policy| policy["policy"] == "by_address");
    assert_eq!(first["key"], busy.unwrap()["busiest"][0]["key"]);
    assert_eq!(
        first["budgets"],
        value!([{"route": null, "limits": [{
            "limit": "2 per minute", "unit": "requests", "capacity": 2, "remaining": 0, "is_allowed": false,
            "next_after_ms": 60_000, "reset_after_ms": 60_000, "retry_after_ms": 60_000,
        }]}])
    );
    assert_eq!(
        (&first["cleared"], &first["is_dry_run"]),
        (&Value::Null, &value!(false))
    );
}

#[tokio::test]
async fn a_key_is_cleared_only_on_request_and_no_other_key_is() {
    let app = app();
    for address in ["192.0.2.1", "192.0.2.2"] {
        app.get_from(address, "/address").await;
        app.get_from(address, "/address").await;
    }
    let query = value!({"policy": "by_address", "key": "192.0.2.1", "type": "ip", "clear": true});
    let answer = ask(&app, query).await;
    assert_eq!(answer["cleared"], 1);
    assert_eq!(remaining(&answer), [(None, 2)]);
    assert_eq!(
        app.get_from("192.0.2.1", "/address").await.status,
        StatusCode::OK
    );
    let other = app.get_from("192.0.2.2", "/address").await;
    assert_eq!(other.status, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn keys_of_all_sources_and_scopes_are_found() {
    let app = app();
    let get = |path: &str| {
        Request::get(path)
            .header("x-api-key", "k")
            .header("x-tenant", "t")
    };
    for path in ["/api-key", "/both", "/a", "/a", "/b", "/tenant"] {
        let answer = request(&app, get(path).body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
    }
    let address = value!({"key": "192.0.2.1", "type": "ip"});
    let everyone = value!({"type": "everyone"});
    for (query, expected) in [
        (
            value!({"policy": "by_api_key", "key": "k"}),
            vec![(None, 4)],
        ),
        (
            value!({"policy": "by_both", "key": [address, "k"], "type": "tuple"}),
            vec![(None, 2)],
        ),
        (
            value!({"policy": "by_route", "type": "everyone"}),
            vec![(Some("/a"), 2), (Some("/b"), 3)],
        ),
        (
            value!({"policy": "by_route", "type": "everyone", "route": "/b"}),
            vec![(Some("/b"), 3)],
        ),
        (
            value!({"policy": "by_tenant", "key": ["t", everyone], "type": "tuple"}),
            vec![(None, 5)],
        ),
        (
            value!({"policy": "outer", "key": "192.0.2.1", "type": "ip"}),
            vec![(None, 94)],
        ),
    ] {
        let answer = ask(&app, query.clone()).await;
        assert_eq!(remaining(&answer), expected, "{query}");
    }
    let cleared = value!({"policy": "by_route", "type": "everyone", "clear": true});
    let answer = ask(&app, cleared).await;
    assert_eq!(answer["cleared"], 2);
    assert_eq!(remaining(&answer), [(Some("/a"), 4), (Some("/b"), 4)]);
}

#[tokio::test]
async fn limits_of_a_function_are_not_known_and_its_budgets_can_be_cleared() {
    let app = app();
    app.get("/tier").await;
    let query = value!({"policy": "by_tier", "type": "everyone", "clear": true});
    let answer = ask(&app, query).await;
    assert_eq!(answer["budgets"], value!([{"route": null, "limits": null}]));
    assert_eq!(answer["cleared"], 1);
}

#[tokio::test]
async fn a_policy_in_dry_run_shows_the_budget_of_the_dry_run() {
    let app = app();
    app.get("/tried").await;
    app.get("/tried").await;
    let answer = ask(&app, value!({"policy": "trial", "type": "everyone"})).await;
    assert_eq!(answer["is_dry_run"], true);
    assert_eq!(remaining(&answer), [(None, 0)]);
    app.limiter.set_dry_run("trial", false).unwrap();
    let answer = ask(&app, value!({"policy": "trial", "type": "everyone"})).await;
    assert_eq!(remaining(&answer), [(None, 1)]);
}

/// Such a key has no budget, and would seem to be unused.
#[tokio::test]
async fn a_key_of_another_type_than_the_policy_counts_by_is_refused() {
    let app = app();
    let ip = || value!({"type": "ip", "key": "192.0.2.1"});
    let text = || value!({"key": "sk-secret"});
    let number = || value!({"type": "unsigned", "key": 7});
    let everyone = || value!({"type": "everyone"});
    let tuple = |parts: [Value; 2]| value!({"type": "tuple", "key": parts});
    for (policy, key, expected) in [
        ("by_address", everyone(), r#"send "type": "ip""#),
        ("by_address", number(), r#"send "type": "ip""#),
        ("by_address", text(), r#"send "type": "ip""#),
        ("tried", text(), r#"send "type": "everyone""#),
        ("by_api_key", number(), r#"send "type": "text""#),
        (
            "by_api_key",
            tuple([text(), text()]),
            r#"send "type": "text""#,
        ),
        ("by_token", ip(), r#"send "type": "text""#),
        ("by_both", tuple([text(), ip()]), "of the type `(ip, text)`"),
        ("by_both", text(), r#"send "type": "tuple""#),
        ("by_tenant", everyone(), "what the function returns"),
        ("outer", text(), r#"send "type": "ip""#),
    ] {
        let mut query = key;
        query["policy"] = policy.into();
        let answer = post(&app, query.to_string()).await;
        let found = json(&answer);
        assert_eq!(answer.status.as_u16(), 422, "{query}: {found}");
        assert!(
            found["detail"].as_str().unwrap().contains(expected),
            "{query}: {found}"
        );
        assert!(!answer.body.contains("sk-secret"), "{found}");
    }
    // No function of the application is called, whatever it returns.
    ask(&app, value!({"policy": "by_token", "key": "t"})).await;
    let bytes = value!({"policy": "by_token", "type": "bytes", "key": [255]});
    ask(&app, bytes).await;
    // Without the address of the operator, the name of the function says what it returns.
    let query = value!({"policy": "by_address", "key": "192.0.2.1"});
    let post = Request::post("/limits/key").header("content-type", "application/json");
    let answer = app.call(post.body(query.to_string().into()).unwrap()).await;
    assert_eq!(answer.status.as_u16(), 422, "{}", answer.body);
}

/// In a remote store, other machines count on routes that this process has not met.
#[tokio::test]
async fn a_route_that_is_not_known_is_refused_only_where_all_are_known() {
    let query = value!({"policy": "by_route", "type": "everyone", "route": "/b"});
    let app = app();
    app.get("/a").await;
    let answer = post(&app, query.to_string()).await;
    let detail = json(&answer)["detail"].to_string();
    assert!(detail.contains("Routes with a budget: `/a`"), "{detail}");

    let store = CustomStore::new(CheckOnly::UNREACHABLE);
    let remote = app_with(Limiter::builder().store(store));
    remote.get("/a").await;
    assert_eq!(remaining(&ask(&remote, query).await).len(), 1);
}

#[tokio::test]
async fn errors_are_json_and_do_not_repeat_the_key() {
    let app = app();
    for (query, status, code, text) in [
        ("{", 400, "invalid_query", "no JSON"),
        (
            r#"{"policy": "by_api_key"}"#,
            400,
            "invalid_query",
            "`key` is missing",
        ),
        (
            r#"{"policy": "by_address", "key": "sk-secret", "type": "ip"}"#,
            400,
            "invalid_query",
            "address",
        ),
        (
            r#"{"policy": "none", "key": "sk-secret"}"#,
            404,
            "no_such_policy",
            "`by_api_key`",
        ),
        (
            r#"{"policy": "by_address", "key": "192.0.2.1"}"#,
            422,
            "invalid_query",
            "\"type\": \"ip\"",
        ),
        (
            r#"{"policy": "by_address_and_route", "key": "192.0.2.1", "route": "/c"}"#,
            422,
            "invalid_query",
            "\"type\": \"ip\"",
        ),
        (
            r#"{"policy": "by_route", "type": "everyone"}"#,
            422,
            "invalid_query",
            "no request to this process has met it yet: send a `route`",
        ),
        (
            r#"{"policy": "by_route", "type": "everyone", "route": "/nope"}"#,
            422,
            "invalid_query",
            "No request to `route` has met `by_route`",
        ),
        (
            r#"{"policy": "by_tier", "type": "everyone", "route": "/a"}"#,
            422,
            "invalid_query",
            "leave out `route`",
        ),
    ] {
        let answer = post(&app, query).await;
        let found = json(&answer);
        assert_eq!(answer.status.as_u16(), status, "{query}: {found}");
        assert_eq!(found["error"]["code"], code, "{found}");
        assert!(found["detail"].as_str().unwrap().contains(text), "{found}");
        assert!(!answer.body.contains("sk-secret"), "{found}");
        assert_eq!(
            answer.header("content-type"),
            Some("application/problem+json")
        );
    }
    let large = post(&app, vec![b' '; 65 * 1024]).await;
    assert_eq!(large.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(json(&large)["error"]["code"], "invalid_body");
}

/// Only such a type is not sent by a form of another site.
#[tokio::test]
async fn a_form_is_refused() {
    let app = app();
    for content_type in [
        None,
        Some("text/plain"),
        Some("application/x-www-form-urlencoded"),
    ] {
        let mut post = Request::post("/limits/key");
        if let Some(content_type) = content_type {
            post = post.header("content-type", content_type);
        }
        let body = r#"{"policy": "by_tier", "type": "everyone", "clear": true}"#;
        let answer = request(&app, post.body(Body::from(body)).unwrap()).await;
        assert_eq!(
            answer.status,
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "{content_type:?}"
        );
        assert_eq!(json(&answer)["error"]["code"], "no_json");
    }
}
