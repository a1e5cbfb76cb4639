//! Keys, limits and scopes cannot use the arguments of the handler.

use limit_macros::rate_limit;

#[rate_limit("10/minute", key = user.id)]
async fn key(user: User) {
    let _ = user;
}

#[rate_limit(user.limits(), key = ("a", user.id))]
async fn both(user: User) {
    let _ = user;
}

#[rate_limit("10/minute", key = user_id)]
async fn by_name(Path(user_id): Path<u64>) {
    let _ = user_id;
}

#[rate_limit("10/minute", scope = model, key = everyone)]
async fn scope(Path((model, version)): axum::extract::Path<(String, u32)>) {
    let _ = (model, version);
}

#[rate_limit(limits)]
async fn limits(State(limits): State<Limits>) {
    let _ = limits;
}

#[rate_limit("10/minute", key = (client_ip, (user.id, model)))]
async fn two_arguments(user: User, Path(model): Path<String>) {
    let _ = (user, model);
}

#[rate_limit("10/minute", key = input.model)]
async fn of_the_body(Json(input): Json<Input>) {
    let _ = input;
}

struct User;

fn main() {}
