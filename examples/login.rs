//! Sign-in that cannot be guessed: failures are limited by e-mail address and by client address.
//!
//! * `POST /login` with `{"email": …, "password": …}`: five failures in 15 minutes for each e-mail
//!   address, from all clients together, and 20 for each client address. A successful sign-in does
//!   not count
//!
//! The e-mail address is in the body. A client that its own address refuses is refused before the
//! body is read. The password of every account is `correct horse`.
//!
//! `cargo run --example login`, then try (`PORT` chooses another port):
//!
//! ```sh
//! for password in 1 2 3 4 5 6; do
//!     curl -isS http://localhost:8000/login \
//!         --json '{"email": "ada@example.org", "password": "'$password'"}'; echo
//! done
//! ```

use axum::{Json, Router, http::StatusCode, response::Response, routing::post};
use limit_runtime::{client_ip, rate_limit};
use serde::Deserialize;
use std::error::Error;

#[derive(Deserialize)]
struct Login {
    email: String,
    password: String,
}

impl Login {
    /// One account has one budget, however its address is written.
    fn account(&self) -> String {
        self.email.trim().to_lowercase()
    }
}

fn has_failed(response: &Response) -> bool {
    response.status() == StatusCode::UNAUTHORIZED
}

#[rate_limit("20/15 minutes", name = "clients", key = client_ip, count_when = has_failed)]
#[rate_limit("5/15 minutes", name = "accounts", key = login.account(), count_when = has_failed)]
async fn sign_in(Json(login): Json<Login>) -> (StatusCode, &'static str) {
    if login.password == "correct horse" {
        (StatusCode::OK, "welcome")
    } else {
        (StatusCode::UNAUTHORIZED, "wrong e-mail address or password")
    }
}

fn app() -> Router {
    Router::new().route("/login", post(sign_in))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    examples::serve(app(), include_str!("login.rs")).await
}
