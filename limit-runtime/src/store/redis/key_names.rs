//! Names of keys in Redis: a keyed hash, from which the client's key cannot be read.
//!
//! | Name | what is stored there |
//! |---|---|
//! | `prefix:{digest}:m60000` | a budget: the letter of the strategy, the window in milliseconds |
//! | `prefix:{digest}:i123` | the marker of a forced charge that counts once, by its id |
//! | `prefix:{digest}:r123` | the marker of a refund that counts once, by its id |
//! | `prefix:{digest}:leases` | the leases of permits that are held |
//! | `prefix:{digest}:windows` | the strategies and windows in use, see `known_windows.rs` |
//!
//! Under a test clock, `name~` has the time at which `name` expires.
//!
//! A reset leaves leases alone: their requests are in flight, and they expire if these are not.
//!
//! The digest is 32 hexadecimal digits of a keyed hash over scope and key, and 8 digits of a keyed
//! checksum of these. With the checksum, a reset recognises the keys of its own secret, and does
//! not delete those of another limiter with the same prefix.

use crate::{
    key::Key,
    store::{
        Scope,
        key_digest::{Digest, KeyDigester, derive_key, push_hex},
    },
    window::Strategy,
};
use siphasher::sip::SipHasher24;
use std::{
    fmt::{self, Write},
    hash::Hasher,
};

/// The context string of BLAKE3's key derivation. If it changed, all counts would be lost.
const DERIVATION_CONTEXT: &str = "limit-runtime 2026-01 redis key names";
/// The context of the key of the checksum.
const CHECKSUM_CONTEXT: &str = "limit-runtime 2026-11 checksum of redis key names";

/// The number of bytes of the hash, and of its checksum.
const HASH_BYTES: usize = size_of::<Digest>();
const CHECKSUM_BYTES: usize = 4;
/// The number of hexadecimal digits between the braces of a name.
const DIGEST_DIGITS: usize = 2 * (HASH_BYTES + CHECKSUM_BYTES);

/// The letters before the digits at the end of a name: the strategies, and `i` and `r` for
/// markers of forced charges and refunds.
const LETTERS: &[u8] = b"mfsgir";
/// The end of the name under which the strategies and windows in use are stored.
const WINDOWS: &str = ":windows";

/// The end of the name under which the leases of a budget are stored.
const LEASES: &str = ":leases";

/// The prefix and the hash keys that the names of all keys are made with.
///
/// Machines with equal prefixes and secrets use equal names, and so share their budgets.
#[derive(Clone)]
pub(super) struct KeyNames {
    prefix: Box<str>,
    digester: KeyDigester,
    checksum_key: [u8; 16],
}

impl KeyNames {
    pub(super) fn new(prefix: &str, secret: Option<&str>) -> Self {
        Self {
            prefix: prefix.into(),
            digester: KeyDigester::new(DERIVATION_CONTEXT, secret),
            checksum_key: checksum_key(secret),
        }
    }

    pub(super) fn set_prefix(&mut self, prefix: &str) {
        self.prefix = prefix.into();
    }

    pub(super) fn set_secret(&mut self, secret: &str) {
        self.digester = KeyDigester::new(DERIVATION_CONTEXT, Some(secret));
        self.checksum_key = checksum_key(Some(secret));
    }

    /// The beginning of the names of all keys for one scope and client key: `prefix:{digest}`.
    ///
    /// The braces are a hash tag: they keep these keys in one slot of a cluster.
    pub(super) fn budget_prefix(&self, scope: Scope<'_>, key: &Key) -> String {
        self.name_of(&self.digester.digest(scope, key))
    }

    /// The key under which the strategies and windows in use are stored. There is one for each
    /// prefix and secret.
    pub(super) fn windows_key(&self) -> String {
        self.name_of(&self.digester.digest_of_text("windows")) + WINDOWS
    }

    /// `prefix:{digest}`.
    fn name_of(&self, hash: &Digest) -> String {
        let mut name = String::with_capacity(self.prefix.len() + DIGEST_DIGITS + 4);
        name.push_str(&self.prefix);
        name.push_str(":{");
        push_hex(&mut name, hash);
        push_hex(&mut name, &self.checksum(hash));
        name.push('}');
        name
    }

    /// A keyed checksum, which no other secret has, except in one of 2³² cases.
    fn checksum(&self, hash: &Digest) -> [u8; CHECKSUM_BYTES] {
        let mut hasher = SipHasher24::new_with_key(&self.checksum_key);
        hasher.write(hash);
        let [a, b, c, d, ..] = hasher.finish().to_le_bytes();
        [a, b, c, d]
    }

    /// A pattern of `SCAN` that all names of budgets and markers match, and few others.
    pub(super) fn scan_pattern(&self) -> String {
        let mut pattern = escape_glob(&self.prefix);
        pattern.push_str(":{");
        for _ in 0..DIGEST_DIGITS {
            pattern.push('?');
        }
        pattern.push_str("}:[");
        pattern.extend(LETTERS.iter().copied().map(char::from));
        pattern.push_str("]*");
        pattern
    }

    /// Whether a limiter with this prefix and secret made this name, for a budget or a marker.
    pub(super) fn is_own_budget(&self, name: &[u8]) -> bool {
        self.budget_part(name).is_some_and(|part| {
            let part = part.strip_suffix(b"~").unwrap_or(part);
            let Some((letter, digits)) = part.split_first() else {
                return false;
            };
            LETTERS.contains(letter) && !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
        })
    }

    /// What follows `prefix:{digest}:` in a name, if the digest was made with this secret.
    fn budget_part<'a>(&self, name: &'a [u8]) -> Option<&'a [u8]> {
        let name = name.strip_prefix(self.prefix.as_bytes())?;
        let name = name.strip_prefix(b":{")?;
        let (digest, rest) = name.split_at_checked(DIGEST_DIGITS)?;
        let bytes: [u8; HASH_BYTES + CHECKSUM_BYTES] = parse_hex(digest)?;
        let (hash, checksum) = bytes.split_first_chunk()?;
        (self.checksum(hash) == checksum).then_some(())?;
        rest.strip_prefix(b"}:")
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

fn checksum_key(secret: Option<&str>) -> [u8; 16] {
    let key = derive_key(CHECKSUM_CONTEXT, secret);
    *key.first_chunk().unwrap_or(&[0; 16])
}

/// Parses lower-case hexadecimal digits, two for each byte.
fn parse_hex<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let digit = |c: u8| match c {
        b'0'..=b'9' => Some(c - b'0'),
        b'a'..=b'f' => Some(c - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let &[high, low] = pair else {
            return None;
        };
        *byte = digit(high)? << 4 | digit(low)?;
    }
    (digits.len() == 2 * N).then_some(bytes)
}

/// Escapes the characters that have a meaning in patterns of `SCAN … MATCH`.
fn escape_glob(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '*' | '?' | '[' | ']' | '\\' | '^') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
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

/// The name of the key with the leases of a budget.
pub(super) fn leases_key(budget_prefix: &str) -> String {
    let mut name = String::with_capacity(budget_prefix.len() + LEASES.len());
    name.push_str(budget_prefix);
    name.push_str(LEASES);
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
    fn a_name_is_the_prefix_and_40_digits() {
        let name = KeyNames::new("limit", None).budget_prefix(SCOPE, &"alice".into_key());
        let digest = name
            .strip_prefix("limit:{")
            .and_then(|rest| rest.strip_suffix('}'));
        let digest = digest.expect("prefix and braces");
        assert_eq!(digest.len(), 40);
        assert!(digest.chars().all(|c| c.is_ascii_hexdigit()));
    }

    #[test]
    fn only_own_names_are_recognised() {
        let names = KeyNames::new("limit", Some("a"));
        let prefix = names.budget_prefix(SCOPE, &"alice".into_key());
        let is_own = |name: &str| names.is_own_budget(name.as_bytes());
        for end in [
            "m60000",
            "f1",
            "s86400000",
            "g7",
            "i18446744073709551615",
            "r18446744073709551615",
            "m60000~",
        ] {
            assert!(is_own(&format!("{prefix}:{end}")), "{end}");
        }
        for end in [
            "", "m", "m~", "x60000", "m60000x", "m60000~~", "m6 0", "m-1", "windows", "leases",
        ] {
            assert!(!is_own(&format!("{prefix}:{end}")), "{end}");
        }
        assert!(!is_own(&prefix));
        assert!(!is_own(&format!("{prefix}m60000")));
        assert!(!is_own(&names.windows_key()));
        assert!(!is_own(&format!("{}:m1", prefix.to_uppercase())));
        assert!(!is_own("limit:config"));
        assert!(!is_own("limit:{config}:m1"));
        for (prefix, secret) in [
            ("limit", "b"),
            ("limit:batch", "a"),
            ("lim", "a"),
            ("", "a"),
        ] {
            let other = KeyNames::new(prefix, Some(secret));
            let other = other.budget_prefix(SCOPE, &"alice".into_key());
            assert!(!is_own(&format!("{other}:m60000")), "{other}");
        }
    }

    #[test]
    fn a_changed_digit_is_not_recognised() {
        let names = KeyNames::new("limit", None);
        let name = names.budget_prefix(SCOPE, &"alice".into_key()) + ":m1000";
        for place in 7..47 {
            let mut changed = name.clone().into_bytes();
            changed[place] = if changed[place] == b'0' { b'1' } else { b'0' };
            assert!(!names.is_own_budget(&changed), "{place}");
        }
    }
}
