//! No text that a client sends changes its address: for whatever header lines `p` an attacker
//! makes, `client(p ++ honest) == client(honest)`.
//!
//! The ordinary run tries 100,000 cases. The long one:
//!
//! ```text
//! LIMIT_PROOF_CASES=10000000 cargo test --release -p workspace-tests --test http client_ip::proof
//! ```
//!
//! Every case has a seed of its own: `LIMIT_PROOF_SEED=… LIMIT_PROOF_CASES=1` repeats one that
//! failed.

use super::chain::{Chain, Header, TRUSTED, Trust};
use axum::{
    extract::connect_info::ConnectInfo,
    http::{HeaderMap, HeaderName, HeaderValue, Request},
};
use limit_runtime::{ForwardedHeader, Limiter, TrustedProxies, client_ip};
use std::{
    env,
    net::{IpAddr, SocketAddr},
};
use test_support::random::Random;

const CASES: u64 = 100_000;

#[test]
fn no_header_of_a_client_changes_its_address() {
    let number = |name: &str, default| env::var(name).map_or(default, |text| text.parse().unwrap());
    let first = number("LIMIT_PROOF_SEED", 0x1234_5678);
    let limiters = Limiters::new();
    for seed in first..first + number("LIMIT_PROOF_CASES", CASES) {
        let random = &mut Random::new(seed);
        let chain = Chain::new(random);
        let attack = attack(random, chain.header);
        let honest = lines(&chain, random, &[]);
        let attacked = lines(&chain, random, &attack);

        let without = limiters.client(&chain, &honest, &[]);
        let others = other_headers(random, chain.header);
        let with = limiters.client(&chain, &attacked, &others);
        let story = || {
            let honest: Vec<_> = honest
                .iter()
                .map(|line| line.escape_ascii().to_string())
                .collect();
            let attacked: Vec<_> = attacked
                .iter()
                .map(|line| line.escape_ascii().to_string())
                .collect();
            format!("seed {seed}: {chain:?}\nhonest {honest:#?}\nattacked {attacked:#?}")
        };
        assert_eq!(with, without, "{}", story());
        match chain.client() {
            Some(client) => assert_eq!(with, client, "{}", story()),
            // A quoted comma in what a proxy wrote: it may stop there, at one of the hops.
            None => assert!(chain.names(with), "{with} {}", story()),
        }
    }
}

/// The lines of the header as the server sees them: what the attacker sent, and after it what the
/// proxies wrote.
fn lines(chain: &Chain, random: &mut Random, attack: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut lines = attack.to_vec();
    if chain.header == Header::Single {
        // The outermost proxy replaces the header; one that only adds a line does it at the end.
        lines.extend(chain.entries().first().cloned());
        return lines;
    }
    if random.one_in(3) && !lines.is_empty() {
        lines = vec![lines.join(&b", "[..])];
    }
    for entry in chain.entries() {
        let separator = random.pick(&[",", ", ", " ,\t"]);
        match lines.last_mut() {
            Some(line) if random.one_in(2) => {
                line.extend_from_slice(separator.as_bytes());
                line.extend_from_slice(entry);
            }
            _ => lines.push(entry.clone()),
        }
    }
    lines
}

/// Parts of texts that are meant to mislead.
const NASTY: [&[u8]; 40] = [
    b",",
    b", ",
    b",,",
    b"\"",
    b"\\",
    b"\\\"",
    b"\"\"",
    b";",
    b"=",
    b" ",
    b"\t",
    b"for=",
    b"For=\"",
    b"for=\"[",
    b"FOR=10.9.9.9",
    b"for=1.1.1.1",
    b";for=1.1.1.1",
    b"for=\"1.1.1.1",
    b", for=10.0.0.1",
    b";host=\"",
    b";proto=https",
    b"by=",
    b"[",
    b"]",
    b"]:",
    b"%",
    b"%eth0",
    b":4711",
    b"::",
    b"1.1.1.1",
    b"10.0.0.1",
    b"10.9.9.9, ",
    b"fd00::1",
    b"::ffff:10.0.0.1",
    b"unknown",
    b"_hidden",
    b"0",
    b"/8",
    b"\xff",
    b"\xc2\xa0",
];

fn nasty(random: &mut Random) -> Vec<u8> {
    let mut text = Vec::new();
    for _ in 0..random.below(10) {
        match random.below(8) {
            0 => text.push(random.pick(b"\t !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~\x80\xff")),
            _ => {
                let nasty: &[u8] = random.pick::<&[u8]>(&NASTY);
                text.extend_from_slice(nasty);
            }
        }
    }
    if random.one_in(4_096) {
        text = text.repeat(1 + random.index(8_192));
    }
    text
}

fn attack(random: &mut Random, header: Header) -> Vec<Vec<u8>> {
    (0..random.below(4))
        .map(|_| {
            // Some lines are what an honest chain would look like.
            if random.one_in(4) {
                Chain::of(random, header).entries().join(&b", "[..])
            } else {
                nasty(random)
            }
        })
        .collect()
}

fn other_headers(random: &mut Random, header: Header) -> Vec<(HeaderName, Vec<u8>)> {
    const NAMES: [&str; 7] = [
        "x-forwarded-for",
        "forwarded",
        "cf-connecting-ip",
        "x-real-ip",
        "true-client-ip",
        "x-forwarded",
        "x-forwarded-host",
    ];
    (0..random.below(3))
        .map(|_| (random.pick(&NAMES), nasty(random)))
        .filter(|(name, _)| *name != header.name())
        .map(|(name, value)| (HeaderName::from_static(name), value))
        .collect()
}

/// One for each way to trust and each header.
struct Limiters(Vec<((Trust, Header), Limiter)>);

impl Limiters {
    fn new() -> Self {
        let mut limiters = Vec::new();
        for trust in Trust::ALL {
            for header in Header::ALL {
                let proxies = match trust {
                    Trust::Listed => TrustedProxies::new(TRUSTED).unwrap(),
                    Trust::Hops(count) => TrustedProxies::hops(count),
                };
                let name: ForwardedHeader = header.name().parse().unwrap();
                let limiter = Limiter::builder().trusted_proxies(proxies.header(name));
                limiters.push(((trust, header), limiter.build()));
            }
        }
        Self(limiters)
    }

    fn client(&self, chain: &Chain, lines: &[Vec<u8>], others: &[(HeaderName, Vec<u8>)]) -> IpAddr {
        let name = HeaderName::from_static(chain.header.name());
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(&name, HeaderValue::from_bytes(line).unwrap());
        }
        for (name, line) in others {
            headers.append(name, HeaderValue::from_bytes(line).unwrap());
        }
        let settings = (chain.trust, chain.header);
        let (_, limiter) = self.0.iter().find(|(of, _)| *of == settings).unwrap();
        let (mut parts, ()) = Request::new(()).into_parts();
        parts.headers = headers;
        parts.extensions.insert(limiter.clone());
        parts
            .extensions
            .insert(ConnectInfo(SocketAddr::new(chain.peer, 4711)));
        client_ip(&parts).unwrap().address()
    }
}
