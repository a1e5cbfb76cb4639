//! The key function `client_ip`: the client's address, behind trusted proxies if there are any.

use crate::{
    client_ip::{proxy_check, trusted_proxies},
    diagnostics::{self, Misconfiguration},
    key::{IntoKey, Key, MAX_IPV6_PREFIX, ipv6_key},
    limiter::Limiter,
    response::problem::problem,
};
use axum::{
    extract::connect_info::{ConnectInfo, MockConnectInfo},
    response::{IntoResponse, Response},
};
use http::{Extensions, StatusCode, request::Parts};
use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

/// Key function that counts by the client's IP address.
///
/// The address is the peer's, as the socket reports it. Behind trusted proxies it is read from
/// their forwarding header; see [`TrustedProxies`](crate::TrustedProxies). IPv4-mapped and NAT64
/// (`64:ff9b::/96`) addresses count as IPv4; other IPv6 addresses count by their /64, or by
/// [another prefix](crate::LimiterBuilder::ipv6_prefix).
///
/// The settings come from the limiter that checks the request: of the nearest
/// [`layer`](Limiter::layer) around the handler, or else [`Limiter::global`].
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
/// If the server was started without the peer's address; see [`ClientIpRejection`].
pub fn client_ip(parts: &Parts) -> Result<ClientIp, ClientIpRejection> {
    let Some(peer) = peer(&parts.extensions) else {
        return Err(ClientIpRejection::logged());
    };
    Ok(match peer {
        // The common case, which depends on no setting of the limiter.
        SocketAddr::V4(peer)
            if !trusted_proxies::are_configured() && proxy_check::is_finished() =>
        {
            ClientIp {
                address: IpAddr::V4(*peer.ip()),
                ipv6_prefix: MAX_IPV6_PREFIX,
            }
        }
        _ => observed_client(parts, peer.ip().to_canonical()),
    })
}

/// The client's address, according to the forwarding header behind trusted proxies. Not inlined:
/// without proxies, which is the common case, this code is not in the way.
#[inline(never)]
fn observed_client(parts: &Parts, peer: IpAddr) -> ClientIp {
    let (limiter, headers) = (Limiter::find(parts), &parts.headers);
    let proxies = limiter.trusted_proxies();
    let address = proxies.map_or(peer, |proxies| proxies.client(peer, headers));
    proxy_check::observe(peer, address, headers, proxies);
    let ipv6_prefix = match address {
        IpAddr::V4(_) => MAX_IPV6_PREFIX,
        IpAddr::V6(_) => limiter.ipv6_prefix(),
    };
    ClientIp {
        address,
        ipv6_prefix,
    }
}

/// The peer's address, from the extensions that the `ConnectInfo` extractor reads.
#[inline]
fn peer(extensions: &Extensions) -> Option<&SocketAddr> {
    match extensions.get::<ConnectInfo<SocketAddr>>() {
        Some(ConnectInfo(peer)) => Some(peer),
        None => Some(&extensions.get::<MockConnectInfo<SocketAddr>>()?.0),
    }
}

/// The client's address that [`client_ip`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientIp {
    address: IpAddr,
    /// The number of leading bits of an IPv6 address that the key keeps. Always the default for
    /// IPv4, so that equal addresses are equal.
    ipv6_prefix: u8,
}

impl ClientIp {
    /// The whole address, not only the prefix that is the key.
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

/// Rejection of [`client_ip`]: the server was started without the peer's address.
///
/// Start it with `axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>())`.
/// Until then requests get 500 with the code `client_address_unavailable`, and none is admitted
/// without a limit. The log has the text of `Display`, once, with what to write instead.
///
/// ```
/// use axum::http::{Request, StatusCode};
/// use limit_runtime::client_ip;
///
/// let (parts, ()) = Request::new(()).into_parts();
/// let rejection = client_ip(&parts).unwrap_err();
/// assert_eq!(rejection.status(), StatusCode::INTERNAL_SERVER_ERROR);
/// assert_eq!(rejection.body_text(), "Client address unavailable; see the server's log");
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ClientIpRejection;

impl ClientIpRejection {
    #[cold]
    fn logged() -> Self {
        diagnostics::warn_once(Misconfiguration::NoPeerAddress);
        Self
    }

    /// The status of the response: 500.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        StatusCode::INTERNAL_SERVER_ERROR
    }

    /// The `detail` text of the problem document in the response.
    #[must_use]
    pub fn body_text(&self) -> String {
        "Client address unavailable; see the server's log".to_owned()
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
            self.status(),
            "client_address_unavailable",
            &self.body_text(),
        )
    }
}
