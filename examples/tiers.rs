//! Tiers: the limits of a client depend on its API key.
//!
//! * `POST /models/{size}/language`: 20 a minute for free clients, 100 for premium ones. The large
//!   model is for premium clients only: the response to others is 403, which consumes nothing. An
//!   unknown key: 401
//! * `PUT /clients/{name}/tier`: for the administrator. A new tier applies from the next request
//!   on, and what has been used still counts: a free client that was refused has 80 more as a
//!   premium one
//!
//! `cargo run --example tiers`, then try (`PORT` chooses another port):
//!
//! ```sh
//! language() { # model, API key
//!     curl -isS "http://localhost:8000/models/$1/language" -H "x-api-key: $2" \
//!         --json '{"text": "guten Tag"}'; echo
//! }
//! for i in $(seq 21); do language small key-of-ann; done
//! language large key-of-ann
//! curl -isS -X PUT http://localhost:8000/clients/ann/tier -H 'x-api-key: key-of-admin' \
//!     --json '"premium"'
//! language large key-of-ann
//! ```

use axum::{
    Json, Router,
    extract::{FromRequestParts, Path, State},
    http::{HeaderMap, StatusCode, request::Parts},
    routing::{post, put},
};
use examples::language::{Input, Model, Output};
use limit_runtime::{Limits, limits, rate_limit};
use serde::Deserialize;
use std::{
    collections::HashMap,
    error::Error,
    sync::{Arc, LazyLock, PoisonError, RwLock},
};

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Tier {
    Free,
    Premium,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Size {
    Small,
    Large,
}

/// The limits function: takes any extractors and returns limits, or the response that refuses the
/// request.
fn by_tier(Client { tier, .. }: Client, Path(size): Path<Size>) -> Result<Limits, Refusal> {
    match (tier, size) {
        (Tier::Free, Size::Small) => Ok(limits!("20/minute")),
        (Tier::Free, Size::Large) => Err((StatusCode::FORBIDDEN, "The large model is premium")),
        (Tier::Premium, _) => Ok(limits!("100/minute")),
    }
}

/// The key function: by name, so that all API keys and tiers of a client share one budget.
fn by_name(Client { name, .. }: Client) -> String {
    name
}

#[rate_limit(by_tier, key = by_name, state = Clients)]
async fn language(Path(size): Path<Size>, Json(input): Json<Input>) -> Json<Output> {
    static SMALL: LazyLock<Model> = LazyLock::new(|| Model::train(1));
    static LARGE: LazyLock<Model> = LazyLock::new(|| Model::train(3));
    let model = match size {
        Size::Small => &SMALL,
        Size::Large => &LARGE,
    };
    Json(model.predict(&input.text))
}

async fn set_tier(
    State(clients): State<Clients>,
    Path(name): Path<String>,
    headers: HeaderMap,
    Json(tier): Json<Tier>,
) -> Result<StatusCode, Refusal> {
    if headers.get("x-api-key").is_none_or(|key| key != ADMIN_KEY) {
        return Err((StatusCode::FORBIDDEN, "This is for the administrator"));
    }
    if clients.set_tier(&name, tier) {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err((StatusCode::NOT_FOUND, "There is no such client"))
    }
}

type Refusal = (StatusCode, &'static str);

/// A real service keeps clients in a database, and API keys as hashes.
#[derive(Clone)]
struct Clients(Arc<RwLock<HashMap<&'static str, Client>>>);

const ADMIN_KEY: &str = "key-of-admin";

impl Clients {
    fn new() -> Self {
        let client = |name: &str, tier| Client {
            name: name.to_owned(),
            tier,
        };
        let clients = HashMap::from([
            ("key-of-ann", client("ann", Tier::Free)),
            ("key-of-bob", client("bob", Tier::Free)),
            ("key-of-eve", client("eve", Tier::Premium)),
        ]);
        Self(Arc::new(RwLock::new(clients)))
    }

    fn find(&self, key: &str) -> Option<Client> {
        let clients = self.0.read().unwrap_or_else(PoisonError::into_inner);
        clients.get(key).cloned()
    }

    fn set_tier(&self, name: &str, tier: Tier) -> bool {
        let mut clients = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let client = clients.values_mut().find(|client| client.name == name);
        client.map(|client| client.tier = tier).is_some()
    }
}

/// The client that the API key of a request belongs to.
#[derive(Clone)]
struct Client {
    name: String,
    tier: Tier,
}

impl FromRequestParts<Clients> for Client {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, clients: &Clients) -> Result<Self, Refusal> {
        let key = parts.headers.get("x-api-key");
        let client = key.and_then(|key| clients.find(key.to_str().ok()?));
        client.ok_or((StatusCode::UNAUTHORIZED, "A valid x-api-key is required"))
    }
}

fn app() -> Router {
    Router::new()
        .route("/models/{size}/language", post(language))
        .route("/clients/{name}/tier", put(set_tier))
        .with_state(Clients::new())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    examples::serve(app(), include_str!("tiers.rs")).await
}
