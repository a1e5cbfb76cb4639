//! Digests of keys for stores on a server: keyed hashes, from which a client's key cannot be read.

use super::scope::Scope;
use crate::key::Key;
use std::fmt;

/// Replaces the secret if none is configured. The digests are hashes even then, but a person with
/// access to the server can hash a guessed key and look for it.
const DEFAULT_SECRET: &str = "limit-runtime: no secret was configured";

/// A digest of a scope and a client's key.
pub(super) type Digest = [u8; 16];

/// The hash key that all digests of a store are made with.
///
/// Machines with equal secrets make equal digests, and so share their budgets.
#[derive(Clone)]
pub(super) struct KeyDigester([u8; 32]);

impl KeyDigester {
    /// `context` is the context string of BLAKE3's key derivation, one for each kind of store. If
    /// it changed, all counts would be lost.
    pub(super) fn new(context: &str, secret: Option<&str>) -> Self {
        let secret = secret.unwrap_or(DEFAULT_SECRET);
        Self(blake3::derive_key(context, secret.as_bytes()))
    }

    /// The digest of a scope and a key.
    pub(super) fn digest(&self, scope: Scope<'_>, key: &Key) -> Digest {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
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
        let mut digest = Digest::default();
        for (byte, hashed) in digest.iter_mut().zip(hasher.finalize().as_bytes()) {
            *byte = *hashed;
        }
        digest
    }
}

impl fmt::Debug for KeyDigester {
    /// Leaves out the hash key, which comes from the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyDigester").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::IntoKey;

    #[test]
    fn machines_with_one_secret_agree_and_others_do_not() {
        let scope = Scope::handler("app::predict", "client_ip");
        let digest = |secret| KeyDigester::new("test", secret).digest(scope, &"alice".into_key());
        assert_eq!(digest(Some("a")), digest(Some("a")));
        assert_ne!(digest(Some("a")), digest(Some("b")));
        assert_ne!(digest(Some("a")), digest(None));
    }
}
