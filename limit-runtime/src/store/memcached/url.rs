//! Parses the URLs of memcached: `memcached://host1:11211,host2`.

use crate::store::{
    ConnectError,
    connect::{is_host, redacted},
};

const DEFAULT_PORT: u16 = 11211;
const EXAMPLE: &str = "write it like `memcached://host1:11211,host2:11211`";

/// The addresses of the servers in a URL, each as `host:port`.
///
/// # Errors
/// If the URL is invalid.
pub(super) fn parse(url: &str) -> Result<Vec<Box<str>>, ConnectError> {
    let invalid = |problem: String| ConnectError::Url {
        found: redacted(url),
        problem: problem.into(),
    };
    let Some(("memcached", hosts)) = url.split_once("://") else {
        return Err(ConnectError::unknown(url));
    };
    if hosts.contains('?') {
        return Err(invalid(format!("it takes no parameters; {EXAMPLE}")));
    }
    if hosts.contains('@') {
        return Err(invalid(format!(
            "user and password are not supported, because memcached takes them only over its \
             binary protocol; keep the server in a private network, and {EXAMPLE}"
        )));
    }
    if hosts.contains('/') {
        return Err(invalid(format!("it has no path or database; {EXAMPLE}")));
    }
    let mut addresses: Vec<Box<str>> = Vec::new();
    for host in hosts.split(',') {
        let address = address(host).map_err(|problem| invalid(format!("{problem}; {EXAMPLE}")))?;
        if addresses.contains(&address) {
            return Err(invalid(format!("`{host}` occurs twice; {EXAMPLE}")));
        }
        addresses.push(address);
    }
    Ok(addresses)
}

/// `host` with its port.
fn address(host: &str) -> Result<Box<str>, String> {
    // An IPv6 address is in brackets, so a colon after them begins a port.
    let (name, rest) = match host.strip_prefix('[') {
        Some(_) => match host.split_once(']') {
            Some((name, rest)) => (format!("{name}]"), rest),
            None => return Err(format!("`{host}` has no closing bracket")),
        },
        None if host.matches(':').count() > 1 => {
            return Err(format!(
                "`{host}` looks like an IPv6 address, which needs brackets, as in `[::1]:11211`"
            ));
        }
        None => {
            let end = host.find(':').unwrap_or(host.len());
            let (name, rest) = host.split_at(end);
            (name.to_ascii_lowercase(), rest)
        }
    };
    if name.is_empty() || name == "[]" {
        return Err("a host is missing".to_owned());
    }
    if !is_host(&name) {
        return Err(format!("`{}` is not a host", host.escape_debug()));
    }
    let port = match rest.strip_prefix(':') {
        None if rest.is_empty() => DEFAULT_PORT,
        Some(port) => match port.parse() {
            Ok(port @ 1..) => port,
            _ => return Err(format!("`{port}` is not a port")),
        },
        None => return Err(format!("`{host}` is not a host and a port")),
    };
    Ok(format!("{name}:{port}").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(url: &str) -> String {
        match parse(url) {
            Ok(_) => panic!("{url} was taken"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_text_that_is_no_host_is_an_error() {
        for url in [
            "memcached://a:11211, b:11211",
            "memcached://a b",
            "memcached://[x]:1",
        ] {
            assert!(problem(url).contains("is not a host"), "{}", problem(url));
        }
    }

    #[test]
    fn a_url_names_one_or_several_servers() {
        for (url, expected) in [
            ("memcached://cache", &["cache:11211"][..]),
            ("memcached://A:1,b", &["a:1", "b:11211"]),
            ("memcached://[::1],[::1]:2", &["[::1]:11211", "[::1]:2"]),
            ("memcached://127.0.0.1:3", &["127.0.0.1:3"]),
        ] {
            let found = parse(url).expect(url);
            let found: Vec<_> = found.iter().map(|address| &**address).collect();
            assert_eq!(found, expected, "{url}");
        }
    }

    #[test]
    fn a_wrong_url_says_what_to_write() {
        for (url, part) in [
            ("memcached://", "a host is missing"),
            ("memcached://a,", "a host is missing"),
            ("memcached://:11211", "a host is missing"),
            ("memcached://a:b", "`b` is not a port"),
            ("memcached://a:0", "`0` is not a port"),
            ("memcached://a:99999", "`99999` is not a port"),
            ("memcached://::1", "needs brackets, as in `[::1]:11211`"),
            ("memcached://[::1", "no closing bracket"),
            ("memcached://a,A:11211", "`A:11211` occurs twice"),
            ("memcached://a/0", "no path or database"),
            ("memcached://a?timeout=3", "no parameters"),
            (
                "memcached://u:hunter2@a",
                "user and password are not supported",
            ),
            ("memcached+unix://a", "unknown scheme `memcached+unix`"),
        ] {
            let problem = problem(url);
            assert!(problem.contains(part), "{url}: {problem}");
            assert!(!problem.contains("hunter2"), "{problem}");
            if !part.starts_with("unknown") {
                assert!(problem.contains("memcached://host1:11211,host2:11211"));
            }
        }
    }
}
