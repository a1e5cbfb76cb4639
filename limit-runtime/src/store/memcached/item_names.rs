//! Names of items: a prefix, the generation of the store, and a digest.

use crate::store::{
    ConnectError,
    key_digest::{Digest, push_hex},
};
use std::fmt::Write;

/// The longest prefix. With the rest, a name has at most the 250 bytes that memcached allows.
const MAX_PREFIX: usize = 190;

/// Makes the names of items.
#[derive(Clone, Debug)]
pub(super) struct ItemNames {
    prefix: Box<str>,
}

impl ItemNames {
    pub(super) fn new(prefix: &str) -> Self {
        Self {
            prefix: prefix.into(),
        }
    }

    /// # Errors
    /// If the prefix cannot be part of a name.
    pub(super) fn validate(&self) -> Result<(), ConnectError> {
        let prefix = &self.prefix;
        if prefix.len() <= MAX_PREFIX && prefix.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Ok(());
        }
        Err(ConnectError::Misconfigured {
            found: format!("the key prefix is {prefix:?}").into(),
            fix: "memcached needs a prefix of at most 190 ASCII characters without spaces",
        })
    }

    /// The item with what is counted for a scope and key, such as `limit:1f:5e0f…`. A generation
    /// that is not known is shown as `*`.
    pub(super) fn item(&self, generation: Option<u64>, digest: &Digest) -> String {
        let mut name = String::with_capacity(self.prefix.len() + 50);
        name.push_str(&self.prefix);
        // Writing to a string cannot fail.
        let _ = match generation {
            Some(generation) => write!(name, ":{generation:x}:"),
            None => write!(name, ":*:"),
        };
        push_hex(&mut name, digest);
        name
    }

    /// The item with the leases of a scope and key.
    pub(super) fn leases(&self, digest: &Digest) -> String {
        let mut name = format!("{}:leases:", self.prefix);
        push_hex(&mut name, digest);
        name
    }

    /// The item with the generation.
    pub(super) fn generation(&self) -> String {
        format!("{}:generation", self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_short_enough_for_memcached() {
        let names = ItemNames::new(&"p".repeat(MAX_PREFIX));
        assert!(names.validate().is_ok());
        assert!(names.item(Some(u64::MAX), &[0xab; 16]).len() <= 250);
        for prefix in ["a b", "a\n", "é", &"p".repeat(MAX_PREFIX + 1)] {
            assert!(ItemNames::new(prefix).validate().is_err(), "{prefix}");
        }
        let name = ItemNames::new("limit").item(Some(0x1f), &[0xab; 16]);
        assert_eq!(name, format!("limit:1f:{}", "ab".repeat(16)));
    }
}
