//! Budgets that are shared: by all users, and by two handlers.

use crate::api::{Answer, Api, answer};
use reqwest::Method;
use serde_json::json;

async fn ask(api: &Api, path: &str, user: &str) -> Answer {
    let path = format!("{path}?text=in+a+spirit");
    answer(api.request(Method::GET, &path).header("x-user", user)).await
}

#[tokio::test]
async fn a_client_over_its_own_limit_consumes_nothing_of_the_shared_one() {
    let api = Api::start("shared");
    for n in 0..100 {
        let answer = ask(&api, "/language", "a").await;
        if n < 50 {
            let answer = answer.expect(200);
            let policies = r#""app";q=100;w=60, "user";q=50;w=60"#;
            assert_eq!(answer.header("ratelimit-policy"), policies);
            assert_eq!(answer.remaining(), 49 - n);
            assert_eq!(answer.body, json!({ "language": "English" }));
        } else {
            answer.refused_by(&["user"], 60);
        }
    }
    for _ in 0..50 {
        ask(&api, "/language", "b").await.expect(200);
    }
    let both = ask(&api, "/language", "b").await;
    both.refused_by(&["app", "user"], 60);
    ask(&api, "/language", "c").await.refused_by(&["app"], 60);
}

#[tokio::test]
async fn two_handlers_share_one_budget() {
    let api = Api::start("shared");
    for n in 0..10 {
        let answer = ask(&api, "/small", "a").await;
        if n < 5 {
            assert_eq!(answer.expect(200).remaining(), 4 - n);
        } else {
            answer.refused_by(&["models"], 60);
        }
    }
    ask(&api, "/large", "a").await.refused_by(&["models"], 60);
    assert_eq!(ask(&api, "/large", "b").await.expect(200).remaining(), 4);
    assert_eq!(ask(&api, "/small", "b").await.expect(200).remaining(), 3);
    // Neither is what the application as a whole may do.
    ask(&api, "/language", "a").await.expect(200);
}

#[tokio::test]
async fn who_does_not_say_who_it_is_is_refused() {
    let api = Api::start("shared");
    let answer = api.get("/language?text=in").await.expect(400);
    assert_eq!(answer.body["detail"], "Header `x-user` is required");
}
