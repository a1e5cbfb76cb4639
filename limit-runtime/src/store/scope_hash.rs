//! A hash of a scope, which the compiler computes for the scopes of attributes.
//!
//! Scopes are chosen by the author of a program and not by its clients, so the hash needs no secret
//! seed: that of the key, which it is combined with, has one.

/// 128 bits of the texts of a scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ScopeHash {
    pub(crate) high: u64,
    pub(crate) low: u64,
}

/// The golden ratio, as in many hashes: odd, and without a pattern.
pub(crate) const ODD: u64 = 0x9E37_79B9_7F4A_7C15;

/// Digits of pi, which distinguish a name from a rule and from a route.
const SEEDS: [u64; 3] = [
    0x243F_6A88_85A3_08D3,
    0x1319_8A2E_0370_7344,
    0xA409_3822_299F_31D0,
];

impl ScopeHash {
    /// The hash of a scope that covers all routes.
    pub(crate) const fn of(name: &str, rule: &str) -> Self {
        let [of_name, of_rule, _] = SEEDS;
        let (name, rule) = (fold_text(of_name, name), fold_text(of_rule, rule));
        Self {
            high: name ^ rule.rotate_left(32),
            low: fold(name ^ rule, ODD),
        }
    }

    /// The hash of the scope on one route.
    pub(crate) const fn on_route(self, route: &str) -> Self {
        let [.., of_route] = SEEDS;
        let route = fold_text(of_route, route);
        Self {
            high: self.high ^ route,
            low: fold(self.low ^ route, ODD),
        }
    }
}

/// Folds a text and its length into `seed`, sixteen bytes at a time, after wyhash.
const fn fold_text(seed: u64, text: &str) -> u64 {
    let bytes = text.as_bytes();
    // The last block may overlap the one before; the length makes this unambiguous.
    let last = match (
        bytes.last_chunk::<16>(),
        bytes.first_chunk::<8>(),
        bytes.last_chunk::<8>(),
    ) {
        (Some(last), ..) => *last,
        (None, Some(first), Some(last)) => {
            let (first, last) = (u64::from_le_bytes(*first), u64::from_le_bytes(*last));
            (first as u128 | (last as u128) << 64).to_le_bytes()
        }
        _ => padded(bytes),
    };
    let mut folded = seed ^ bytes.len() as u64;
    let (mut blocks, _) = bytes.as_chunks::<16>();
    while let [block, rest @ ..] = blocks {
        folded = fold_block(folded, *block);
        blocks = rest;
    }
    fold_block(folded, last)
}

/// Up to seven bytes, and zeros.
const fn padded(mut bytes: &[u8]) -> [u8; 16] {
    let mut word = 0_u128;
    while let [rest @ .., last] = bytes {
        word = word << 8 | *last as u128;
        bytes = rest;
    }
    word.to_le_bytes()
}

#[expect(clippy::cast_possible_truncation, reason = "these are the halves")]
const fn fold_block(seed: u64, block: [u8; 16]) -> u64 {
    let block = u128::from_le_bytes(block);
    fold(block as u64 ^ ODD, (block >> 64) as u64 ^ seed)
}

/// The XOR of both halves of a product: nearly every input bit affects every output bit.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "these are the halves")]
pub(crate) const fn fold(one: u64, other: u64) -> u64 {
    let product = one as u128 * other as u128;
    product as u64 ^ (product >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn each_scope_has_a_hash_of_its_own() {
        let texts: Vec<String> = (0..40)
            .flat_map(|length| ["a", "b", "\0"].map(|text| text.repeat(length)))
            .chain(["".into(), "ab".into(), "ba".into()])
            .collect::<HashSet<_>>()
            .into_iter()
            .collect();
        let mut hashes = HashSet::new();
        let mut all = 0;
        for name in &texts {
            for rule in &texts {
                let scope = ScopeHash::of(name, rule);
                // Each half is enough.
                hashes.extend([(0, scope.high), (1, scope.low)]);
                let routed = scope.on_route("/predict");
                hashes.extend([(0, routed.high), (1, routed.low)]);
                all += 4;
            }
        }
        assert_eq!(hashes.len(), all);
    }

    #[test]
    fn the_routes_of_a_scope_differ() {
        let scope = ScopeHash::of("app", "");
        let hashes: HashSet<_> = (0..1_000)
            .map(|number| scope.on_route(&format!("/item/{number}")))
            .chain([scope, scope.on_route("")])
            .collect();
        assert_eq!(hashes.len(), 1_002);
    }
}
