//! Parses the URLs of Redis and Valkey.
//!
//! The `redis` crate parses the URL of a single server. The URL of a cluster or of sentinels has
//! several hosts. It is split into one URL for each host, which that crate then parses.

use crate::store::{ConnectError, connect::redacted};
use redis::{ConnectionInfo, IntoConnectionInfo};

/// The parts of a URL.
pub(super) struct Target {
    pub(super) topology: Topology,
    /// The URL without user and password, for errors.
    pub(super) redacted_url: Box<str>,
    /// The certificate authority for the server's certificate, as PEM. `None`: those of the system.
    pub(super) ca: Option<Vec<u8>>,
}

pub(super) enum Topology {
    Server(ConnectionInfo),
    #[cfg(feature = "redis-sentinel")]
    Sentinel {
        nodes: Vec<ConnectionInfo>,
        master: Box<str>,
    },
    #[cfg(feature = "redis-cluster")]
    Cluster(Vec<ConnectionInfo>),
}

/// The kind of connection that a scheme selects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Server,
    Unix,
    Sentinel,
    Cluster,
}

/// Parameters of a Unix socket's URL, in which the path leaves no other place for them.
const UNIX_PARAMETERS: [&str; 3] = ["db", "user", "pass"];

impl Target {
    /// # Errors
    /// If the URL is invalid, or needs a feature that is not enabled.
    pub(super) fn parse(url: &str) -> Result<Self, ConnectError> {
        let invalid = |problem: String| ConnectError::Url {
            found: redacted(url),
            problem: problem.into(),
        };
        let (scheme, rest) = url
            .split_once("://")
            .ok_or_else(|| ConnectError::unknown(url))?;
        let (kind, tls) = parse_scheme(scheme).ok_or_else(|| ConnectError::unknown(url))?;
        let feature_off = |feature| ConnectError::FeatureOff {
            scheme: scheme.into(),
            feature,
        };
        if tls && !cfg!(feature = "redis-tls") {
            return Err(feature_off("redis-tls"));
        }
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let mut ca = None;
        for (name, value) in parameters(query) {
            match name {
                "tls-ca" if tls => ca = Some(read_certificate(value).map_err(invalid)?),
                name if kind == Kind::Unix && UNIX_PARAMETERS.contains(&name) => {}
                name => {
                    return Err(invalid(format!(
                        "unknown parameter `{name}`; allowed: {}",
                        match (kind, tls) {
                            (Kind::Unix, _) => "db, user, pass",
                            (_, true) => "tls-ca",
                            (_, false) => "none; remove it",
                        }
                    )));
                }
            }
        }
        let example = match kind {
            Kind::Server => "redis://user:password@host:6379/0",
            Kind::Unix => "redis+unix:///run/redis.sock?db=0",
            Kind::Cluster => "redis+cluster://user:password@host1:6379,host2:6379",
            Kind::Sentinel => "redis+sentinel://user:password@host1:26379,host2:26379/master/0",
        };
        let node = |url: String| {
            url.into_connection_info()
                .map_err(|error| invalid(format!("{error}; write it like `{example}`")))
        };
        let server_scheme = if tls { "rediss" } else { "redis" };
        let topology = match kind {
            Kind::Server => Topology::Server(node(format!("{server_scheme}://{rest}"))?),
            Kind::Unix if query.is_empty() => {
                Topology::Server(node(format!("redis+unix://{rest}"))?)
            }
            Kind::Unix => Topology::Server(node(format!("redis+unix://{rest}?{query}"))?),
            #[cfg(feature = "redis-cluster")]
            Kind::Cluster => {
                let hosts = MultiHost::split(rest);
                let urls = hosts.urls(server_scheme, 6379, hosts.path);
                Topology::Cluster(urls.map(node).collect::<Result<_, _>>()?)
            }
            #[cfg(not(feature = "redis-cluster"))]
            Kind::Cluster => return Err(feature_off("redis-cluster")),
            #[cfg(feature = "redis-sentinel")]
            Kind::Sentinel => {
                let hosts = MultiHost::split(rest);
                let (master, db) = hosts.path.split_once('/').unwrap_or((hosts.path, ""));
                if master.is_empty() {
                    return Err(invalid(
                        "no master is named; write `redis+sentinel://host1,host2/master`"
                            .to_owned(),
                    ));
                }
                let urls = hosts.urls(server_scheme, 26379, db);
                Topology::Sentinel {
                    nodes: urls.map(node).collect::<Result<_, _>>()?,
                    master: master.into(),
                }
            }
            #[cfg(not(feature = "redis-sentinel"))]
            Kind::Sentinel => return Err(feature_off("redis-sentinel")),
        };
        Ok(Self {
            topology,
            redacted_url: redacted(url),
            ca,
        })
    }
}

/// The kind of connection, and whether it uses TLS. `valkey` is a synonym for `redis`.
fn parse_scheme(scheme: &str) -> Option<(Kind, bool)> {
    let (base, suffix) = scheme.split_once('+').unwrap_or((scheme, ""));
    let tls = match base {
        "redis" | "valkey" => false,
        "rediss" | "valkeys" => true,
        _ => return None,
    };
    match suffix {
        "" => Some((Kind::Server, tls)),
        "unix" if !tls => Some((Kind::Unix, tls)),
        "cluster" => Some((Kind::Cluster, tls)),
        "sentinel" => Some((Kind::Sentinel, tls)),
        _ => None,
    }
}

fn parameters(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query
        .split('&')
        .filter(|parameter| !parameter.is_empty())
        .map(|parameter| parameter.split_once('=').unwrap_or((parameter, "")))
}

fn read_certificate(path: &str) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| {
        format!(
            "cannot read the certificate `{path}`: {error}; write the path of a PEM file, \
             as in `?tls-ca=/path/ca.pem`"
        )
    })
}

/// A URL without its scheme: `user:password@host1,host2/path`.
#[cfg(any(feature = "redis-cluster", feature = "redis-sentinel"))]
struct MultiHost<'a> {
    /// `user:password@`, or empty.
    user: &'a str,
    hosts: &'a str,
    path: &'a str,
}

#[cfg(any(feature = "redis-cluster", feature = "redis-sentinel"))]
impl<'a> MultiHost<'a> {
    fn split(rest: &'a str) -> Self {
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let at = authority.rfind('@').map_or(0, |at| at + 1);
        let (user, hosts) = authority.split_at(at);
        Self { user, hosts, path }
    }

    /// One URL for each host.
    fn urls(&self, scheme: &str, port: u16, db: &str) -> impl Iterator<Item = String> {
        self.hosts.split(',').map(move |host| {
            // An IPv6 address is in brackets, so a colon after them begins a port.
            let after_brackets = host.rsplit(']').next().unwrap_or(host);
            if after_brackets.contains(':') {
                format!("{scheme}://{}{host}/{db}", self.user)
            } else {
                format!("{scheme}://{}{host}:{port}/{db}", self.user)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(url: &str) -> String {
        match Target::parse(url) {
            Ok(_) => panic!("{url} was taken"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_wrong_url_says_what_to_write() {
        assert_eq!(
            problem("cache:6379"),
            "the store's URL `cache:6379`: there is no scheme; write `redis://host:6379/0` or \
             `memcached://host:11211`"
        );
        assert!(problem("rdis://:hunter2@h").contains("unknown scheme `rdis`; allowed: memory, "));
        assert!(!problem("rdis://:hunter2@h").contains("hunter2"));
        assert!(
            problem("redis://h?timeout=3").contains("unknown parameter `timeout`; allowed: none")
        );
        assert!(problem("redis://h/zero").contains("redis://h/zero"));
        assert!(problem("redis://h/zero").contains("write it like `redis://user:password@host"));
    }

    #[cfg(not(feature = "redis-cluster"))]
    #[test]
    fn a_feature_that_is_off_is_named() {
        assert!(problem("redis+cluster://a,b").contains("`redis-cluster`"));
    }

    #[cfg(not(feature = "redis-tls"))]
    #[test]
    fn tls_without_its_feature_is_named() {
        assert!(problem("rediss://h").contains("`redis-tls`"));
    }

    #[test]
    fn valkey_is_redis_by_its_other_name() {
        for url in [
            "redis://h",
            "valkey://h",
            "redis+unix:///run/r.sock?db=3",
            "valkey+unix:///run/r.sock",
        ] {
            assert!(Target::parse(url).is_ok(), "{url}");
        }
    }

    #[cfg(feature = "redis-cluster")]
    #[test]
    fn each_host_of_a_cluster_is_read_as_if_it_stood_alone() {
        let target = Target::parse("redis+cluster://u:p%40ss@a,b:7001,[::1]:7002").expect("a URL");
        let Topology::Cluster(nodes) = target.topology else {
            panic!("not a cluster");
        };
        let shown: Vec<_> = nodes.iter().map(|node| node.addr().to_string()).collect();
        assert_eq!(shown.len(), 3);
        assert_eq!(shown[..2], ["a:6379", "b:7001"]);
        for node in &nodes {
            assert_eq!(node.redis_settings().password(), Some("p@ss"));
        }
    }

    #[cfg(feature = "redis-sentinel")]
    #[test]
    fn a_sentinel_url_names_the_master() {
        assert!(problem("redis+sentinel://a,b").contains("no master is named"));
        let target = Target::parse("redis+sentinel://a,b/mymaster/2").expect("a URL");
        let Topology::Sentinel { nodes, master } = target.topology else {
            panic!("not a sentinel");
        };
        assert_eq!(&*master, "mymaster");
        assert_eq!(nodes[0].addr().to_string(), "a:26379");
        assert_eq!(nodes[0].redis_settings().db(), 2);
    }
}
