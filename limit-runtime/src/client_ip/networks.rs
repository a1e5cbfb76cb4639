//! A set of networks that contains the addresses of trusted proxies.

use super::error::TrustedProxiesError;
use ipnet::IpNet;
use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// Disjoint networks in ascending order.
#[derive(Clone)]
pub(super) struct Networks(Box<[IpNet]>);

impl Networks {
    pub(super) fn parse<I>(entries: I) -> Result<Self, TrustedProxiesError>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let networks = entries
            .into_iter()
            .map(|entry| network(entry.as_ref().trim()))
            .collect::<Result<Vec<_>, _>>()?;
        if networks.is_empty() {
            return Err(TrustedProxiesError::Empty);
        }
        let mut networks = IpNet::aggregate(&networks);
        // `contains` searches by order, which `aggregate` does not guarantee.
        networks.sort_unstable();
        Ok(Self(networks.into()))
    }

    /// Whether one of the networks contains `address`, which must be canonical.
    pub(super) fn contains(&self, address: IpAddr) -> bool {
        let after = self.0.partition_point(|network| network.addr() <= address);
        after
            .checked_sub(1)
            .and_then(|nearest| self.0.get(nearest))
            .is_some_and(|network| network.contains(&address))
    }
}

impl fmt::Debug for Networks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(
                self.0
                    .iter()
                    .map(|network| format_args!("{network}").to_string()),
            )
            .finish()
    }
}

/// Parses and checks one entry. A network of IPv4-mapped addresses becomes IPv4.
fn network(entry: &str) -> Result<IpNet, TrustedProxiesError> {
    let network = parse(entry).ok_or_else(|| TrustedProxiesError::NotANetwork {
        found: entry.into(),
    })?;
    if network.addr() != network.network() {
        return Err(TrustedProxiesError::HostBits {
            found: entry.into(),
            network: network.trunc().to_string().into(),
            address: network.addr().to_string().into(),
        });
    }
    let shortest_prefix = shortest_prefix(&network);
    if network.prefix_len() < shortest_prefix {
        return Err(TrustedProxiesError::TooWide {
            found: entry.into(),
            shortest_prefix,
        });
    }
    Ok(canonical(network))
}

/// Parses an address with a prefix, or an address alone.
fn parse(entry: &str) -> Option<IpNet> {
    let Some((address, prefix)) = entry.split_once('/') else {
        return Some(IpNet::from(entry.parse::<IpAddr>().ok()?));
    };
    if !prefix.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    IpNet::new(address.parse().ok()?, prefix.parse().ok()?).ok()
}

const MAPPED: IpNet = ipv6([0, 0, 0, 0, 0, 0xffff, 0, 0], 96);

/// Ranges of addresses, each with the shortest prefix that is allowed in it.
const RANGES: [(IpNet, u8); 6] = [
    // 10.0.0.0/8 is the widest private network, and no operator has been allocated more than a /8.
    (IpNet::new_assert(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0), 8),
    // IPv4 embedded in IPv6: mapped (RFC 4291), NAT64 (RFC 6052) and 6to4 (RFC 3056).
    (MAPPED, 96 + 8),
    (ipv6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96), 96 + 8),
    (ipv6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16), 16 + 8),
    // Unique-local (RFC 4193) and link-local addresses are not routed on the internet.
    (ipv6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7), 7),
    (ipv6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10), 10),
];

const fn ipv6(groups: [u16; 8], prefix: u8) -> IpNet {
    let [a, b, c, d, e, f, g, h] = groups;
    IpNet::new_assert(IpAddr::V6(Ipv6Addr::new(a, b, c, d, e, f, g, h)), prefix)
}

/// The shortest prefix that is allowed for this network. A shorter one includes addresses of
/// clients.
///
/// Outside [`RANGES`] it is /16: a regional internet registry distributes /12 blocks of IPv6, and
/// no operator has been allocated a block as wide as a /16.
fn shortest_prefix(network: &IpNet) -> u8 {
    RANGES
        .iter()
        .filter(|(range, _)| range.contains(network) || network.contains(range))
        .map(|&(_, shortest)| shortest)
        .max()
        .unwrap_or(16)
}

/// Converts a network of IPv4-mapped addresses to the IPv4 network.
fn canonical(network: IpNet) -> IpNet {
    let IpAddr::V4(address) = network.addr().to_canonical() else {
        return network;
    };
    let prefix = match network {
        IpNet::V4(_) => network.prefix_len(),
        IpNet::V6(_) => network.prefix_len().saturating_sub(96),
    };
    IpNet::new(address.into(), prefix).unwrap_or(network)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn networks(entries: &[&str]) -> Networks {
        Networks::parse(entries).unwrap()
    }

    fn error_of(entry: &str) -> TrustedProxiesError {
        Networks::parse([entry]).unwrap_err()
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_is_in_the_list_if_it_is_in_one_network_of_it() {
        let list = networks(&[
            "192.168.0.0/16",
            "10.0.0.0/8",
            "10.1.0.0/16",
            "fd00::/8",
            "2001:db8::7",
            "203.0.113.9",
        ]);
        for inside in [
            "10.0.0.0",
            "10.1.2.3",
            "10.255.255.255",
            "192.168.255.255",
            "203.0.113.9",
            "fd00::",
            "fdff:ffff::1",
            "2001:db8::7",
        ] {
            assert!(list.contains(address(inside)), "{inside}");
        }
        for outside in [
            "0.0.0.0",
            "9.255.255.255",
            "11.0.0.0",
            "192.167.255.255",
            "192.169.0.0",
            "203.0.113.8",
            "203.0.113.10",
            "255.255.255.255",
            "::",
            "::a00:1",
            "2001:db8::6",
            "2001:db8::8",
            "fc00::1",
            "fe00::",
        ] {
            assert!(!list.contains(address(outside)), "{outside}");
        }
    }

    #[test]
    fn a_mapped_network_is_the_ipv4_network() {
        let list = networks(&["::ffff:10.0.0.0/104", "::ffff:203.0.113.9"]);
        assert!(list.contains(address("10.200.0.1")));
        assert!(list.contains(address("203.0.113.9")));
        assert!(!list.contains(address("11.0.0.1")));
    }

    #[test]
    fn a_network_that_contains_clients_is_rejected() {
        for (entry, shortest) in [
            ("0.0.0.0/0", 8),
            ("128.0.0.0/1", 8),
            ("10.0.0.0/7", 8),
            ("::/0", 104),
            ("::/1", 104),
            ("::/64", 104),
            ("::ffff:0:0/96", 104),
            ("::ffff:0.0.0.0/96", 104),
            ("::ffff:10.0.0.0/103", 104),
            ("64:ff9b::/96", 104),
            ("64:ff9b::/32", 104),
            ("2002::/16", 24),
            ("2000::/3", 24),
            ("2a00::/12", 16),
            ("2600::/15", 16),
            ("fc00::/6", 10),
            ("fe80::/9", 10),
            ("8000::/1", 10),
        ] {
            assert_eq!(
                error_of(entry),
                TrustedProxiesError::TooWide {
                    found: entry.into(),
                    shortest_prefix: shortest
                }
            );
        }
    }

    #[test]
    fn networks_that_proxies_have_are_allowed() {
        // Private, loopback and link-local networks, and prefixes that large operators publish.
        for entry in [
            "10.0.0.0/8",
            "127.0.0.0/8",
            "172.16.0.0/12",
            "192.168.0.0/16",
            "100.64.0.0/10",
            "169.254.0.0/16",
            "104.16.0.0/13",
            "3.160.0.0/14",
            "fc00::/7",
            "fd00::/8",
            "fe80::/10",
            "::1",
            "::1/128",
            "2a06:98c0::/29",
            "2600:9000::/28",
        ] {
            assert!(Networks::parse([entry]).is_ok(), "{entry}");
        }
    }

    #[test]
    fn an_entry_that_is_not_a_network_is_in_the_error() {
        for entry in [
            "",
            "10.0.0.0/33",
            "10.0.0.0/",
            "10.0.0.0/+8",
            "10.0.0.0/-1",
            "10.0.0.0/8/8",
            "10.0.0.0/255.0.0.0",
            "10.0.0/8",
            "010.0.0.0/8",
            "10.0.0.0 /8",
            "10.0.0.1:80",
            "fd00::/129",
            "[fd00::]/8",
            "fe80::%eth0/64",
            "private",
            "*",
        ] {
            assert_eq!(
                error_of(entry),
                TrustedProxiesError::NotANetwork {
                    found: entry.into()
                }
            );
        }
        assert_eq!(
            Networks::parse(Vec::<String>::new()).unwrap_err(),
            TrustedProxiesError::Empty
        );
    }

    #[test]
    fn a_network_with_bits_after_its_prefix_is_rejected_with_both_corrections() {
        assert_eq!(
            error_of("10.1.2.3/8").to_string(),
            "`10.1.2.3/8` has bits set after its prefix; write `10.0.0.0/8` for the network or \
             `10.1.2.3` for the one address"
        );
    }
}
