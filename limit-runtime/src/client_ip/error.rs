//! What can be wrong with a list of trusted proxies.

use std::fmt;

/// Why [`TrustedProxies`](super::TrustedProxies) or a [`ForwardedHeader`](super::ForwardedHeader) was refused.
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
    /// There is no network in the list.
    Empty,
    /// Neither a network nor an address.
    #[non_exhaustive]
    NotANetwork {
        /// The entry.
        found: Box<str>,
    },
    /// A network with bits beyond its prefix: it is unclear whether the network is meant or the address.
    #[non_exhaustive]
    HostBits {
        /// The entry.
        found: Box<str>,
        /// What it would be as a network.
        network: Box<str>,
        /// What it would be as one address.
        address: Box<str>,
    },
    /// A network so wide that clients are in it.
    #[non_exhaustive]
    TooWide {
        /// The entry.
        found: Box<str>,
        /// The shortest prefix that is allowed there.
        shortest_prefix: u8,
    },
    /// Not the name of a header.
    #[non_exhaustive]
    NotAHeader {
        /// The name.
        found: Box<str>,
    },
}

impl fmt::Display for TrustedProxiesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str(
                "no trusted proxies were named; give at least one network such as `10.0.0.0/8`, \
                 or leave the setting out to trust none",
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
                "`{found}` has bits beyond its prefix; write `{network}` for the network or \
                 `{address}` for the one address",
            ),
            Self::TooWide {
                found,
                shortest_prefix,
            } => write!(
                f,
                "`{found}` trusts too many addresses, and whoever is trusted can name any address \
                 as the client's; the widest network allowed there is /{shortest_prefix}; name the \
                 networks of your proxies, or use `TrustedProxies::hops(n)` where their addresses \
                 cannot be known",
            ),
            Self::NotAHeader { found } => write!(
                f,
                "`{}` is not the name of a header; write one such as `x-forwarded-for`, `forwarded` \
                 or `cf-connecting-ip`",
                found.escape_debug(),
            ),
        }
    }
}

impl std::error::Error for TrustedProxiesError {}
