//! Parses an address in a forwarding header, which may have brackets, a zone and a port.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Parses one IP address. An IPv4-mapped address becomes IPv4. `None` for any other text.
///
/// Accepted forms are `192.0.2.1`, `192.0.2.1:4711`, `2001:db8::1`, `[2001:db8::1]` and
/// `[2001:db8::1]:4711`, with optional spaces and tabs around them. Ports are dropped, including
/// obfuscated ones (`_port`; RFC 7239, section 6.4). So is the zone of an IPv6 address
/// (RFC 4007, section 11).
pub(super) fn parse(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(trim(text)).ok()?;
    let address = if let Some(bracketed) = text.strip_prefix('[') {
        let (address, port) = bracketed.split_once(']')?;
        if !port.is_empty() && !is_port(port.strip_prefix(':')?) {
            return None;
        }
        IpAddr::V6(ipv6(address)?)
    } else {
        match text.split_once(':') {
            None => IpAddr::V4(ipv4(text)?),
            // Without brackets, a port cannot be distinguished from the address's last group.
            Some((_, rest)) if rest.contains(':') => IpAddr::V6(ipv6(text)?),
            Some((address, port)) if is_port(port) => IpAddr::V4(ipv4(address)?),
            Some(_) => return None,
        }
    };
    Some(address.to_canonical())
}

/// Removes spaces and tabs at both ends: the optional whitespace of RFC 9110, section 5.6.3.
pub(super) fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

fn ipv4(text: &str) -> Option<Ipv4Addr> {
    text.parse().ok()
}

fn ipv6(text: &str) -> Option<Ipv6Addr> {
    match text.split_once('%') {
        None => text.parse().ok(),
        Some((address, zone)) if is_unreserved(zone) => address.parse().ok(),
        Some(_) => None,
    }
}

fn is_port(text: &str) -> bool {
    match text.strip_prefix('_') {
        Some(obfuscated) => is_unreserved(obfuscated),
        None => text.bytes().all(|b| b.is_ascii_digit()) && text.parse::<u16>().is_ok(),
    }
}

/// Whether `text`, a zone or an obfuscated port, consists of unreserved characters (RFC 3986,
/// section 2.3).
fn is_unreserved(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'~'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_parsed(expected: Option<&str>, texts: &[&str]) {
        let expected = expected.map(|text| text.parse().unwrap());
        for text in texts {
            assert_eq!(parse(text.as_bytes()), expected, "{text:?}");
        }
    }

    #[test]
    fn a_port_is_dropped() {
        assert_parsed(
            Some("192.0.2.1"),
            &[
                "192.0.2.1",
                "192.0.2.1:0",
                "192.0.2.1:65535",
                "192.0.2.1:_p",
            ],
        );
        assert_parsed(
            Some("2001:db8::1"),
            &[
                "2001:db8::1",
                "[2001:db8::1]",
                "[2001:db8::1]:4711",
                "[2001:DB8:0::1]:_a.b-c",
            ],
        );
    }

    #[test]
    fn a_zone_is_dropped() {
        assert_parsed(
            Some("fe80::1"),
            &[
                "fe80::1%eth0",
                "[fe80::1%eth0]",
                "[fe80::1%25en-1.2]:80",
                "fe80::1%3",
            ],
        );
    }

    #[test]
    fn spaces_and_tabs_around_are_dropped() {
        assert_parsed(Some("192.0.2.1"), &[" 192.0.2.1", "\t 192.0.2.1:80 \t"]);
    }

    #[test]
    fn mapped_addresses_are_ipv4() {
        assert_parsed(
            Some("192.0.2.1"),
            &[
                "::ffff:192.0.2.1",
                "[::ffff:c000:201]:80",
                "::ffff:192.0.2.1%eth0",
            ],
        );
    }

    #[test]
    fn text_that_is_not_one_address_is_rejected() {
        assert_parsed(
            None,
            &[
                "",
                " ",
                "unknown",
                "_hidden",
                "localhost",
                "192.0.2.1:",
                "192.0.2.1:x",
                "192.0.2.1:+80",
                "192.0.2.1:65536",
                "192.0.2.1:_",
                "192.0.2.1%eth0",
                "192.0.2.01",
                "192.0.2",
                "3221225985",
                "0xc0.0.2.1",
                "[192.0.2.1]",
                "192.0.2.1 192.0.2.2",
                "192.0.2.1, 192.0.2.2",
                "\"192.0.2.1\"",
                "192.0.2.1\u{a0}",
                "192.0.2.١",
                "[2001:db8::1",
                "2001:db8::1]",
                "[2001:db8::1]x",
                "[2001:db8::1]:",
                "[2001:db8::1]]",
                "[[2001:db8::1]]",
                "[]",
                "2001:db8::1%",
                "2001:db8::1%a b",
                "2001:db8::1%a%b",
                "2001:db8::1/64",
                ":",
                "::1::",
            ],
        );
        assert_eq!(parse(b"192.0.2.1\xff"), None);
    }
}
