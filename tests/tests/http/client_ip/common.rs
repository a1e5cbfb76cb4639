//! A request, and the address that `client_ip` finds for it.

use axum::{
    extract::connect_info::ConnectInfo,
    http::{HeaderName, HeaderValue, Request},
};
use limit_runtime::{ForwardedHeader, Limiter, TrustedProxies, client_ip};
use std::net::SocketAddr;

pub(crate) fn listed(header: ForwardedHeader) -> TrustedProxies {
    TrustedProxies::new(["10.0.0.0/8", "fd00::/8", "192.0.2.53"])
        .unwrap()
        .header(header)
}

pub(crate) fn client(
    peer: &str,
    proxies: Option<&TrustedProxies>,
    lines: &[(&str, &str)],
) -> String {
    let peer = SocketAddr::new(peer.parse().unwrap(), 4711);
    let mut limiter = Limiter::builder();
    if let Some(proxies) = proxies {
        limiter = limiter.trusted_proxies(proxies.clone());
    }
    let (mut parts, ()) = Request::builder()
        .extension(ConnectInfo(peer))
        .extension(limiter.build())
        .body(())
        .unwrap()
        .into_parts();
    for (name, value) in lines {
        parts.headers.append(
            HeaderName::from_bytes(name.as_bytes()).unwrap(),
            HeaderValue::from_bytes(value.as_bytes()).unwrap(),
        );
    }
    client_ip(&parts).unwrap().address().to_string()
}

/// In each row the lines of the header, and the client behind the peer 10.0.0.1.
#[track_caller]
pub(crate) fn table(proxies: &TrustedProxies, header: &str, rows: &[(&[&str], &str)]) {
    for (lines, expected) in rows {
        let headers: Vec<_> = lines.iter().map(|line| (header, *line)).collect();
        let found = client("10.0.0.1", Some(proxies), &headers);
        assert_eq!(found, *expected, "{lines:?}");
    }
}
