//! Follows a forwarding header from the peer to the nearest address that is not a trusted proxy.

use super::{
    address, error::TrustedProxiesError, forwarded, header::ForwardedHeader, networks::Networks,
};
use http::HeaderMap;
use std::{
    net::IpAddr,
    str::FromStr,
    sync::atomic::{AtomicBool, Ordering},
};

/// Whether a limiter of this process has trusted proxies.
static ARE_CONFIGURED: AtomicBool = AtomicBool::new(false);

/// Whether a limiter of this process has trusted proxies. If none has, no limiter has to be asked.
#[inline]
pub(crate) fn are_configured() -> bool {
    ARE_CONFIGURED.load(Ordering::Relaxed)
}

/// Notes that a limiter has trusted proxies, before it has a request.
pub(crate) fn note_configured() {
    ARE_CONFIGURED.store(true, Ordering::Relaxed);
}

#[doc = include_str!("../docs/client_address.md")]
#[derive(Clone, Debug)]
#[must_use = "give it to `Limiter::builder().trusted_proxies(…)`"]
pub struct TrustedProxies {
    trust: Trust,
    header: ForwardedHeader,
}

#[derive(Clone, Debug)]
enum Trust {
    /// Trusts every hop with an address in these networks.
    Networks(Networks),
    /// Trusts this many hops, of which the peer is the first.
    Hops(u8),
}

impl TrustedProxies {
    /// Trusts proxies with an address in one of `networks`. Each is a network in CIDR notation,
    /// such as `10.0.0.0/8`, or one address.
    ///
    /// The header is `X-Forwarded-For`, unless [`header`](Self::header) sets another.
    ///
    /// # Errors
    /// - The list is empty.
    /// - An entry is not a network or an address, or has bits set after its prefix.
    /// - A network is so wide that it contains addresses of clients. The widest allowed is /8 for
    ///   IPv4 (`10.0.0.0/8` is the widest private network) and /16 for IPv6. Unique-local and
    ///   link-local networks may be wider. IPv4 networks embedded in IPv6 (mapped, NAT64, 6to4) are
    ///   limited to /8 of IPv4, too.
    ///
    /// ```
    /// use limit_runtime::{ForwardedHeader, Limiter, TrustedProxies, TrustedProxiesError};
    ///
    /// # fn main() -> Result<(), TrustedProxiesError> {
    /// let proxies = TrustedProxies::new(["10.0.0.0/8", "fd00::/8"])?
    ///     .header(ForwardedHeader::Forwarded);
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

    /// Trusts the nearest `count` proxies, whatever their addresses. The peer is the first of them.
    ///
    /// Count your own proxies between the internet and this server. Each of them appends one entry
    /// to the header, so the client is the entry at position `count` from the right:
    ///
    /// | `count` | Your proxies | The client of `X-Forwarded-For: a, b, c` from the peer `p` |
    /// |---|---|---|
    /// | 0 | none | `p` |
    /// | 1 | `p` | `c` |
    /// | 2 | `p` and `c` | `b` |
    /// | 3 | `p`, `c` and `b` | `a` |
    ///
    /// Use it only if every request passes through all of these proxies. A client that can bypass
    /// one of them can choose the address that it is counted by. If the networks of the proxies are
    /// known, [`new`](Self::new) is safer.
    ///
    /// The header is `X-Forwarded-For`, unless [`header`](Self::header) sets another. With a header
    /// of a [single](ForwardedHeader::Single) address, every count above 0 selects that address.
    ///
    /// ```
    /// use limit_runtime::{Limiter, TrustedProxies};
    ///
    /// // A load balancer in front of nginx, in front of this server.
    /// let limiter = Limiter::builder()
    ///     .trusted_proxies(TrustedProxies::hops(2))
    ///     .build();
    /// ```
    pub fn hops(count: u8) -> Self {
        Self {
            trust: Trust::Hops(count),
            header: ForwardedHeader::default(),
        }
    }

    /// Sets the header in which the proxies send the client's address. All other headers are
    /// ignored.
    ///
    /// Choose a header that the proxies write. Otherwise they forward the client's own value, and
    /// clients can choose the address that they are counted by.
    ///
    /// ```
    /// use limit_runtime::{ForwardedHeader, TrustedProxies};
    ///
    /// let proxies = TrustedProxies::hops(1).header(ForwardedHeader::X_REAL_IP);
    /// ```
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

    /// The address of the client of a request from `peer`, which must be canonical.
    ///
    /// It is the nearest hop that is not trusted, or the last hop before an entry that is not an
    /// address.
    pub(crate) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let lines = headers.get_all(self.header.name()).into_iter().rev();
        match self.header {
            ForwardedHeader::XForwardedFor => self.walk(
                peer,
                lines.flat_map(|line| elements_from_right(line.as_bytes())),
            ),
            ForwardedHeader::Forwarded => self.walk(
                peer,
                lines
                    .flat_map(|line| elements_from_right(line.as_bytes()))
                    .map(|element| forwarded::node(element).unwrap_or_default()),
            ),
            ForwardedHeader::Single(_) => {
                self.walk(peer, lines.map(|line| line.as_bytes()).take(1))
            }
        }
    }

    /// Follows the hops from `peer` through `nodes`, the entries of the header from right to left.
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

    /// Whether the header entry that this hop wrote is trusted. The depth of the peer is 0.
    fn trusts(&self, depth: usize, hop: IpAddr) -> bool {
        match &self.trust {
            Trust::Networks(networks) => networks.contains(hop),
            Trust::Hops(count) => depth < usize::from(*count),
        }
    }
}

impl FromStr for TrustedProxies {
    type Err = TrustedProxiesError;

    /// Parses networks separated by commas, as in an environment variable. The errors are those of
    /// [`new`](TrustedProxies::new).
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

/// The elements of a line from right to left, split at every comma.
///
/// Commas in quoted strings split, too. Whether a comma is in a string depends on all the text to
/// its left, and a client controls that text. This way, text to the left of a comma cannot change
/// how the text to its right is read.
fn elements_from_right(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.rsplit(|&b| b == b',')
}
