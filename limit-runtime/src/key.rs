//! Rate-limit keys: an injective encoding of typed, length-prefixed parts.

use smallvec::SmallVec;
use std::{
    borrow::Cow,
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
};

/// Bytes stored without an allocation: enough for an API key of 44 characters, or for a UUID and an
/// address.
const INLINE: usize = 56;
/// The most bytes of a part of fixed length: its tag and a number of 128 bits.
const FIXED: usize = 17;
/// The bytes before the content of a part of variable length: its tag and its length.
const PREFIX: usize = 9;

/// The key that a request is counted by, such as a client address, a user ID or an API key.
///
/// A key is a sequence of typed, length-prefixed parts. `("a:b", "c")` and `("a", "b:c")` are
/// different keys, and so are the text `"1"` and the number `1`. Make a key with [`IntoKey`].
///
/// The content is often secret (an API key) or personal (an address). `Debug` does not show it.
///
/// ```
/// use limit_runtime::{IntoKey, Key};
///
/// let key: Key = ("tenant-7", 42_u64).into_key();
/// assert_ne!(key, ("tenant-7", "42").into_key());
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Key(SmallVec<[u8; INLINE]>);

impl Key {
    /// The encoded parts. Different keys have different bytes. They do not depend on the machine or
    /// the build.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The text, if the key is one text and nothing else.
    #[inline]
    pub(crate) fn text(&self) -> Option<&[u8]> {
        match self.0.as_slice() {
            [tag, rest @ ..] if *tag == Tag::Text as u8 => rest.get(PREFIX - 1..),
            _ => None,
        }
    }

    /// The address, if the key is an IPv4 address or an IPv6 network and nothing else.
    #[inline]
    pub(crate) fn address(&self) -> Option<Address> {
        match *self.0.as_slice() {
            [tag, a, b, c, d] if tag == Tag::Ipv4 as u8 => {
                Some(Address::V4(u32::from_le_bytes([a, b, c, d])))
            }
            [tag, a, b, c, d, e, f, g, h] if tag == Tag::Ipv6Net as u8 => {
                Some(Address::V6Net(u64::from_le_bytes([a, b, c, d, e, f, g, h])))
            }
            _ => None,
        }
    }

    /// The key of the budget that a policy in dry run counts in. No value is converted to it.
    pub(crate) fn in_dry_run(&self) -> Self {
        let mut encoded = SmallVec::with_capacity(self.0.len() + 1);
        encoded.push(Tag::DryRun as u8);
        encoded.extend_from_slice(&self.0);
        Self(encoded)
    }

    /// The encoded parts of the client's key, in dry run as otherwise.
    pub(crate) fn client_bytes(&self) -> &[u8] {
        match self.0.as_slice() {
            [tag, client @ ..] if *tag == Tag::DryRun as u8 => client,
            bytes => bytes,
        }
    }

    /// The type of the key in a word, such as `text`, or those of the parts of a tuple in
    /// parentheses.
    #[cfg(feature = "dashboard")]
    pub(crate) fn type_name(&self) -> String {
        let mut name = String::new();
        let _ = write_type(self.client_bytes(), &mut name);
        name
    }

    /// A part of fixed length: its tag and its content.
    #[inline]
    fn fixed<const N: usize>(tag: Tag, bytes: [u8; N]) -> Self {
        const { assert!(N < FIXED) };
        let mut encoded = [0; FIXED];
        let [first, rest @ ..] = &mut encoded;
        *first = tag as u8;
        for (to, byte) in rest.iter_mut().zip(bytes) {
            *to = byte;
        }
        // Copies the N + 1 bytes. `from_buf` would copy all 56, as soon as they are written.
        Self(SmallVec::from_slice(encoded.get(..=N).unwrap_or_default()))
    }

    /// A part of variable length: its tag, its length and its content.
    fn variable(tag: Tag, bytes: &[u8]) -> Self {
        let mut inline = [0; INLINE];
        let [first, rest @ ..] = &mut inline;
        *first = tag as u8;
        let len = (bytes.len() as u64).to_le_bytes();
        if let Some((prefix, rest)) = rest.split_first_chunk_mut()
            && let Some(content) = rest.get_mut(..bytes.len())
        {
            *prefix = len;
            content.copy_from_slice(bytes);
            return Self(SmallVec::from_buf_and_len(inline, PREFIX + bytes.len()));
        }
        let mut encoded = SmallVec::with_capacity(PREFIX + bytes.len());
        encoded.push(tag as u8);
        encoded.extend_from_slice(&len);
        encoded.extend_from_slice(bytes);
        Self(encoded)
    }

    /// A tuple: its tag, the number of its parts, and the parts.
    pub(crate) fn tuple(parts: &[Self]) -> Self {
        let mut encoded = SmallVec::new();
        encoded.push(Tag::Tuple as u8);
        encoded.extend_from_slice(&(parts.len() as u64).to_le_bytes());
        for part in parts {
            encoded.extend_from_slice(&part.0);
        }
        Self(encoded)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").finish_non_exhaustive()
    }
}

/// The counted part of an address, as an integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    V4(u32),
    /// The first 64 bits of the address.
    V6Net(u64),
}

/// The type of a part, and its first byte. The values must not change: machines with different
/// versions share keys through a store.
#[derive(Clone, Copy)]
enum Tag {
    Everyone = 0,
    Tuple = 1,
    Text = 2,
    Bytes = 3,
    Bool = 4,
    Unsigned = 5,
    Signed = 6,
    Ipv4 = 7,
    Ipv6Net = 8,
    #[cfg(feature = "uuid")]
    Uuid = 9,
    DryRun = 10,
}

#[cfg(feature = "dashboard")]
impl Tag {
    /// The tag of a byte, how many bytes of fixed length follow it, and the word for its type.
    fn of(byte: u8) -> Option<(Self, usize, &'static str)> {
        Some(match byte {
            0 => (Self::Everyone, 0, "everyone"),
            1 => (Self::Tuple, PREFIX - 1, "tuple"),
            2 => (Self::Text, PREFIX - 1, "text"),
            3 => (Self::Bytes, PREFIX - 1, "bytes"),
            4 => (Self::Bool, 1, "bool"),
            5 => (Self::Unsigned, 16, "unsigned"),
            6 => (Self::Signed, 16, "signed"),
            7 => (Self::Ipv4, 4, "ip"),
            8 => (Self::Ipv6Net, 8, "ip"),
            #[cfg(feature = "uuid")]
            9 => (Self::Uuid, 16, "uuid"),
            _ => return None,
        })
    }
}

/// Writes the type of the first part, and returns the parts after it. `None` for no part.
#[cfg(feature = "dashboard")]
fn write_type<'a>(bytes: &'a [u8], name: &mut String) -> Option<&'a [u8]> {
    let (tag, rest) = bytes.split_first()?;
    let (tag, fixed, word) = Tag::of(*tag)?;
    let (content, mut rest) = rest.split_at_checked(fixed)?;
    let number = || Some(u64::from_le_bytes(content.try_into().ok()?));
    match tag {
        Tag::Tuple => {
            for part in 0..number()? {
                name.push_str(if part == 0 { "(" } else { ", " });
                rest = write_type(rest, name)?;
            }
            name.push(')');
        }
        Tag::Text | Tag::Bytes => {
            name.push_str(word);
            rest = rest.get(usize::try_from(number()?).ok()?..)?;
        }
        _ => name.push_str(word),
    }
    Some(rest)
}

/// A value that can be converted to a [`Key`].
///
/// Implemented for text, integers, `bool`, byte arrays and slices, addresses, HTTP methods, header
/// values, `()` (all requests share one budget), and tuples of these. Implement it for your own
/// types:
///
/// ```
/// use limit_runtime::{IntoKey, Key};
///
/// struct UserId(u64);
///
/// impl IntoKey for UserId {
///     fn into_key(self) -> Key {
///         ("user", self.0).into_key()
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a rate-limit key",
    label = "not a key",
    note = "keys are text, integers, `IpAddr`, `Uuid` (feature `uuid`), tuples of keys, or a type \
            of yours that implements `IntoKey`"
)]
pub trait IntoKey {
    /// Converts the value to a key. Different values should have different keys.
    fn into_key(self) -> Key;
}

impl IntoKey for Key {
    fn into_key(self) -> Key {
        self
    }
}

impl IntoKey for () {
    fn into_key(self) -> Key {
        Key::fixed(Tag::Everyone, [])
    }
}

impl IntoKey for &str {
    fn into_key(self) -> Key {
        Key::variable(Tag::Text, self.as_bytes())
    }
}

macro_rules! text_keys {
    ($($text:ty),*) => {$(
        impl IntoKey for $text {
            fn into_key(self) -> Key {
                let text: &str = &self;
                text.into_key()
            }
        }
    )*};
}
text_keys!(String, &String, Box<str>, Arc<str>, Cow<'_, str>);

impl IntoKey for char {
    fn into_key(self) -> Key {
        let mut buffer = [0; 4];
        let text: &str = self.encode_utf8(&mut buffer);
        text.into_key()
    }
}

impl IntoKey for bool {
    fn into_key(self) -> Key {
        Key::fixed(Tag::Bool, [u8::from(self)])
    }
}

impl IntoKey for &[u8] {
    fn into_key(self) -> Key {
        Key::variable(Tag::Bytes, self)
    }
}

impl<const N: usize> IntoKey for [u8; N] {
    fn into_key(self) -> Key {
        Key::variable(Tag::Bytes, &self)
    }
}

macro_rules! integer_keys {
    ($tag:ident as $wide:ty: $($integer:ty),*) => {$(
        impl IntoKey for $integer {
            /// Numbers of equal value and signedness have equal keys, whatever their width.
            fn into_key(self) -> Key {
                Key::fixed(Tag::$tag, (self as $wide).to_le_bytes())
            }
        }
    )*};
}
integer_keys!(Unsigned as u128: u8, u16, u32, u64, u128, usize);
integer_keys!(Signed as i128: i8, i16, i32, i64, i128, isize);

impl IntoKey for Ipv4Addr {
    #[inline]
    fn into_key(self) -> Key {
        Key::fixed(Tag::Ipv4, self.octets())
    }
}

impl IntoKey for Ipv6Addr {
    /// An IPv4-mapped or NAT64 address is counted as the IPv4 address. Other addresses are counted
    /// by /64, the network that a provider assigns to one customer.
    fn into_key(self) -> Key {
        ipv6_key(self, MAX_IPV6_PREFIX)
    }
}

/// The longest prefix, in bits, by which IPv6 addresses are counted. It is the default.
pub(crate) const MAX_IPV6_PREFIX: u8 = 64;

/// The key of an IPv6 address: its first `prefix` bits, at most 64. An embedded IPv4 address is
/// counted as IPv4.
pub(crate) fn ipv6_key(address: Ipv6Addr, prefix: u8) -> Key {
    if let Some(embedded) = embedded_ipv4(address) {
        return embedded.into_key();
    }
    let [a, b, c, d, e, f, g, h, ..] = address.octets();
    let net = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
    let masked_bits = u32::from(MAX_IPV6_PREFIX.saturating_sub(prefix));
    let mask = u64::MAX.checked_shl(masked_bits).unwrap_or(0);
    Key::fixed(Tag::Ipv6Net, (net & mask).to_be_bytes())
}

/// The IPv4 address in an IPv4-mapped address (RFC 4291, section 2.5.5.2), or in an address with
/// the well-known NAT64 prefix `64:ff9b::/96` (RFC 6052, section 2.1).
fn embedded_ipv4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    match address.octets() {
        [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0, a, b, c, d] => {
            Some(Ipv4Addr::new(a, b, c, d))
        }
        _ => address.to_ipv4_mapped(),
    }
}

impl IntoKey for IpAddr {
    /// Like [`Ipv4Addr`] and [`Ipv6Addr`]: IPv4-mapped and NAT64 addresses are counted as IPv4,
    /// other IPv6 addresses by /64. To count by exact addresses, use their `octets()`.
    #[inline]
    fn into_key(self) -> Key {
        match self {
            Self::V4(address) => address.into_key(),
            Self::V6(address) => address.into_key(),
        }
    }
}

impl IntoKey for &http::Method {
    fn into_key(self) -> Key {
        self.as_str().into_key()
    }
}

impl IntoKey for http::Method {
    fn into_key(self) -> Key {
        self.as_str().into_key()
    }
}

impl IntoKey for &http::HeaderValue {
    /// UTF-8 values have the key of their text, so `limiter.reset_key(scope, "sk-1")` finds the
    /// budget of a header.
    fn into_key(self) -> Key {
        match std::str::from_utf8(self.as_bytes()) {
            Ok(text) => text.into_key(),
            Err(_) => self.as_bytes().into_key(),
        }
    }
}

impl IntoKey for http::HeaderValue {
    fn into_key(self) -> Key {
        (&self).into_key()
    }
}

#[cfg(feature = "uuid")]
impl IntoKey for uuid::Uuid {
    fn into_key(self) -> Key {
        Key::fixed(Tag::Uuid, self.into_bytes())
    }
}

macro_rules! tuple_keys {
    ($($part:ident)+) => {
        impl<$($part: IntoKey),+> IntoKey for ($($part,)+) {
            fn into_key(self) -> Key {
                #[allow(non_snake_case)]
                let ($($part,)+) = self;
                Key::tuple(&[$($part.into_key()),+])
            }
        }
    };
}
tuple_keys!(A);
tuple_keys!(A B);
tuple_keys!(A B C);
tuple_keys!(A B C D);
tuple_keys!(A B C D E);
tuple_keys!(A B C D E F);
tuple_keys!(A B C D E F G);
tuple_keys!(A B C D E F G H);

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn parts_do_not_run_into_each_other() {
        let keys = [
            ("a:b", "c").into_key(),
            ("a", "b:c").into_key(),
            ("a", "b", "c").into_key(),
            ("a", ("b", "c")).into_key(),
            (("a", "b"), "c").into_key(),
            ("a", "").into_key(),
            ("", "a").into_key(),
            "a".into_key(),
            ("a",).into_key(),
            "1".into_key(),
            1_u8.into_key(),
            1_i8.into_key(),
            true.into_key(),
            [b'1'].into_key(),
            ().into_key(),
        ];
        let distinct: HashSet<_> = keys.iter().collect();
        assert_eq!(distinct.len(), keys.len());
    }

    #[cfg(feature = "dashboard")]
    #[test]
    fn the_type_of_a_key_is_that_of_its_value() {
        let address: IpAddr = "2001:db8::1".parse().unwrap();
        for (key, expected) in [
            ("a".into_key(), "text"),
            ([1_u8, 2].into_key(), "bytes"),
            (().into_key(), "everyone"),
            (7_u8.into_key(), "unsigned"),
            (7_i8.into_key(), "signed"),
            (true.into_key(), "bool"),
            (Ipv4Addr::LOCALHOST.into_key(), "ip"),
            (address.into_key(), "ip"),
            (
                ((address, "a"), "", 7_u8, ()).into_key(),
                "((ip, text), text, unsigned, everyone)",
            ),
            ((true, "a").into_key().in_dry_run(), "(bool, text)"),
        ] {
            assert_eq!(key.type_name(), expected);
        }
        #[cfg(feature = "uuid")]
        assert_eq!(uuid::Uuid::nil().into_key().type_name(), "uuid");
    }

    #[test]
    fn a_number_is_one_key_whatever_its_width() {
        assert_eq!(7_u8.into_key(), 7_u64.into_key());
        assert_eq!((-7_i8).into_key(), (-7_i64).into_key());
    }

    #[test]
    fn text_is_one_key_whatever_its_type() {
        let text = "tenant";
        for key in [
            text.to_owned().into_key(),
            Box::<str>::from(text).into_key(),
            Arc::<str>::from(text).into_key(),
            Cow::Borrowed(text).into_key(),
        ] {
            assert_eq!(key, text.into_key());
        }
    }

    #[test]
    fn ipv6_counts_by_64_and_mapped_addresses_as_ipv4() {
        let key = |text: &str| text.parse::<IpAddr>().unwrap().into_key();
        assert_eq!(key("::ffff:192.0.2.1"), key("192.0.2.1"));
        assert_eq!(key("2001:db8:0:1::1"), key("2001:db8:0:1:ffff::2"));
        assert_ne!(key("2001:db8:0:1::1"), key("2001:db8:0:2::1"));
    }

    #[test]
    fn debug_shows_nothing_of_the_key() {
        assert_eq!(format!("{:?}", "sk-secret".into_key()), "Key { .. }");
    }
}
