//! Errors in the configuration of trusted proxies.

use std::fmt;

/// The error of an invalid [`TrustedProxies`](super::TrustedProxies) or
/// [`ForwardedHeader`](super::ForwardedHeader).
///
/// `Display` shows the invalid entry, what is allowed, and what to write instead.
///
/// ```
/// use limit_runtime::TrustedProxies;
///
/// let error = TrustedProxies::new(["0.0.0.0/0"]).unwrap_err();
/// assert!(error.to_string().starts_with("`0.0.0.0/0` trusts too many addresses"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TrustedProxiesError {
    /// The list has no networks.
    Empty,
    /// An entry is neither a network nor an address.
    #[non_exhaustive]
    NotANetwork {
        /// The entry as it was given.
        found: Box<str>,
    },
    /// A network has bits set after its prefix, such as `10.1.2.3/8`: it could mean the network or
    /// the address.
    #[non_exhaustive]
    HostBits {
        /// The entry as it was given.
        found: Box<str>,
        /// The network that the entry could mean, such as `10.0.0.0/8`.
        network: Box<str>,
        /// The address that the entry could mean, such as `10.1.2.3`.
        address: Box<str>,
    },
    /// A network is so wide that it contains addresses of clients.
    #[non_exhaustive]
    TooWide {
        /// The entry as it was given.
        found: Box<str>,
        /// The shortest prefix, in bits, that is allowed for this range of addresses.
        shortest_prefix: u8,
    },
    /// A text is not a valid header name.
    #[non_exhaustive]
    NotAHeader {
        /// The text.
        found: Box<str>,
    },
}

impl fmt::Display for TrustedProxiesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str(
                "the list of trusted proxies is empty; add at least one network, such as \
                 `10.0.0.0/8`, or omit the setting to trust no proxies",
            ),
            Self::NotANetwork { found } => write!(
                f,
                "`{}` is not a network; write a network such as `10.0.0.0/8` (prefix up to 32) or \
                 `fd00::/8` (prefix up to 128), or one address, without a port or a zone",
                found.escape_debug(),
            ),
            Self::HostBits {
                found,
                network,
                address,
            } => write!(
                f,
                "`{found}` has bits set after its prefix; write `{network}` for the network or \
                 `{address}` for the one address",
            ),
            Self::TooWide {
                found,
                shortest_prefix,
            } => write!(
                f,
                "`{found}` trusts too many addresses: every trusted address can choose the client \
                 address that is counted; the widest network allowed in this range is \
                 /{shortest_prefix}; list only the networks of your proxies, or use \
                 `TrustedProxies::hops(n)` if their addresses are unknown",
            ),
            Self::NotAHeader { found } => write!(
                f,
                "`{}` is not a header name; write a name such as `x-forwarded-for`, `forwarded` or \
                 `cf-connecting-ip`",
                found.escape_debug(),
            ),
        }
    }
}

impl std::error::Error for TrustedProxiesError {}
