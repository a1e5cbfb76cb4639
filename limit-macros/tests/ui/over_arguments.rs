//! Expressions over the arguments: names that could mean something else, or nothing.

use limit_macros::rate_limit;

#[rate_limit("10/minute", key = client_ip)]
async fn key_function(ClientIp(client_ip): ClientIp) {
    let _ = client_ip;
}

#[rate_limit("10/minute", key = (user.id, bearer))]
async fn part_of_a_tuple(user: User, TypedHeader(bearer): TypedHeader<Bearer>) {
    let _ = (user, bearer);
}

#[rate_limit("10/minute", scope = route, key = header)]
async fn scope_function(Path(route): Path<String>, header: HeaderMap) {
    let _ = (route, header);
}

#[rate_limit("10/minute", key = usr.id)]
async fn misspelled(user: User) {
    let _ = user;
}

#[rate_limit(pln.limits(), key = login.email, cost = login.parts.len() + logn.weight)]
async fn misspelled_elsewhere(plan: Plan, Json(login): Json<Login>) {
    let _ = (plan, login);
}

#[rate_limit("10/minute", key = Some("x"), scope = request.model)]
#[rate_limit("20/minute", key = Some("x"), scope = request . model)]
async fn one_budget_twice(Json(request): Json<Request>) {
    let _ = request;
}

fn main() {}
