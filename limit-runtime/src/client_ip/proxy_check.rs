//! Recognises, in the first requests, proxies that nobody told the limiter of.

use super::trusted_proxies::TrustedProxies;
use crate::diagnostics::{self, Misconfiguration};
use http::HeaderMap;
use std::{
    net::IpAddr,
    sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed},
};

/// As many requests are looked at; then all is silent.
const CHECKED_REQUESTS: u32 = 10_000;
/// As many requests of one address are no accident.
const ONE_ADDRESS: u32 = 1_000;
/// Headers that proxies name clients in.
const FORWARDING: [&str; 6] = [
    "x-forwarded-for",
    "forwarded",
    "x-real-ip",
    "cf-connecting-ip",
    "true-client-ip",
    "fastly-client-ip",
];

/// Looks at a request from `peer` that is counted for `client`.
#[inline]
pub(crate) fn observe(
    peer: IpAddr,
    client: IpAddr,
    headers: &HeaderMap,
    proxies: Option<&TrustedProxies>,
) {
    static CHECK: ProxyCheck = ProxyCheck::new();
    if !CHECK.is_over() {
        say(CHECK.look(peer, client, headers, proxies), peer);
    }
}

#[cold]
fn say(seen: Option<(Misconfiguration, Option<&'static str>)>, peer: IpAddr) {
    let Some((wrong, header)) = seen else { return };
    match (header, is_private(peer) || peer.is_loopback()) {
        (Some(header), true) => {
            diagnostics::warn_once_with(wrong, format_args!("header {header} from {peer}"))
        }
        // An address of the internet is somebody's, and not for a log.
        (Some(header), false) => {
            diagnostics::warn_once_with(wrong, format_args!("header {header}"))
        }
        (None, true) => diagnostics::warn_once_with(wrong, format_args!("all from {peer}")),
        (None, false) => diagnostics::warn_once(wrong),
    };
}

struct ProxyCheck {
    over: AtomicBool,
    requests: AtomicU32,
    /// The address that all requests so far were counted for, if there is one.
    only: AtomicU64,
}

impl ProxyCheck {
    /// Values of `only` that stand for no address.
    const NONE_YET: u64 = 0;
    const SEVERAL: u64 = 1;

    const fn new() -> Self {
        Self {
            over: AtomicBool::new(false),
            requests: AtomicU32::new(0),
            only: AtomicU64::new(Self::NONE_YET),
        }
    }

    #[inline]
    fn is_over(&self) -> bool {
        self.over.load(Relaxed)
    }

    /// What is wrong with the set-up, and the header that shows it.
    #[cold]
    fn look(
        &self,
        peer: IpAddr,
        client: IpAddr,
        headers: &HeaderMap,
        proxies: Option<&TrustedProxies>,
    ) -> Option<(Misconfiguration, Option<&'static str>)> {
        let requests = self.requests.fetch_add(1, Relaxed).saturating_add(1);
        if requests >= CHECKED_REQUESTS {
            self.over.store(true, Relaxed);
        }
        let one_address = self.is_only(client) && requests == ONE_ADDRESS;
        if let Some((wrong, header)) = unread_header(peer, headers, proxies) {
            // It explains the one address, too.
            self.only.store(Self::SEVERAL, Relaxed);
            return Some((wrong, Some(header)));
        }
        one_address.then_some((Misconfiguration::OneAddress, None))
    }

    /// Whether all requests so far were counted for this address, and it is private.
    fn is_only(&self, client: IpAddr) -> bool {
        if self.only.load(Relaxed) == Self::SEVERAL {
            return false;
        }
        // Loopback is what development looks like.
        let print = if is_private(client) {
            fingerprint(client)
        } else {
            Self::SEVERAL
        };
        match self
            .only
            .compare_exchange(Self::NONE_YET, print, Relaxed, Relaxed)
        {
            Ok(_) => print != Self::SEVERAL,
            Err(only) if only == print => true,
            Err(_) => {
                self.only.store(Self::SEVERAL, Relaxed);
                false
            }
        }
    }
}

/// A forwarding header that should have been read, or written otherwise.
fn unread_header(
    peer: IpAddr,
    headers: &HeaderMap,
    proxies: Option<&TrustedProxies>,
) -> Option<(Misconfiguration, &'static str)> {
    let wrong = match proxies {
        None => Misconfiguration::UntrustedForwarding,
        Some(proxies) if proxies.trusts_peer(peer) => {
            if headers.contains_key(proxies.configured_header().name()) {
                return None;
            }
            Misconfiguration::OtherHeader
        }
        // From the internet it is a client that tries its luck, and the list is right.
        Some(_) if is_private(peer) || peer.is_loopback() => Misconfiguration::UntrustedForwarding,
        Some(_) => return None,
    };
    let header = FORWARDING
        .into_iter()
        .find(|&header| headers.contains_key(header))?;
    Some((wrong, header))
}

/// Whether nobody on the internet has this address. Loopback is not private.
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            address.is_private()
                || address.is_link_local()
                // Shared by a carrier's customers or a cloud's machines (RFC 6598): 100.64.0.0/10.
                || matches!(address.octets(), [100, 64..=127, _, _])
        }
        IpAddr::V6(address) => address.is_unique_local() || address.is_unicast_link_local(),
    }
}

/// Tells addresses apart, well enough for a hint; no address has the values of [`ProxyCheck`].
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

    /// What is seen in `count` requests like this.
    fn seen(
        watch: &ProxyCheck,
        count: u32,
        peer: &str,
        headers: &HeaderMap,
        proxies: Option<&TrustedProxies>,
    ) -> Vec<Misconfiguration> {
        let peer = address(peer);
        (0..count)
            .filter_map(|_| {
                let client = proxies.map_or(peer, |proxies| proxies.client(peer, headers));
                watch.look(peer, client, headers, proxies)
            })
            .map(|(wrong, _)| wrong)
            .collect()
    }

    #[test]
    fn a_forwarding_header_where_none_is_trusted() {
        for header in FORWARDING {
            for peer in ["203.0.113.9", "127.0.0.1", "10.0.0.1"] {
                let found = seen(&ProxyCheck::new(), 1, peer, &with(header), None);
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
        let look = |peer| {
            seen(
                &ProxyCheck::new(),
                1,
                peer,
                &with("x-forwarded-for"),
                Some(&proxies),
            )
        };
        assert_eq!(look("172.16.0.1"), [Misconfiguration::UntrustedForwarding]);
        assert_eq!(look("203.0.113.9"), []);
        assert_eq!(look("10.0.0.1"), []);
    }

    #[test]
    fn a_trusted_proxy_that_sends_another_header() {
        let proxies = TrustedProxies::new(["10.0.0.0/8"]).unwrap();
        let look =
            |headers: &HeaderMap| seen(&ProxyCheck::new(), 1, "10.0.0.1", headers, Some(&proxies));
        assert_eq!(look(&with("forwarded")), [Misconfiguration::OtherHeader]);
        assert_eq!(look(&HeaderMap::new()), [], "a health check");
        let mut both = with("forwarded");
        both.extend(with("x-forwarded-for"));
        assert_eq!(look(&both), []);
    }

    #[test]
    fn all_traffic_from_one_private_address() {
        for peer in ["10.0.0.1", "172.17.0.1", "100.64.0.1", "fd00::1"] {
            let watch = ProxyCheck::new();
            let none = HeaderMap::new();
            assert_eq!(seen(&watch, ONE_ADDRESS - 1, peer, &none, None), []);
            assert_eq!(
                seen(&watch, CHECKED_REQUESTS, peer, &none, None),
                [Misconfiguration::OneAddress],
                "{peer}"
            );
        }
    }

    #[test]
    fn a_trusted_proxy_that_sends_no_header_is_one_private_address() {
        let proxies = TrustedProxies::new(["10.0.0.0/8"]).unwrap();
        let found = seen(
            &ProxyCheck::new(),
            CHECKED_REQUESTS,
            "10.0.0.1",
            &HeaderMap::new(),
            Some(&proxies),
        );
        assert_eq!(found, [Misconfiguration::OneAddress]);
    }

    #[test]
    fn a_header_that_was_seen_explains_the_one_address() {
        let watch = ProxyCheck::new();
        let header = with("x-forwarded-for");
        assert_eq!(
            seen(&watch, 1, "10.0.0.1", &header, None),
            [Misconfiguration::UntrustedForwarding]
        );
        let none = HeaderMap::new();
        assert_eq!(seen(&watch, CHECKED_REQUESTS, "10.0.0.1", &none, None), []);
    }

    #[test]
    fn loopback_without_a_header_is_development() {
        for peer in ["127.0.0.1", "::1"] {
            assert_eq!(
                seen(
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
    fn two_clients_are_not_one_address() {
        for other in ["10.0.0.2", "203.0.113.9", "127.0.0.1"] {
            for order in [["10.0.0.1", other], [other, "10.0.0.1"]] {
                let watch = ProxyCheck::new();
                for peer in [order[0], order[1], "10.0.0.1"] {
                    assert_eq!(
                        seen(&watch, ONE_ADDRESS * 2 / 5, peer, &HeaderMap::new(), None),
                        []
                    );
                }
            }
        }
    }

    #[test]
    fn the_watch_ends() {
        let watch = ProxyCheck::new();
        seen(
            &watch,
            CHECKED_REQUESTS - 1,
            "203.0.113.9",
            &HeaderMap::new(),
            None,
        );
        assert!(!watch.is_over());
        seen(&watch, 1, "203.0.113.9", &HeaderMap::new(), None);
        assert!(watch.is_over());
    }
}
