//! The way back from the peer to the client, as far as it can be believed.

use super::{
    address, error::TrustedProxiesError, forwarded, header::ForwardedHeader, networks::Networks,
};
use http::HeaderMap;
use std::{net::IpAddr, str::FromStr};

#[doc = include_str!("../docs/client_address.md")]
#[derive(Clone, Debug)]
#[must_use = "give it to `Limiter::builder().trusted_proxies(…)`"]
pub struct TrustedProxies {
    trust: Trust,
    header: ForwardedHeader,
}

#[derive(Clone, Debug)]
enum Trust {
    /// Hops with an address in one of these.
    Networks(Networks),
    /// As many hops as this, the peer being the first.
    Hops(u8),
}

impl TrustedProxies {
    /// Trusts hops whose address is in one of `networks`: each a CIDR or one address.
    ///
    /// The header is `X-Forwarded-For`, unless [`header`](Self::header) names another.
    ///
    /// # Errors
    /// When there is no network, when one cannot be read, when it has bits beyond its prefix, and
    /// when it is so wide that clients are in it: IPv4 shorter than /8 (`10.0.0.0/8` is the widest
    /// private network), and IPv6 shorter than /16 unless unique-local or link-local. Networks that
    /// stand for IPv4 (mapped, NAT64, 6to4) are held to the same /8.
    ///
    /// ```
    /// use limit_runtime::{ForwardedHeader, Limiter, TrustedProxies, TrustedProxiesError};
    ///
    /// # fn main() -> Result<(), TrustedProxiesError> {
    /// let proxies = TrustedProxies::new(["10.0.0.0/8", "fd00::/8"])?.header(ForwardedHeader::Forwarded);
    /// let limiter = Limiter::builder().trusted_proxies(proxies).build();
    /// # Ok(())
    /// # }
    /// ```
    pub fn new<I>(networks: I) -> Result<Self, TrustedProxiesError>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        Ok(Self {
            trust: Trust::Networks(Networks::parse(networks)?),
            header: ForwardedHeader::default(),
        })
    }

    /// Trusts the nearest `count` hops whatever their addresses, the peer being the first of them.
    ///
    /// Count the proxies that are yours between the internet and this server. Each of them
    /// appends one entry to the header, so the client is the entry that is `count`-th from the right:
    ///
    /// | `count` | yours | `X-Forwarded-For: a, b, c` from the peer `p` |
    /// |---|---|---|
    /// | 0 | nothing | `p` |
    /// | 1 | `p` | `c` |
    /// | 2 | `p` and `c` | `b` |
    /// | 3 | `p`, `c` and `b` | `a` |
    ///
    /// Only for servers that cannot be reached past the proxies: who connects directly, or to the
    /// second proxy past the first, writes the entries that are believed. Where the proxies'
    /// networks are known, [`new`](Self::new) is safer.
    ///
    /// The header is `X-Forwarded-For`, unless [`header`](Self::header) names another. With a
    /// header of a single value any count but 0 means the same: that value.
    pub fn hops(count: u8) -> Self {
        Self {
            trust: Trust::Hops(count),
            header: ForwardedHeader::default(),
        }
    }

    /// The one header that the proxies name the client in; all others are ignored.
    ///
    /// It must be one that the proxies write. If they do not, they hand on what the client wrote.
    pub fn header(mut self, header: ForwardedHeader) -> Self {
        self.header = match header {
            ForwardedHeader::Single(name) => ForwardedHeader::of_name(name),
            list => list,
        };
        self
    }

    pub(super) fn configured_header(&self) -> &ForwardedHeader {
        &self.header
    }

    pub(super) fn trusts_peer(&self, peer: IpAddr) -> bool {
        self.trusts(0, peer)
    }

    /// The client of a request that came from `peer`, which is canonical: the first hop, from the nearest on,
    /// that is not trusted, or after which nothing can be read.
    pub(crate) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let lines = headers.get_all(self.header.name()).into_iter().rev();
        match self.header {
            ForwardedHeader::XForwardedFor => {
                self.walk(peer, lines.flat_map(|line| elements(line.as_bytes())))
            }
            ForwardedHeader::Forwarded => self.walk(
                peer,
                lines
                    .flat_map(|line| elements(line.as_bytes()))
                    .map(|element| forwarded::node(element).unwrap_or_default()),
            ),
            ForwardedHeader::Single(_) => {
                self.walk(peer, lines.map(|line| line.as_bytes()).take(1))
            }
        }
    }

    fn walk<'a>(&self, peer: IpAddr, nodes: impl Iterator<Item = &'a [u8]>) -> IpAddr {
        let mut hop = peer;
        for (depth, node) in nodes.enumerate() {
            if !self.trusts(depth, hop) {
                break;
            }
            match address::parse(node) {
                Some(address) => hop = address,
                None => break,
            }
        }
        hop
    }

    /// Whether what the hop says is believed. The peer's depth is 0.
    fn trusts(&self, depth: usize, hop: IpAddr) -> bool {
        match &self.trust {
            Trust::Networks(networks) => networks.contains(hop),
            Trust::Hops(count) => depth < usize::from(*count),
        }
    }
}

impl FromStr for TrustedProxies {
    type Err = TrustedProxiesError;

    /// Networks with commas between them, as configuration has them.
    ///
    /// ```
    /// use limit_runtime::{TrustedProxies, TrustedProxiesError};
    ///
    /// # fn main() -> Result<(), TrustedProxiesError> {
    /// let proxies: TrustedProxies = "10.0.0.0/8, 192.168.0.0/16".parse()?;
    ///
    /// let error = "10.0.0.0/8, 192.168.0.0/99".parse::<TrustedProxies>().unwrap_err();
    /// assert!(error.to_string().starts_with("`192.168.0.0/99` is not a network"));
    /// # Ok(())
    /// # }
    /// ```
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.trim().is_empty() {
            return Err(TrustedProxiesError::Empty);
        }
        Self::new(text.split(','))
    }
}

/// The elements of a line from the right, split at every comma.
///
/// At commas in quoted strings too: whether a comma is in one depends on all the text to its left, which
/// clients write. So nothing that is to the left of a comma can change what is to its right.
fn elements(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.rsplit(|&b| b == b',')
}
