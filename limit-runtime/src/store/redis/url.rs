//! Parses the URLs of Redis and Valkey.
//!
//! They are parsed here and not by the `redis` crate, because some have several hosts, and because
//! no error may quote a part of a URL that could be a part of a password.

#[cfg(feature = "redis-tls")]
use super::tls;
use super::url_parameters::{self, Parameters};
use crate::store::{ConnectError, connect::redacted};
use redis::{
    ConnectionAddr, ConnectionInfo, IntoConnectionInfo, ProtocolVersion, RedisConnectionInfo,
};
use std::net::{Ipv4Addr, Ipv6Addr};

/// Certificates and keys from files.
#[cfg(feature = "redis-tls")]
pub(super) type Certificates = redis::TlsCertificates;
#[cfg(not(feature = "redis-tls"))]
pub(super) enum Certificates {}

/// The parts of a URL.
pub(super) struct Target {
    pub(super) topology: Topology,
    /// The URL without what could be secret, for errors.
    pub(super) redacted_url: Box<str>,
    pub(super) protocol: ProtocolVersion,
    /// `None`: the certificate authorities of the system, and no certificate of the client.
    pub(super) certificates: Option<Certificates>,
}

pub(super) enum Topology {
    Server(ConnectionInfo),
    #[cfg(feature = "redis-sentinel")]
    Sentinel(Sentinel),
    #[cfg(feature = "redis-cluster")]
    Cluster(Vec<ConnectionInfo>),
}

#[cfg(feature = "redis-sentinel")]
pub(super) struct Sentinel {
    pub(super) nodes: Vec<ConnectionAddr>,
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
    pub(super) tls: bool,
    pub(super) master: String,
    /// User, password and database of the master.
    pub(super) server: RedisConnectionInfo,
    pub(super) server_tls: bool,
}

/// The kind of connection that a scheme selects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Server,
    Unix,
    Sentinel,
    Cluster,
}

impl Kind {
    fn example(self) -> &'static str {
        match self {
            Self::Server => "redis://user:password@host:6379/0",
            Self::Unix => "redis+unix:///run/redis.sock?db=0",
            Self::Cluster => "redis+cluster://user:password@host1:6379,host2:6379",
            Self::Sentinel => "redis+sentinel://user:password@host1:26379,host2:26379/master/0",
        }
    }

    fn feature(self) -> Option<&'static str> {
        match self {
            Self::Cluster if !cfg!(feature = "redis-cluster") => Some("redis-cluster"),
            Self::Sentinel if !cfg!(feature = "redis-sentinel") => Some("redis-sentinel"),
            _ => None,
        }
    }

    fn parameters(self) -> &'static [&'static str] {
        match self {
            Self::Unix => &["db", "user", "pass"],
            Self::Sentinel => &["sentinel-user", "sentinel-password", "sentinel-tls"],
            Self::Server | Self::Cluster => &[],
        }
    }
}

/// The parameters that every URL can have, and those that need TLS.
const COMMON_PARAMETERS: [&str; 1] = ["protocol"];
const TLS_PARAMETERS: [&str; 3] = ["tls-ca", "tls-cert", "tls-key"];

impl Target {
    /// # Errors
    /// If the URL is invalid, or needs a feature that is not enabled.
    pub(super) fn parse(url: &str) -> Result<Self, ConnectError> {
        let (scheme, rest) = url
            .split_once("://")
            .ok_or_else(|| ConnectError::unknown(url))?;
        let (kind, tls) = parse_scheme(scheme).ok_or_else(|| ConnectError::unknown(url))?;
        let needs_tls_feature = tls && !cfg!(feature = "redis-tls");
        let feature = needs_tls_feature.then_some("redis-tls").or(kind.feature());
        if let Some(feature) = feature {
            return Err(ConnectError::FeatureOff {
                scheme: scheme.into(),
                feature,
            });
        }
        let redacted_url = redacted(url);
        parse(kind, tls, rest).map_or_else(
            |problem| {
                Err(ConnectError::Url {
                    found: redacted_url.clone(),
                    problem: problem.into(),
                })
            },
            |(topology, protocol, certificates)| {
                Ok(Self {
                    topology,
                    redacted_url: redacted_url.clone(),
                    protocol,
                    certificates,
                })
            },
        )
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

type Parts = (Topology, ProtocolVersion, Option<Certificates>);

/// Parses what follows the scheme. An error says what is wrong and what to write.
fn parse(kind: Kind, tls: bool, rest: &str) -> Result<Parts, String> {
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(end);
    if tail.contains('@') || tail.contains('#') {
        return Err(
            "there is a `#`, or an `@` after the first `/` or `?`; in a user, a password or a \
             path, write `%40` for `@`, `%2F` for `/`, `%3F` for `?` and `%23` for `#`"
                .to_owned(),
        );
    }
    let (path, query) = tail.split_once('?').unwrap_or((tail, ""));
    let authority = Authority::parse(kind, authority)?;
    let mut allowed = COMMON_PARAMETERS.to_vec();
    allowed.extend(kind.parameters());
    if tls || kind == Kind::Sentinel {
        allowed.extend(TLS_PARAMETERS);
    }
    let mut parameters = Parameters::parse(query, &allowed, |name| {
        TLS_PARAMETERS.contains(&name).then_some(
            "it needs TLS: write `rediss` instead of `redis` at the beginning of the URL",
        )
    })?;
    let protocol = match parameters.take("protocol").as_deref() {
        None | Some("3") => ProtocolVersion::RESP3,
        Some("2") => ProtocolVersion::RESP2,
        Some(_) => return Err("`protocol` is neither `2` nor `3`, the versions of RESP".to_owned()),
    };
    let sentinel_tls = match parameters.take("sentinel-tls") {
        Some(word) => url_parameters::parse_switch("sentinel-tls", &word)?,
        None => tls,
    };
    let certificates = certificates(&mut parameters, tls || sentinel_tls)?;
    let topology = match kind {
        Kind::Unix => Topology::Server(unix(path, &mut parameters)?),
        Kind::Server => {
            let settings = authority.settings(parse_database(path, kind)?);
            let mut nodes = authority.nodes(tls);
            let node = nodes.next().ok_or_else(|| no_host(kind))?;
            Topology::Server(connection(node, settings)?)
        }
        #[cfg(feature = "redis-cluster")]
        Kind::Cluster => {
            if parse_database(path, kind)? != 0 {
                return Err("a cluster has only the database 0; remove the number".to_owned());
            }
            let settings = authority.settings(0);
            let nodes = authority.nodes(tls);
            let nodes = nodes.map(|node| connection(node, settings.clone()));
            Topology::Cluster(nodes.collect::<Result<_, _>>()?)
        }
        #[cfg(feature = "redis-sentinel")]
        Kind::Sentinel => {
            let path = path.strip_prefix('/').unwrap_or(path);
            let (master, database) = path.split_once('/').unwrap_or((path, ""));
            if master.is_empty() {
                return Err(
                    "no master is named; write `redis+sentinel://host1,host2/master`".to_owned(),
                );
            }
            Topology::Sentinel(Sentinel {
                nodes: authority.nodes(sentinel_tls).collect(),
                user: parameters.take("sentinel-user"),
                password: parameters.take("sentinel-password"),
                tls: sentinel_tls,
                master: url_parameters::percent_decode(master)
                    .ok_or("the name of the master is not UTF-8")?,
                server: authority.settings(parse_database(database, kind)?),
                server_tls: tls,
            })
        }
        // Their features are off, which was reported before.
        #[cfg(not(feature = "redis-cluster"))]
        Kind::Cluster => return Err(String::new()),
        #[cfg(not(feature = "redis-sentinel"))]
        Kind::Sentinel => return Err(String::new()),
    };
    Ok((topology, protocol, certificates))
}

/// User, password and hosts.
struct Authority {
    user: Option<String>,
    password: Option<String>,
    hosts: Vec<(String, u16)>,
}

impl Authority {
    fn parse(kind: Kind, text: &str) -> Result<Self, String> {
        if kind == Kind::Unix {
            return if text.is_empty() {
                Ok(Self {
                    user: None,
                    password: None,
                    hosts: Vec::new(),
                })
            } else {
                Err(
                    "there is text before the path of the socket; write user and password as \
                     parameters, as in `redis+unix:///run/redis.sock?user=…&pass=…`"
                        .to_owned(),
                )
            };
        }
        let (credentials, hosts) = text.rsplit_once('@').unwrap_or(("", text));
        let is_single = kind == Kind::Server;
        if !is_single && credentials.contains('@') {
            return Err(format!(
                "there are several `@`; write user and password once, before the first host, with \
                 `%40` for an `@` in them, as in `{}`",
                kind.example()
            ));
        }
        let (user, password) = credentials.split_once(':').unwrap_or((credentials, ""));
        let decode = |text: &str| match text {
            "" => Ok(None),
            text => match url_parameters::percent_decode(text) {
                Some(text) => Ok(Some(text)),
                None => Err("user or password are not UTF-8 after percent-decoding".to_owned()),
            },
        };
        let default_port = if kind == Kind::Sentinel { 26379 } else { 6379 };
        let hosts: Option<Vec<_>> = if is_single {
            parse_host(hosts, default_port).map(|host| vec![host])
        } else {
            hosts
                .split(',')
                .map(|host| parse_host(host, default_port))
                .collect()
        };
        Ok(Self {
            user: decode(user)?,
            password: decode(password)?,
            hosts: hosts.ok_or_else(|| no_host(kind))?,
        })
    }

    fn settings(&self, database: i64) -> RedisConnectionInfo {
        let mut settings = RedisConnectionInfo::default().set_db(database);
        if let Some(user) = &self.user {
            settings = settings.set_username(user);
        }
        if let Some(password) = &self.password {
            settings = settings.set_password(password);
        }
        settings
    }

    fn nodes(&self, tls: bool) -> impl Iterator<Item = ConnectionAddr> {
        self.hosts.iter().map(move |(host, port)| {
            let (host, port) = (host.clone(), *port);
            if tls {
                ConnectionAddr::TcpTls {
                    host,
                    port,
                    insecure: false,
                    tls_params: None,
                }
            } else {
                ConnectionAddr::Tcp(host, port)
            }
        })
    }
}

fn no_host(kind: Kind) -> String {
    format!(
        "there is no host where one is expected, or something else than a port after its `:`; \
         write it like `{}`, with `%40` for an `@`, `%3A` for a `:` and `%2F` for a `/` in user or \
         password",
        kind.example()
    )
}

/// A name or an address, and the port.
fn parse_host(text: &str, default_port: u16) -> Option<(String, u16)> {
    let (host, rest) = match text.strip_prefix('[') {
        Some(text) => {
            let (host, rest) = text.split_once(']')?;
            (host.parse::<Ipv6Addr>().ok()?.to_string(), rest)
        }
        None => {
            let (host, rest) = text.split_at(text.find(':').unwrap_or(text.len()));
            let is_allowed = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'-' | b'_');
            let is_name = !host.is_empty() && host.bytes().all(is_allowed);
            (is_name.then(|| host.to_owned())?, rest)
        }
    };
    let is_wildcard = [
        Ipv4Addr::UNSPECIFIED.to_string(),
        Ipv6Addr::UNSPECIFIED.to_string(),
    ]
    .contains(&host);
    let port = match rest {
        "" => default_port,
        rest => {
            let port = rest.strip_prefix(':')?;
            let is_number = port.bytes().all(|c| c.is_ascii_digit());
            is_number.then(|| port.parse().ok()).flatten()?
        }
    };
    (!is_wildcard && port > 0).then_some((host, port))
}

fn parse_database(path: &str, kind: Kind) -> Result<i64, String> {
    let number = path.trim_matches('/');
    let is_number = number.bytes().all(|c| c.is_ascii_digit());
    match number {
        "" => Ok(0),
        number if is_number && number.len() < 8 => number.parse().map_err(|_| String::new()),
        _ => Err(format!(
            "what follows the last `/` is not the number of a database; write it like `{}`",
            kind.example()
        )),
    }
}

fn unix(path: &str, parameters: &mut Parameters) -> Result<ConnectionInfo, String> {
    let path = url_parameters::percent_decode(path).ok_or("the path of the socket is not UTF-8")?;
    if path.len() < 2 {
        let example = Kind::Unix.example();
        return Err(format!(
            "there is no path of a socket; write it like `{example}`"
        ));
    }
    let database = parameters.take("db").unwrap_or_default();
    let mut settings =
        RedisConnectionInfo::default().set_db(parse_database(&database, Kind::Unix).map_err(
            |_| "`db` is not the number of a database; write it like `?db=0`".to_owned(),
        )?);
    if let Some(user) = parameters.take("user") {
        settings = settings.set_username(user);
    }
    if let Some(password) = parameters.take("pass") {
        settings = settings.set_password(password);
    }
    connection(ConnectionAddr::Unix(path.into()), settings)
}

fn connection(
    address: ConnectionAddr,
    settings: RedisConnectionInfo,
) -> Result<ConnectionInfo, String> {
    // An address is always a valid one.
    let info = address
        .into_connection_info()
        .map_err(|_| "it is not an address of a server".to_owned())?;
    Ok(info.set_redis_settings(settings))
}

#[cfg(feature = "redis-tls")]
fn certificates(parameters: &mut Parameters, tls: bool) -> Result<Option<Certificates>, String> {
    let files = TLS_PARAMETERS.map(|name| parameters.take(name));
    if !tls && files.iter().any(Option::is_some) {
        return Err(
            "`tls-ca`, `tls-cert` and `tls-key` need TLS: write `rediss+sentinel://`, or \
             `sentinel-tls=true` for the Sentinels only"
                .to_owned(),
        );
    }
    if tls {
        tls::install_crypto_provider();
    }
    let [ca, cert, key] = files;
    tls::read(ca.as_deref(), cert.as_deref(), key.as_deref())
}

#[cfg(not(feature = "redis-tls"))]
fn certificates(parameters: &mut Parameters, tls: bool) -> Result<Option<Certificates>, String> {
    let has_files = TLS_PARAMETERS.map(|name| parameters.take(name).is_some());
    if tls || has_files.contains(&true) {
        return Err(
            "TLS needs the feature `redis-tls`: in Cargo.toml, write `limit-runtime = { …, \
             features = [\"redis-tls\"] }`"
                .to_owned(),
        );
    }
    Ok(None)
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

    fn server(url: &str) -> ConnectionInfo {
        match Target::parse(url).expect("a URL").topology {
            Topology::Server(info) => info,
            #[cfg(any(feature = "redis-cluster", feature = "redis-sentinel"))]
            _ => panic!("{url}"),
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
        assert_eq!(
            problem("redis://h?timeout=3"),
            "the store's URL `redis://h?…`: unknown parameter `timeout`; allowed: `protocol`"
        );
        let database = problem("redis://h/zero");
        assert!(database.contains("not the number of a database; write it like `redis://user:"));
        for url in [
            "redis://",
            "redis://h:x",
            "redis://h:0",
            "redis://[h]",
            "redis://0.0.0.0",
        ] {
            assert!(
                problem(url).contains("there is no host where one is"),
                "{url}"
            );
        }
        assert!(problem("redis://:a@b/c@h").contains("write `%40` for `@`, `%2F` for `/`"));
        assert!(problem("redis://h#insecure").contains("`%23` for `#`"));
        assert!(problem("redis://h?protocol=4").contains("neither `2` nor `3`"));
        assert!(problem("redis://h?protocol=2&protocol=3").contains("`protocol` is given twice"));
        assert!(problem("redis://h?protocol").contains("`protocol` has no value"));
        assert!(problem("redis+unix://:pw@/run/r.sock").contains("?user=…&pass=…"));
        assert!(problem("redis+unix://").contains("no path of a socket"));
        assert!(problem("redis://h?tls-ca=/ca.pem").contains("`tls-ca`: it needs TLS"));
    }

    #[test]
    fn user_password_host_port_and_database_are_read() {
        let info = server("redis://user:p%40s%2Fs@cache:1/3");
        assert_eq!(info.addr().to_string(), "cache:1");
        let settings = info.redis_settings();
        assert_eq!(settings.username(), Some("user"));
        assert_eq!(settings.password(), Some("p@s/s"));
        assert_eq!(settings.db(), 3);
        // Where there is no doubt, an unescaped character is taken as it is.
        let info = server("redis://:p@s:s%@[::1]");
        assert_eq!(info.redis_settings().password(), Some("p@s:s%"));
        assert_eq!(info.redis_settings().username(), None);
        assert_eq!(info.addr().to_string(), "::1:6379");
        let info = server("redis+unix:///run/a%20b.sock?db=2&user=u&pass=a+%26b");
        assert_eq!(info.addr().to_string(), "/run/a b.sock");
        assert_eq!(info.redis_settings().password(), Some("a+&b"));
        assert_eq!(info.redis_settings().db(), 2);
    }

    #[test]
    fn the_protocol_can_be_chosen() {
        for (url, protocol) in [
            ("redis://h", ProtocolVersion::RESP3),
            ("redis://h?protocol=3", ProtocolVersion::RESP3),
            ("redis+unix:///r?protocol=2", ProtocolVersion::RESP2),
        ] {
            assert_eq!(Target::parse(url).expect("a URL").protocol, protocol);
        }
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
        assert_eq!(shown, ["a:6379", "b:7001", "::1:7002"]);
        for node in &nodes {
            assert_eq!(node.redis_settings().password(), Some("p@ss"));
        }
        assert!(problem("redis+cluster://a,b/1").contains("only the database 0"));
        assert!(problem("redis+cluster://u:p@a,u:p@b").contains("write user and password once"));
    }

    #[cfg(feature = "redis-sentinel")]
    fn sentinel(url: &str) -> Sentinel {
        match Target::parse(url).expect("a URL").topology {
            Topology::Sentinel(sentinel) => sentinel,
            _ => panic!("not a sentinel"),
        }
    }

    #[cfg(feature = "redis-sentinel")]
    #[test]
    fn a_sentinel_url_names_the_master() {
        assert!(problem("redis+sentinel://a,b").contains("no master is named"));
        let found = sentinel("redis+sentinel://u:p@a,b/mymaster/2");
        assert_eq!(found.master, "mymaster");
        assert_eq!(found.nodes[0].to_string(), "a:26379");
        assert_eq!(found.server.db(), 2);
        assert_eq!(found.server.password(), Some("p"));
        assert_eq!((found.user, found.password), (None, None));
        assert!(!found.tls && !found.server_tls);
    }

    #[cfg(all(feature = "redis-sentinel", feature = "redis-tls"))]
    #[test]
    fn sentinels_can_have_credentials_and_tls_of_their_own() {
        let found = sentinel(
            "redis+sentinel://u:p@a/m?sentinel-user=su&sentinel-password=s%40p&sentinel-tls=true",
        );
        assert_eq!(found.user.as_deref(), Some("su"));
        assert_eq!(found.password.as_deref(), Some("s@p"));
        assert!(found.tls && !found.server_tls);
        assert!(matches!(found.nodes[0], ConnectionAddr::TcpTls { .. }));
        let found = sentinel("rediss+sentinel://a/m?sentinel-tls=off");
        assert!(!found.tls && found.server_tls);
        let found = sentinel("rediss+sentinel://a/m");
        assert!(found.tls && found.server_tls);
        assert!(problem("redis+sentinel://a/m?tls-ca=/x").contains("`sentinel-tls=true`"));
        assert!(problem("redis+sentinel://a/m?sentinel-tls=maybe").contains("`true`, `false`"));
    }
}
