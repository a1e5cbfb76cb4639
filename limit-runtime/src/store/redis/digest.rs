//! What a budget is called in Redis: nothing of what its key is made of can be read from it.

use crate::{key::Key, store::Scope, window::Strategy};
use std::fmt::{self, Write};

/// Without a secret of the user's: the names are then no plain text, but whoever can read the server
/// and has a guess can confirm it.
const NO_SECRET: &str = "limit-runtime: no secret was configured";
/// The purpose of the derived key, as BLAKE3 wants it: fixed for ever.
const CONTEXT: &str = "limit-runtime 2026-01 redis key names";

/// Names budgets by a keyed hash, so that all machines with one secret agree on them.
#[derive(Clone)]
pub(super) struct Namer {
    prefix: Box<str>,
    key: [u8; 32],
}

impl Namer {
    pub(super) fn new(prefix: &str, secret: Option<&str>) -> Self {
        Self {
            prefix: prefix.into(),
            key: derived(secret.unwrap_or(NO_SECRET)),
        }
    }

    pub(super) fn set_prefix(&mut self, prefix: &str) {
        self.prefix = prefix.into();
    }

    pub(super) fn set_secret(&mut self, secret: &str) {
        self.key = derived(secret);
    }

    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// `prefix:{digest}`: what all keys of one owner begin with. The braces keep them in one slot of a cluster.
    pub(super) fn owner(&self, scope: Scope<'_>, key: &Key) -> String {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        for part in [
            scope.name.as_bytes(),
            scope.rule.as_bytes(),
            scope.route.as_bytes(),
            key.as_bytes(),
        ] {
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

impl fmt::Debug for Namer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Namer")
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

fn derived(secret: &str) -> [u8; 32] {
    blake3::derive_key(CONTEXT, secret.as_bytes())
}

/// The key of one budget. It names strategy and window, never the count: a changed limit keeps its history.
pub(super) fn budget(owner: &str, strategy: Strategy, window_millis: u64) -> String {
    let mut name = String::with_capacity(owner.len() + 16);
    name.push_str(owner);
    // Writing to a string cannot fail.
    let _ = write!(name, ":{}{window_millis}", letter(strategy));
    name
}

pub(super) fn letter(strategy: Strategy) -> char {
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
        let name = |secret| Namer::new("limit", secret).owner(SCOPE, &"alice".into_key());
        assert_eq!(name(Some("a")), name(Some("a")));
        assert_ne!(name(Some("a")), name(Some("b")));
        assert_ne!(name(Some("a")), name(None));
    }

    #[test]
    fn a_name_is_the_prefix_and_32_digits() {
        let name = Namer::new("limit", None).owner(SCOPE, &"alice".into_key());
        let digest = name
            .strip_prefix("limit:{")
            .and_then(|rest| rest.strip_suffix('}'));
        let digest = digest.expect("prefix and braces");
        assert_eq!(digest.len(), 32);
        assert!(digest.chars().all(|c| c.is_ascii_hexdigit()));
    }
}
