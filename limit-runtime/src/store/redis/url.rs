//! The URLs that lead to Redis and Valkey.
//!
//! One server's URL is read by the `redis` crate; those of clusters and sentinels name several
//! hosts, each of which is read as if it stood alone.

use crate::store::{ConnectError, connect::redacted};
use redis::{ConnectionInfo, IntoConnectionInfo};

/// What a URL says.
pub(super) struct Target {
    pub(super) topology: Topology,
    /// The URL without its password.
    pub(super) shown: Box<str>,
    /// The certificate that the server's must be signed by, if not one of the system's: PEM.
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

/// How a scheme is connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Server,
    Unix,
    Sentinel,
    Cluster,
}

/// The parameters that only a socket's URL has, because it has no other place for them.
const UNIX_PARAMETERS: [&str; 3] = ["db", "user", "pass"];

impl Target {
    /// # Errors
    /// When the URL leads nowhere; the error says what to write.
    pub(super) fn parse(url: &str) -> Result<Self, ConnectError> {
        let wrong = |problem: String| ConnectError::Url {
            found: redacted(url),
            problem: problem.into(),
        };
        let (scheme, rest) = url
            .split_once("://")
            .ok_or_else(|| ConnectError::unknown(url))?;
        let (kind, tls) = kind_of(scheme).ok_or_else(|| ConnectError::unknown(url))?;
        let off = |feature| ConnectError::FeatureOff {
            scheme: scheme.into(),
            feature,
        };
        if tls && !cfg!(feature = "redis-tls") {
            return Err(off("redis-tls"));
        }
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let mut ca = None;
        for (name, value) in parameters(query) {
            match name {
                "tls-ca" if tls => ca = Some(read(value).map_err(wrong)?),
                name if kind == Kind::Unix && UNIX_PARAMETERS.contains(&name) => {}
                name => {
                    return Err(wrong(format!(
                        "unknown parameter `{name}`; allowed: {}",
                        match (kind, tls) {
                            (Kind::Unix, _) => "db, user, pass",
                            (_, true) => "tls-ca",
                            (_, false) => "none",
                        }
                    )));
                }
            }
        }
        let node = |url: String| {
            url.into_connection_info()
                .map_err(|error| wrong(error.to_string()))
        };
        let plain = if tls { "rediss" } else { "redis" };
        let topology = match kind {
            Kind::Server => Topology::Server(node(format!("{plain}://{rest}"))?),
            Kind::Unix if query.is_empty() => {
                Topology::Server(node(format!("redis+unix://{rest}"))?)
            }
            Kind::Unix => Topology::Server(node(format!("redis+unix://{rest}?{query}"))?),
            #[cfg(feature = "redis-cluster")]
            Kind::Cluster => {
                let several = Several::split(rest);
                let urls = several.urls(plain, 6379, several.path);
                Topology::Cluster(urls.map(node).collect::<Result<_, _>>()?)
            }
            #[cfg(not(feature = "redis-cluster"))]
            Kind::Cluster => return Err(off("redis-cluster")),
            #[cfg(feature = "redis-sentinel")]
            Kind::Sentinel => {
                let several = Several::split(rest);
                let (master, db) = several.path.split_once('/').unwrap_or((several.path, ""));
                if master.is_empty() {
                    return Err(wrong(
                        "no master is named; write `redis+sentinel://host1,host2/master`"
                            .to_owned(),
                    ));
                }
                let urls = several.urls(plain, 26379, db);
                Topology::Sentinel {
                    nodes: urls.map(node).collect::<Result<_, _>>()?,
                    master: master.into(),
                }
            }
            #[cfg(not(feature = "redis-sentinel"))]
            Kind::Sentinel => return Err(off("redis-sentinel")),
        };
        Ok(Self {
            topology,
            shown: redacted(url),
            ca,
        })
    }
}

/// How a scheme is connected to, and whether over TLS. `valkey` is `redis` by its other name.
fn kind_of(scheme: &str) -> Option<(Kind, bool)> {
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

fn read(path: &str) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| format!("cannot read the certificate `{path}`: {error}"))
}

/// `user:password@host1,host2/path`.
#[cfg(any(feature = "redis-cluster", feature = "redis-sentinel"))]
struct Several<'a> {
    /// With its `@`.
    user: &'a str,
    hosts: &'a str,
    path: &'a str,
}

#[cfg(any(feature = "redis-cluster", feature = "redis-sentinel"))]
impl<'a> Several<'a> {
    fn split(rest: &'a str) -> Self {
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let at = authority.rfind('@').map_or(0, |at| at + 1);
        let (user, hosts) = authority.split_at(at);
        Self { user, hosts, path }
    }

    /// The URL of each host as if it stood alone.
    fn urls(&self, scheme: &str, port: u16, db: &str) -> impl Iterator<Item = String> {
        self.hosts.split(',').map(move |host| {
            // The colons of an IPv6 address stand in brackets.
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
            "the store's URL `cache:6379`: there is no scheme; write `redis://host:6379/0`"
        );
        assert!(
            problem("rdis://:hunter2@h").contains("unknown scheme `rdis`; allowed: memory, redis,")
        );
        assert!(!problem("rdis://:hunter2@h").contains("hunter2"));
        assert!(
            problem("redis://h?timeout=3").contains("unknown parameter `timeout`; allowed: none")
        );
        assert!(problem("redis://h/zero").contains("redis://h/zero"));
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
