//! Whether a key is of the type that a policy counts by. Another one has no budget, and would seem
//! to be unused.

use super::{client_limits, inspect::InspectedPolicy};
use crate::{key::Key, limiter::Limiter, observe::known_budget::KnownKey};
use axum::extract::connect_info::{ConnectInfo, MockConnectInfo};
use http::{HeaderName, HeaderValue, header, request::Parts};
use std::net::SocketAddr;

/// Checks the type, where the key is computed by functions of this crate. `parts` are those of the
/// request of the operator.
///
/// # Errors
/// The type that is expected, and what to send.
pub(super) async fn check_type(
    limiter: &Limiter,
    policy: &InspectedPolicy,
    key: &Key,
    parts: Parts,
) -> Result<(), String> {
    let (name, found) = (&policy.name, key.type_name());
    if policy.budget.has_computed_scope() {
        let is_tuple = found.starts_with('(') && found.contains(", ");
        return is_tuple.then_some(()).ok_or_else(|| {
            format!(
                "`{name}` has a scope function, and `key` is of the type `{found}`: send the \
                 tuple of what the function returns and the key, with \"type\": \"tuple\""
            )
        });
    }
    let Some(expected) = expected_type(limiter, policy, parts).await else {
        return Ok(());
    };
    // A header or token that is no UTF-8 is bytes.
    if found.replace("bytes", "text") == expected {
        return Ok(());
    }
    let send = match expected.starts_with('(') {
        true => "tuple",
        false => &expected,
    };
    Err(format!(
        "`{name}` counts by `{}`, which is of the type `{expected}`, and `key` is of the type \
         `{found}`: send \"type\": \"{send}\"",
        policy.key_label
    ))
}

/// The type of the key that the operator's own request has under the policy. `None` if a function
/// of the application computes it, or if that is not known.
async fn expected_type(
    limiter: &Limiter,
    policy: &InspectedPolicy,
    mut parts: Parts,
) -> Option<String> {
    let extensions = &parts.extensions;
    let has_peer = extensions.get::<ConnectInfo<SocketAddr>>().is_some()
        || extensions.get::<MockConnectInfo<SocketAddr>>().is_some();
    if !has_peer && policy.key_label.contains("client_ip") {
        // Without an address, the function would report a wrong set-up of the server.
        let is_other_default =
            matches!(policy.budget.key, KnownKey::Default) && limiter.default_key_fn().is_some();
        let is_address = policy.key_label == "client_ip" && !is_other_default;
        return is_address.then(|| "ip".to_owned());
    }
    add_headers(&mut parts, policy.key_label);
    // `client_ip` has its settings from the limiter of the request.
    parts.extensions.insert(limiter.clone());
    let key = client_limits::key(limiter, policy, &mut parts).await?;
    Some(key.type_name())
}

/// Adds the headers that the key functions in `label` read, where the request has none.
fn add_headers(parts: &mut Parts, label: &str) {
    // The operator may be authenticated in another way.
    let token = HeaderValue::from_static("Bearer token");
    parts.headers.insert(header::AUTHORIZATION, token);
    // The names are between quotes: `(client_ip, header("x-api-key"))`.
    for name in label.split('"').skip(1).step_by(2) {
        if let Ok(name) = HeaderName::try_from(name) {
            parts
                .headers
                .insert(name, HeaderValue::from_static("value"));
        }
    }
}
