//! The address a request came from.

use super::{
    refusal,
    setup::{self, WrongSetup},
};
use crate::key::{IntoKey, Key};
use axum::{
    extract::connect_info::{ConnectInfo, MockConnectInfo},
    response::{IntoResponse, Response},
};
use http::{Extensions, StatusCode, request::Parts};
use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

/// The key function that counts by client address: the peer's, as the socket saw it.
///
/// IPv4-mapped addresses count as IPv4, and IPv6 addresses by their /64. Forwarding headers
/// are not looked at: anybody can send them.
///
/// # Errors
/// When the server was not started with the peer's address; see [`ClientIpRejection`].
pub fn client_ip(parts: &Parts) -> Result<ClientIp, ClientIpRejection> {
    match peer(&parts.extensions) {
        Some(peer) => Ok(ClientIp(peer)),
        None => Err(ClientIpRejection::say_once()),
    }
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
pub struct ClientIp(IpAddr);

impl ClientIp {
    /// The whole address, not only the part that is counted.
    #[must_use]
    pub fn address(self) -> IpAddr {
        self.0
    }
}

impl IntoKey for ClientIp {
    fn into_key(self) -> Key {
        self.0.into_key()
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
    fn say_once() -> Self {
        setup::say_once(WrongSetup::NoPeerAddress);
        Self
    }
}

impl fmt::Display for ClientIpRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        WrongSetup::NoPeerAddress.fmt(f)
    }
}

impl std::error::Error for ClientIpRejection {}

impl IntoResponse for ClientIpRejection {
    fn into_response(self) -> Response {
        refusal::problem(
            StatusCode::INTERNAL_SERVER_ERROR,
            "The server cannot tell whom to count this request for; its log says why",
        )
    }
}
