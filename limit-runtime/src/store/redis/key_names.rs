//! Names of keys in Redis: a keyed hash, from which the client's key cannot be read.

use crate::{key::Key, store::Scope, window::Strategy};
use std::fmt::{self, Write};

/// Replaces the secret if none is configured. The names are hashes even then, but a person with
/// access to the server can hash a guessed key and look for it.
const DEFAULT_SECRET: &str = "limit-runtime: no secret was configured";
/// The context string of BLAKE3's key derivation. If it changed, all counts would be lost.
const DERIVATION_CONTEXT: &str = "limit-runtime 2026-01 redis key names";

/// The prefix and the hash key that the names of all keys are made with.
///
/// Machines with equal prefixes and secrets use equal names, and so share their budgets.
#[derive(Clone)]
pub(super) struct KeyNames {
    prefix: Box<str>,
    hash_key: [u8; 32],
}

impl KeyNames {
    pub(super) fn new(prefix: &str, secret: Option<&str>) -> Self {
        Self {
            prefix: prefix.into(),
            hash_key: derive_hash_key(secret.unwrap_or(DEFAULT_SECRET)),
        }
    }

    pub(super) fn set_prefix(&mut self, prefix: &str) {
        self.prefix = prefix.into();
    }

    pub(super) fn set_secret(&mut self, secret: &str) {
        self.hash_key = derive_hash_key(secret);
    }

    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The beginning of the names of all keys for one scope and client key: `prefix:{digest}`.
    ///
    /// The braces are a hash tag: they keep these keys in one slot of a cluster.
    pub(super) fn budget_prefix(&self, scope: Scope<'_>, key: &Key) -> String {
        let mut hasher = blake3::Hasher::new_keyed(&self.hash_key);
        for part in [
            scope.name.as_bytes(),
            scope.rule.as_bytes(),
            scope.route.as_bytes(),
            key.as_bytes(),
        ] {
            // With its length before it, no part can run into the next one.
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        let digest = hasher.finalize();
        let mut name = String::with_capacity(self.prefix.len() + 50);
        name.push_str(&self.prefix);
        name.push_str(":{");
        name.push_str(&digest.to_hex()[..32]);
        name.push('}');
        name
    }
}

impl fmt::Debug for KeyNames {
    /// Leaves out the hash key, which comes from the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyNames")
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

fn derive_hash_key(secret: &str) -> [u8; 32] {
    blake3::derive_key(DERIVATION_CONTEXT, secret.as_bytes())
}

/// The name of one Redis key, such as `limit:{5e0f…}:m60000`.
///
/// It contains strategy and window but not the count, so that a changed limit keeps its history.
pub(super) fn redis_key(budget_prefix: &str, strategy: Strategy, window_millis: u64) -> String {
    let mut name = String::with_capacity(budget_prefix.len() + 16);
    name.push_str(budget_prefix);
    // Writing to a string cannot fail.
    let _ = write!(name, ":{}{window_millis}", strategy_letter(strategy));
    name
}

pub(super) fn strategy_letter(strategy: Strategy) -> char {
    match strategy {
        Strategy::MovingWindow => 'm',
        Strategy::FixedWindow => 'f',
        Strategy::SlidingWindow => 's',
        Strategy::Gcra { .. } => 'g',
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::IntoKey;

    const SCOPE: Scope<'static> = Scope::handler("app::predict", "client_ip");

    #[test]
    fn machines_with_one_secret_agree_and_others_do_not() {
        let name =
            |secret| KeyNames::new("limit", secret).budget_prefix(SCOPE, &"alice".into_key());
        assert_eq!(name(Some("a")), name(Some("a")));
        assert_ne!(name(Some("a")), name(Some("b")));
        assert_ne!(name(Some("a")), name(None));
    }

    #[test]
    fn a_name_is_the_prefix_and_32_digits() {
        let name = KeyNames::new("limit", None).budget_prefix(SCOPE, &"alice".into_key());
        let digest = name
            .strip_prefix("limit:{")
            .and_then(|rest| rest.strip_suffix('}'));
        let digest = digest.expect("prefix and braces");
        assert_eq!(digest.len(), 32);
        assert!(digest.chars().all(|c| c.is_ascii_hexdigit()));
    }
}
