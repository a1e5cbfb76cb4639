//! Mistakes in expressions over the arguments, each at the expression.

use axum::{Json, Router, routing::post};
use limit_runtime::rate_limit;
use serde::Deserialize;

#[derive(Clone, Deserialize)]
struct Login {
    email: String,
    tenant: Option<u32>,
    plan: Plan,
}

#[derive(Clone, Deserialize)]
struct Plan;

impl Login {
    fn into_email(self) -> String {
        self.email
    }
}

#[rate_limit("10/minute", key = login.into_email())]
async fn moved(Json(login): Json<Login>) {
    let _ = login;
}

#[rate_limit("10/minute", key = login.tenant)]
async fn option(Json(login): Json<Login>) {
    let _ = login;
}

#[rate_limit("10/minute", key = login.tenant.as_ref())]
async fn option_of_a_call(Json(login): Json<Login>) {
    let _ = login;
}

#[rate_limit("10/minute", key = (login.email, login.plan))]
async fn no_key(Json(login): Json<Login>) {
    let _ = login;
}

#[rate_limit(login.plan, scope = login.plan)]
async fn no_limits(Json(login): Json<Login>) {
    let _ = login;
}

#[rate_limit("10/minute", key = login.mail)]
async fn no_such_field(Json(login): Json<Login>) {
    let _ = login;
}

#[rate_limit("10/minute", key = user)]
async fn unnamed(_: Json<Login>) {}

fn main() {
    let _: Router = Router::new()
        .route("/1", post(moved).get(option).put(option_of_a_call))
        .route("/2", post(no_key).get(no_limits).put(no_such_field).delete(unnamed));
}
