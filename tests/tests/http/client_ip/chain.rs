//! A client, the proxies that it comes through, and what they write.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use test_support::random::Random;

pub(crate) const TRUSTED: [&str; 3] = ["10.0.0.0/8", "fd00::/8", "192.0.2.53"];

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Header {
    XForwardedFor,
    Forwarded,
    Single,
}

impl Header {
    pub(crate) const ALL: [Self; 3] = [Self::XForwardedFor, Self::Forwarded, Self::Single];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::XForwardedFor => "x-forwarded-for",
            Self::Forwarded => "forwarded",
            Self::Single => "cf-connecting-ip",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Trust {
    Listed,
    Hops(u8),
}

impl Trust {
    pub(crate) const ALL: [Self; 6] = [
        Self::Listed,
        Self::Hops(0),
        Self::Hops(1),
        Self::Hops(2),
        Self::Hops(3),
        Self::Hops(4),
    ];
}

#[derive(Debug)]
pub(crate) struct Chain {
    pub(crate) trust: Trust,
    pub(crate) header: Header,
    pub(crate) peer: IpAddr,
    /// The hops that the proxies saw, the client first; the peer is not among them.
    hops: Vec<Hop>,
    entries: Vec<Vec<u8>>,
}

#[derive(Debug)]
struct Hop {
    /// `None` if the proxy could not name it.
    address: Option<IpAddr>,
    /// A proxy copied a host with a comma beside it.
    has_quoted_comma: bool,
}

impl Chain {
    pub(crate) fn new(random: &mut Random) -> Self {
        let header = random.pick(&Header::ALL);
        Self::of(random, header)
    }

    pub(crate) fn of(random: &mut Random, header: Header) -> Self {
        let proxies = if random.one_in(8) {
            0
        } else {
            1 + random.below(4)
        };
        let trust = if random.one_in(3) {
            Trust::Hops(u8::try_from(proxies).unwrap())
        } else {
            Trust::Listed
        };
        let mut chain = Self {
            trust,
            header,
            peer: untrusted(random),
            hops: Vec::new(),
            entries: Vec::new(),
        };
        for proxy in 0..proxies {
            let seen = match proxy {
                0 if random.one_in(6) => None,
                0 => Some(untrusted(random)),
                _ => Some(chain.peer),
            };
            let (entry, has_quoted_comma) = write(random, header, seen);
            chain.entries.push(entry);
            chain.hops.push(Hop {
                address: seen,
                has_quoted_comma,
            });
            // With a hop count, proxies may have any address.
            chain.peer = match trust {
                Trust::Hops(_) if random.one_in(2) => untrusted(random),
                _ => trusted(random),
            };
        }
        chain
    }

    /// What each proxy appends, the outermost first.
    pub(crate) fn entries(&self) -> &[Vec<u8>] {
        &self.entries
    }

    /// The address that must be found; `None` where a quoted comma may end the reading early.
    pub(crate) fn client(&self) -> Option<IpAddr> {
        if self.hops.iter().any(|hop| hop.has_quoted_comma) {
            return None;
        }
        let hops = match self.header {
            Header::Single => self.hops.get(..1).unwrap_or_default(),
            Header::XForwardedFor | Header::Forwarded => &self.hops,
        };
        Some(hops.iter().find_map(|hop| hop.address).unwrap_or(self.peer))
    }

    /// Whether `address` is the client or one of the proxies.
    pub(crate) fn names(&self, address: IpAddr) -> bool {
        address == self.peer || self.hops.iter().any(|hop| hop.address == Some(address))
    }
}

fn trusted(random: &mut Random) -> IpAddr {
    let bits = random.next_u64();
    match random.below(5) {
        0 => Ipv4Addr::new(192, 0, 2, 53).into(),
        1 => Ipv6Addr::from_bits(0xfd << 120 | u128::from(bits)).into(),
        _ => {
            let [_, b, c, d, ..] = bits.to_be_bytes();
            Ipv4Addr::new(10, b, c, d).into()
        }
    }
}

fn untrusted(random: &mut Random) -> IpAddr {
    let bits = random.next_u64();
    if random.one_in(3) {
        return Ipv6Addr::from_bits(0x2001_0db8 << 96 | u128::from(bits)).into();
    }
    let [_, b, c, d, ..] = bits.to_be_bytes();
    let a = random.pick(&[2, 9, 11, 127, 192, 203, 255]);
    Ipv4Addr::new(a, b, c.max(3), d).into()
}

/// What a proxy writes of the address it saw, and whether there is a comma in it.
fn write(random: &mut Random, header: Header, seen: Option<IpAddr>) -> (Vec<u8>, bool) {
    match (header, seen) {
        (Header::Forwarded, seen) => {
            let element = forwarded(random, seen);
            let has_comma = element.contains(',');
            (element.into_bytes(), has_comma)
        }
        (_, Some(address)) => (written(random, address).into_bytes(), false),
        (_, None) => {
            let text = random.pick(&["unknown", "", "_hidden", "-", "\u{e9}", "1.1.1.1 2.2.2.2"]);
            (text.as_bytes().to_vec(), false)
        }
    }
}

/// An address in one of the forms that proxies write.
fn written(random: &mut Random, address: IpAddr) -> String {
    let port = random.pick(&["", "", ":80", ":_p"]);
    match address {
        IpAddr::V4(address) => match random.below(6) {
            0 => address.to_ipv6_mapped().to_string(),
            1 => format!("[{}]{port}", address.to_ipv6_mapped()),
            _ => format!("{address}{port}"),
        },
        IpAddr::V6(address) => {
            let zone = random.pick(&["", "", "%eth0", "%25en-1"]);
            if port.is_empty() && random.one_in(2) {
                format!("{address}{zone}")
            } else {
                format!("[{address}{zone}]{port}")
            }
        }
    }
}

/// An element of `Forwarded`, beside which there may be a host that the client chose.
fn forwarded(random: &mut Random, seen: Option<IpAddr>) -> String {
    let node = match seen {
        Some(address) => written(random, address),
        None => (random.pick(&["unknown", "_hidden", "\\1.1.1.1", ""])).to_owned(),
    };
    let node = match seen {
        Some(IpAddr::V4(address)) if node == address.to_string() && random.one_in(2) => node,
        _ => format!("\"{node}\""),
    };
    let name = random.pick(&["for", "For", "FOR", "fOr"]);
    let mut pairs = vec![format!("{name}={node}")];
    if random.one_in(2) {
        let parts = [
            "a",
            ".",
            ";",
            "\"",
            "\\",
            " ",
            "=",
            "for=1.1.1.1",
            "for=\"1.1.1.1\"",
            ";a=",
            ", for=1.1.1.1",
            ",for=10.9.9.9;b=",
        ];
        // Commas seldom: they hide what follows from the strict comparison.
        let parts = if random.one_in(8) {
            &parts[..]
        } else {
            &parts[..10]
        };
        let host: String = (0..random.below(6)).map(|_| random.pick(parts)).collect();
        let escaped = host.replace('\\', "\\\\").replace('"', "\\\"");
        let at = random.index(2);
        pairs.insert(at, format!("host=\"{escaped}\""));
    }
    if random.one_in(2) {
        let pair = random.pick(&[
            "proto=https",
            "proto=\"https\"",
            "by=\"[fd00::1]:80\"",
            "by=_x",
        ]);
        let at = random.index(pairs.len() + 1);
        pairs.insert(at, pair.to_owned());
    }
    pairs.join(random.pick(&[";", "; "]))
}
