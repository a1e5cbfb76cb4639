//! Keys and limits are known before the handler's arguments are.

use limit_macros::rate_limit;

#[rate_limit("10/minute", key = user.id)]
async fn key(user: User) {
    let _ = user;
}

#[rate_limit(user.limits(), key = ("a", user.id))]
async fn both(user: User) {
    let _ = user;
}

struct User;

fn main() {
    let _ = (key, both);
}
