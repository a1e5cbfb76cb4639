//! Failures to sign in, limited by the e-mail address in the body.

use crate::api::{Answer, Api};
use serde_json::json;

async fn sign_in(api: &Api, email: &str, password: &str) -> Answer {
    let body = json!({ "email": email, "password": password });
    api.post("/login", &body).await
}

#[tokio::test]
async fn five_failures_shut_an_account_and_successes_do_not_count() {
    let api = Api::start("login");
    for _ in 0..6 {
        sign_in(&api, "ada@example.org", "correct horse")
            .await
            .expect(200);
    }
    for spelling in [
        "ada@example.org",
        "ADA@example.org",
        " ada@example.org",
        "Ada@example.org",
    ] {
        sign_in(&api, spelling, "guess").await.expect(401);
    }
    sign_in(&api, "ada@example.org", "guess").await.expect(401);
    let refused = sign_in(&api, "Ada@Example.org", "correct horse").await;
    refused.refused_by(&["accounts"], 15 * 60);
    sign_in(&api, "bob@example.org", "correct horse")
        .await
        .expect(200);
}

#[tokio::test]
async fn a_client_that_tries_many_accounts_is_shut_out() {
    let api = Api::start("login");
    for n in 0..20 {
        sign_in(&api, &format!("user{n}@example.org"), "guess")
            .await
            .expect(401);
    }
    let refused = sign_in(&api, "other@example.org", "correct horse").await;
    refused.refused_by(&["clients"], 15 * 60);
    // Its own address refuses it before the body is read.
    let request = api.request(reqwest::Method::POST, "/login").body("no JSON");
    let refused = crate::api::answer(request).await;
    refused.refused_by(&["clients"], 15 * 60);
}
