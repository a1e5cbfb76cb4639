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
        Self(derive_key(context, secret))
    }

    /// The digest of a scope and a key.
    pub(super) fn digest(&self, scope: Scope<'_>, key: &Key) -> Digest {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        let parts = scope.texts().into_iter().map(str::as_bytes);
        for part in parts.chain([key.as_bytes()]) {
            // With its length before it, no part can run into the next one.
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        digest_of(&hasher)
    }

    /// The digest of a text that is shorter than the lengths of the parts of a scope and a key, so
    /// that none of those has this digest.
    #[cfg(feature = "redis")]
    pub(super) fn digest_of_text(&self, text: &str) -> Digest {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        hasher.update(text.as_bytes());
        digest_of(&hasher)
    }
}

fn digest_of(hasher: &blake3::Hasher) -> Digest {
    let hash = hasher.finalize();
    *hash.as_bytes().first_chunk().unwrap_or(&Digest::default())
}

/// A key that is derived from the secret, one for each context.
pub(super) fn derive_key(context: &str, secret: Option<&str>) -> [u8; 32] {
    blake3::derive_key(context, secret.unwrap_or(DEFAULT_SECRET).as_bytes())
}

/// Appends the lower-case hexadecimal digits of some bytes.
pub(super) fn push_hex(text: &mut String, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        for digit in [byte >> 4, byte & 15] {
            // A digit is below 16.
            text.extend(DIGITS.get(usize::from(digit)).map(|&c| char::from(c)));
        }
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
