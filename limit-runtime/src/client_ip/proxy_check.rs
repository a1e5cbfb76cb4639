//! Detects proxies that are not configured, from the first requests of the process.

use super::trusted_proxies::TrustedProxies;
use crate::diagnostics::{self, Misconfiguration};
use http::HeaderMap;
use std::{
    net::IpAddr,
    sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed},
};

/// The number of requests that are checked. Later requests cost one relaxed load.
const CHECKED_REQUESTS: u32 = 10_000;
/// The number of requests from one private address that is reported. Fewer may be coincidence.
const ONE_ADDRESS: u32 = 1_000;
/// Headers in which proxies send the client's address.
const FORWARDING_HEADERS: [&str; 6] = [
    "x-forwarded-for",
    "forwarded",
    "x-real-ip",
    "cf-connecting-ip",
    "true-client-ip",
    "fastly-client-ip",
];

static CHECK: ProxyCheck = ProxyCheck::new();

/// Whether enough requests have been checked, so that [`observe`] does nothing.
#[inline]
pub(crate) fn is_finished() -> bool {
    CHECK.is_finished()
}

/// Checks a request from `peer` that is counted for `client`, and logs a misconfiguration.
pub(crate) fn observe(
    peer: IpAddr,
    client: IpAddr,
    headers: &HeaderMap,
    proxies: Option<&TrustedProxies>,
) {
    if !CHECK.is_finished() {
        warn_of(CHECK.check(peer, client, headers, proxies), peer);
    }
}

#[cold]
fn warn_of(finding: Option<Finding>, peer: IpAddr) {
    let Some(Finding {
        misconfiguration,
        header,
    }) = finding
    else {
        return;
    };
    match (header, is_private(peer) || peer.is_loopback()) {
        (Some(header), true) => diagnostics::warn_once_with(
            misconfiguration,
            format_args!("header {header} from {peer}"),
        ),
        // A public address is personal data and is not logged.
        (Some(header), false) => {
            diagnostics::warn_once_with(misconfiguration, format_args!("header {header}"))
        }
        (None, true) => {
            diagnostics::warn_once_with(misconfiguration, format_args!("all requests from {peer}"))
        }
        (None, false) => diagnostics::warn_once(misconfiguration),
    };
}

/// A misconfiguration, and the header that reveals it, if a header does.
#[derive(Clone, Copy)]
struct Finding {
    misconfiguration: Misconfiguration,
    header: Option<&'static str>,
}

/// What the checked requests have in common.
struct ProxyCheck {
    is_finished: AtomicBool,
    requests: AtomicU32,
    /// The fingerprint of the address that all requests so far are counted for, or
    /// [`NONE_YET`](Self::NONE_YET), or [`SEVERAL`](Self::SEVERAL).
    only_client: AtomicU64,
}

impl ProxyCheck {
    /// No request has been checked.
    const NONE_YET: u64 = 0;
    /// The requests have several clients, or one that is not private, or the cause is known.
    const SEVERAL: u64 = 1;

    const fn new() -> Self {
        Self {
            is_finished: AtomicBool::new(false),
            requests: AtomicU32::new(0),
            only_client: AtomicU64::new(Self::NONE_YET),
        }
    }

    #[inline]
    fn is_finished(&self) -> bool {
        self.is_finished.load(Relaxed)
    }

    #[cold]
    fn check(
        &self,
        peer: IpAddr,
        client: IpAddr,
        headers: &HeaderMap,
        proxies: Option<&TrustedProxies>,
    ) -> Option<Finding> {
        let requests = self.requests.fetch_add(1, Relaxed).saturating_add(1);
        if requests >= CHECKED_REQUESTS {
            self.is_finished.store(true, Relaxed);
        }
        let is_one_address = self.is_only_client(client) && requests == ONE_ADDRESS;
        if let Some(finding) = unread_header(peer, headers, proxies) {
            // This is also why all requests are counted for one address: do not report both.
            self.only_client.store(Self::SEVERAL, Relaxed);
            return Some(finding);
        }
        is_one_address.then_some(Finding {
            misconfiguration: Misconfiguration::SinglePrivateAddress,
            header: None,
        })
    }

    /// Whether all requests so far are counted for this address, and it is private.
    fn is_only_client(&self, client: IpAddr) -> bool {
        if self.only_client.load(Relaxed) == Self::SEVERAL {
            return false;
        }
        // Loopback is not private: during development, all requests come from it.
        let fingerprint = if is_private(client) {
            fingerprint(client)
        } else {
            Self::SEVERAL
        };
        match self
            .only_client
            .compare_exchange(Self::NONE_YET, fingerprint, Relaxed, Relaxed)
        {
            Ok(_) => fingerprint != Self::SEVERAL,
            Err(only_client) if only_client == fingerprint => true,
            Err(_) => {
                self.only_client.store(Self::SEVERAL, Relaxed);
                false
            }
        }
    }
}

/// Looks for a forwarding header that is not read and that a proxy probably wrote.
fn unread_header(
    peer: IpAddr,
    headers: &HeaderMap,
    proxies: Option<&TrustedProxies>,
) -> Option<Finding> {
    let misconfiguration = match proxies {
        None => Misconfiguration::UntrustedForwarding,
        Some(proxies) if proxies.trusts_peer(peer) => {
            if headers.contains_key(proxies.configured_header().name()) {
                return None;
            }
            Misconfiguration::WrongForwardingHeader
        }
        Some(_) if is_private(peer) || peer.is_loopback() => Misconfiguration::UntrustedForwarding,
        // A client on the internet can send any header. It is right to ignore it.
        Some(_) => return None,
    };
    let header = FORWARDING_HEADERS
        .into_iter()
        .find(|&header| headers.contains_key(header))?;
    Some(Finding {
        misconfiguration,
        header: Some(header),
    })
}

/// Whether the address is not routed on the internet. Loopback is not private.
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            address.is_private()
                || address.is_link_local()
                // The shared address space of carriers and clouds (RFC 6598): 100.64.0.0/10.
                || matches!(address.octets(), [100, 64..=127, _, _])
        }
        IpAddr::V6(address) => address.is_unique_local() || address.is_unicast_link_local(),
    }
}

/// A number that probably differs between addresses, and never equals a constant of
/// [`ProxyCheck`].
fn fingerprint(address: IpAddr) -> u64 {
    let bits = match address {
        IpAddr::V4(address) => u64::from(address.to_bits()),
        IpAddr::V6(address) => {
            let [a, b, c, d, e, f, g, h, rest @ ..] = address.octets();
            u64::from_le_bytes([a, b, c, d, e, f, g, h]).rotate_left(7) ^ u64::from_be_bytes(rest)
        }
    };
    bits | 1 << 63
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn with(header: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(
            HeaderName::from_static(header),
            HeaderValue::from_static("192.0.2.1"),
        )])
    }

    /// The misconfigurations found in `count` requests with this peer and these headers.
    fn findings(
        check: &ProxyCheck,
        count: u32,
        peer: &str,
        headers: &HeaderMap,
        proxies: Option<&TrustedProxies>,
    ) -> Vec<Misconfiguration> {
        let peer = address(peer);
        (0..count)
            .filter_map(|_| {
                let client = proxies.map_or(peer, |proxies| proxies.client(peer, headers));
                check.check(peer, client, headers, proxies)
            })
            .map(|finding| finding.misconfiguration)
            .collect()
    }

    #[test]
    fn a_forwarding_header_where_none_is_trusted() {
        for header in FORWARDING_HEADERS {
            for peer in ["203.0.113.9", "127.0.0.1", "10.0.0.1"] {
                let found = findings(&ProxyCheck::new(), 1, peer, &with(header), None);
                assert_eq!(
                    found,
                    [Misconfiguration::UntrustedForwarding],
                    "{header} {peer}"
                );
            }
        }
    }

    #[test]
    fn a_proxy_that_is_not_in_the_list() {
        let proxies = TrustedProxies::new(["10.0.0.0/8"]).unwrap();
        let findings_for = |peer| {
            findings(
                &ProxyCheck::new(),
                1,
                peer,
                &with("x-forwarded-for"),
                Some(&proxies),
            )
        };
        assert_eq!(
            findings_for("172.16.0.1"),
            [Misconfiguration::UntrustedForwarding]
        );
        assert_eq!(findings_for("203.0.113.9"), []);
        assert_eq!(findings_for("10.0.0.1"), []);
    }

    #[test]
    fn a_trusted_proxy_that_sends_another_header() {
        let proxies = TrustedProxies::new(["10.0.0.0/8"]).unwrap();
        let findings_for = |headers: &HeaderMap| {
            findings(&ProxyCheck::new(), 1, "10.0.0.1", headers, Some(&proxies))
        };
        assert_eq!(
            findings_for(&with("forwarded")),
            [Misconfiguration::WrongForwardingHeader]
        );
        assert_eq!(findings_for(&HeaderMap::new()), [], "a health check");
        let mut both = with("forwarded");
        both.extend(with("x-forwarded-for"));
        assert_eq!(findings_for(&both), []);
    }

    #[test]
    fn all_traffic_from_one_private_address() {
        for peer in ["10.0.0.1", "172.17.0.1", "100.64.0.1", "fd00::1"] {
            let check = ProxyCheck::new();
            let none = HeaderMap::new();
            assert_eq!(findings(&check, ONE_ADDRESS - 1, peer, &none, None), []);
            assert_eq!(
                findings(&check, CHECKED_REQUESTS, peer, &none, None),
                [Misconfiguration::SinglePrivateAddress],
                "{peer}"
            );
        }
    }

    #[test]
    fn a_trusted_proxy_that_sends_no_header_is_one_private_address() {
        let proxies = TrustedProxies::new(["10.0.0.0/8"]).unwrap();
        let found = findings(
            &ProxyCheck::new(),
            CHECKED_REQUESTS,
            "10.0.0.1",
            &HeaderMap::new(),
            Some(&proxies),
        );
        assert_eq!(found, [Misconfiguration::SinglePrivateAddress]);
    }

    #[test]
    fn a_header_that_was_seen_explains_the_one_address() {
        let check = ProxyCheck::new();
        let header = with("x-forwarded-for");
        assert_eq!(
            findings(&check, 1, "10.0.0.1", &header, None),
            [Misconfiguration::UntrustedForwarding]
        );
        let none = HeaderMap::new();
        assert_eq!(
            findings(&check, CHECKED_REQUESTS, "10.0.0.1", &none, None),
            []
        );
    }

    #[test]
    fn loopback_without_a_header_is_development() {
        for peer in ["127.0.0.1", "::1"] {
            assert_eq!(
                findings(
                    &ProxyCheck::new(),
                    CHECKED_REQUESTS,
                    peer,
                    &HeaderMap::new(),
                    None
                ),
                []
            );
        }
    }

    #[test]
    fn several_clients_are_not_one_address() {
        for other in ["10.0.0.2", "203.0.113.9", "127.0.0.1"] {
            for order in [["10.0.0.1", other], [other, "10.0.0.1"]] {
                let check = ProxyCheck::new();
                for peer in [order[0], order[1], "10.0.0.1"] {
                    assert_eq!(
                        findings(&check, ONE_ADDRESS * 2 / 5, peer, &HeaderMap::new(), None),
                        []
                    );
                }
            }
        }
    }

    #[test]
    fn the_check_ends() {
        let check = ProxyCheck::new();
        findings(
            &check,
            CHECKED_REQUESTS - 1,
            "203.0.113.9",
            &HeaderMap::new(),
            None,
        );
        assert!(!check.is_finished());
        findings(&check, 1, "203.0.113.9", &HeaderMap::new(), None);
        assert!(check.is_finished());
    }
}
