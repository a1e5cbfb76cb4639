//! The address a request came from.

use crate::{
    client_ip::{proxy_check, trusted_proxies::TrustedProxies},
    diagnostics::{self, Misconfiguration},
    key::{IntoKey, Key, ipv6_key},
    limiter::Limiter,
    response::problem::problem,
};
use axum::{
    extract::connect_info::{ConnectInfo, MockConnectInfo},
    response::{IntoResponse, Response},
};
use http::{Extensions, HeaderMap, StatusCode, request::Parts};
use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

/// The key function that counts by client address.
///
/// That is the peer's address, as the socket saw it, unless the limiter was told which proxies to believe;
/// see [`TrustedProxies`]. IPv4-mapped addresses and those behind NAT64 (`64:ff9b::/96`) count as IPv4,
/// and other IPv6 addresses by their /64, or by
/// [another prefix](crate::LimiterBuilder::ipv6_prefix).
///
/// The settings are those of the limiter that counts the request: the one whose
/// [`layer`](Limiter::layer) is above the handler, or [`Limiter::global`].
///
/// ```
/// use axum::{extract::connect_info::ConnectInfo, http::Request};
/// use limit_runtime::{Limiter, TrustedProxies, client_ip};
/// use std::net::SocketAddr;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let limiter = Limiter::builder()
///     .trusted_proxies(TrustedProxies::new(["10.0.0.0/8"])?)
///     .build();
/// let (parts, ()) = Request::builder()
///     .header("x-forwarded-for", "1.1.1.1, 203.0.113.7")
///     .extension(ConnectInfo(SocketAddr::from(([10, 0, 0, 1], 4711))))
///     .extension(limiter)
///     .body(())?
///     .into_parts();
/// assert_eq!(client_ip(&parts)?.address().to_string(), "203.0.113.7");
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// When the server was not started with the peer's address; see [`ClientIpRejection`].
pub fn client_ip(parts: &Parts) -> Result<ClientIp, ClientIpRejection> {
    let Some(peer) = peer(&parts.extensions) else {
        return Err(ClientIpRejection::logged());
    };
    let limiter = Limiter::find(parts);
    let address = match limiter.trusted_proxies() {
        None => {
            proxy_check::observe(peer, peer, &parts.headers, None);
            peer
        }
        Some(proxies) => client_behind(proxies, peer, &parts.headers),
    };
    Ok(ClientIp {
        address,
        ipv6_prefix: limiter.ipv6_prefix(),
    })
}

/// The same where proxies are trusted: a walk through a header, and out of the way of all others.
#[inline(never)]
fn client_behind(proxies: &TrustedProxies, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
    let client = proxies.client(peer, headers);
    proxy_check::observe(peer, client, headers, Some(proxies));
    client
}

/// The peer's address, found where [`ConnectInfo`]'s own extractor looks for it.
fn peer(extensions: &Extensions) -> Option<IpAddr> {
    let peer = match extensions.get::<ConnectInfo<SocketAddr>>() {
        Some(ConnectInfo(peer)) => peer,
        None => &extensions.get::<MockConnectInfo<SocketAddr>>()?.0,
    };
    Some(peer.ip().to_canonical())
}

/// The address that [`client_ip`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientIp {
    address: IpAddr,
    /// How many leading bits of an IPv6 address are counted by.
    ipv6_prefix: u8,
}

impl ClientIp {
    /// The whole address, not only the part that is counted.
    #[must_use]
    pub fn address(self) -> IpAddr {
        self.address
    }
}

impl IntoKey for ClientIp {
    #[inline]
    fn into_key(self) -> Key {
        match self.address {
            IpAddr::V4(address) => address.into_key(),
            IpAddr::V6(address) => ipv6_key(address, self.ipv6_prefix),
        }
    }
}

/// No address to count by: the server was started without it.
///
/// Start it with `axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>())`.
/// The request is answered with 500, and never let through unlimited.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ClientIpRejection;

impl ClientIpRejection {
    #[cold]
    fn logged() -> Self {
        diagnostics::warn_once(Misconfiguration::NoPeerAddress);
        Self
    }
}

impl fmt::Display for ClientIpRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Misconfiguration::NoPeerAddress.fmt(f)
    }
}

impl std::error::Error for ClientIpRejection {}

impl IntoResponse for ClientIpRejection {
    fn into_response(self) -> Response {
        problem(
            StatusCode::INTERNAL_SERVER_ERROR,
            "client_address_unavailable",
            "The server cannot tell whom to count this request for; its log says why",
        )
    }
}
