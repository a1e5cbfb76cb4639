//! The error of connecting a limiter to the store at a URL.

use std::{fmt, net::Ipv6Addr};

/// A limiter could not be [connected](crate::Limiter::connect) to the store at a URL.
///
/// A store that does not answer is not an error: the limiter starts without it, logs a warning, and
/// uses the store as soon as it answers.
///
/// ```
/// use limit_runtime::{Limiter, store::ConnectError};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let error = Limiter::connect("rdis://cache:6379").await.unwrap_err();
/// assert!(matches!(error, ConnectError::Url { .. }));
/// assert!(error.to_string().contains("unknown scheme `rdis`"));
/// # }
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub enum ConnectError {
    /// The URL is invalid. The message shows it without its password.
    Url {
        /// The URL, or the invalid part of it.
        found: Box<str>,
        /// What is wrong, and what to write instead.
        problem: Box<str>,
    },
    /// The prefix of keys is not allowed.
    KeyPrefix {
        /// The prefix.
        found: Box<str>,
    },
    /// The URL's scheme needs a cargo feature that is not enabled.
    FeatureOff {
        /// The URL's scheme.
        scheme: Box<str>,
        /// The feature of `limit-runtime` to enable.
        feature: &'static str,
    },
    /// The server refused the connection, for example because of a wrong password.
    Refused {
        /// The server's reason.
        reason: Box<str>,
    },
    /// The server does not meet a requirement, for example because its version is too old.
    Unfit {
        /// The server's kind and version or setting, such as `Redis 6.0.16`.
        found: Box<str>,
        /// The requirement.
        needed: &'static str,
    },
    /// The server answers, but cannot be used as it is set up, for example because the user lacks a
    /// permission.
    Misconfigured {
        /// The answer of the server.
        found: Box<str>,
        /// What to change.
        fix: &'static str,
    },
}

impl ConnectError {
    /// The error for a URL without a scheme, or with an unknown one.
    pub(crate) fn unknown(url: &str) -> Self {
        let problem = match url.split_once("://") {
            None => {
                "there is no scheme; write `redis://host:6379/0` or `memcached://host:11211`".into()
            }
            Some((scheme, _)) => format!(
                "unknown scheme{}; allowed: memory, memcached, redis, rediss, redis+unix, \
                 redis+cluster, rediss+cluster, redis+sentinel, rediss+sentinel, and each with \
                 `valkey` instead of `redis`",
                if is_scheme(scheme) {
                    format!(" `{scheme}`")
                } else {
                    String::new()
                }
            )
            .into(),
        };
        Self::Url {
            found: redacted(url),
            problem,
        }
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url { found, problem } => write!(f, "the store's URL `{found}`: {problem}"),
            Self::KeyPrefix { found } => write!(
                f,
                "the prefix of keys is `{}`; allowed: {PREFIXES}",
                found.escape_debug()
            ),
            Self::FeatureOff { scheme, feature } => write!(
                f,
                "the store's URL has the scheme `{scheme}`, which needs the feature `{feature}`: in \
                 Cargo.toml, write `limit-runtime = {{ …, features = [\"{feature}\"] }}`",
            ),
            Self::Refused { reason } => write!(
                f,
                "the store refused the connection: {reason}; check the user and password in its URL, \
                 as in `redis://user:password@host:6379/0`",
            ),
            Self::Unfit { found, needed } => {
                write!(f, "the store is {found}, and the limiter needs {needed}")
            }
            Self::Misconfigured { found, fix } => {
                write!(
                    f,
                    "the store cannot be used as it is set up: {found}; {fix}"
                )
            }
        }
    }
}

/// Writes the text of [`Display`](fmt::Display), which is readable when `main` returns the error.
impl fmt::Debug for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for ConnectError {}

/// The words of a setting that is on or off, in URLs and environment variables.
pub(crate) const SWITCH: [(&str, bool); 8] = [
    ("true", true),
    ("false", false),
    ("1", true),
    ("0", false),
    ("yes", true),
    ("no", false),
    ("on", true),
    ("off", false),
];

/// The prefixes of keys that are allowed.
pub(crate) const PREFIXES: &str =
    "at least one character, and neither `{` and `}` nor control characters, such as `inference`";

/// Whether a prefix of keys is one of [`PREFIXES`].
///
/// Redis Cluster places a key by the text in its first braces. With braces in the prefix, all keys
/// would be on one server, or those of one budget on several.
pub(crate) fn is_prefix(prefix: &str) -> bool {
    !prefix.is_empty() && !prefix.contains(|c: char| matches!(c, '{' | '}') || c.is_control())
}

/// The part of `url` before `://`. Empty if there is none.
pub(crate) fn scheme(url: &str) -> &str {
    url.split_once("://").map_or("", |(scheme, _)| scheme)
}

/// Whether `url` names the memory of this process.
pub(crate) fn is_memory(url: &str) -> bool {
    scheme(url).split('+').next() == Some("memory")
}

/// The parts of `url` that cannot be secret, for logs and errors: the scheme, the hosts and the
/// number of the database, or the path of a socket. `…` is in the place of everything else.
///
/// In a malformed URL, a password can be anywhere: it may contain an unescaped `@` or `/`, or the
/// host may be missing. So a part is shown only if it has exactly the form that it should have.
pub(crate) fn redacted(url: &str) -> Box<str> {
    let Some((scheme, rest)) = url.split_once("://") else {
        // Such as `cache:6379`.
        let is_host = url.contains(':') && is_host(url);
        return if is_host { url } else { "…" }.into();
    };
    let scheme = if is_scheme(scheme) { scheme } else { "…" };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(end);
    if tail.contains('@') || tail.contains('#') {
        // Everything before it may be user and password, and everything behind it, too.
        return format!("{scheme}://…").into();
    }
    let (user, hosts) = match authority.rsplit_once('@') {
        Some((_, hosts)) => ("…@", hosts),
        None => ("", authority),
    };
    let is_unix = scheme.ends_with("+unix");
    let is_shown = if is_unix {
        hosts.is_empty()
    } else {
        hosts.split(',').all(is_host)
    };
    if !is_shown {
        return format!("{scheme}://{user}…").into();
    }
    let (path, query) = match tail.split_once('?') {
        Some((path, _)) => (path, "?…"),
        None => (tail, ""),
    };
    let is_database = path.len() < 8 && path.bytes().skip(1).all(|c| c.is_ascii_digit());
    let path = if is_database || is_unix { path } else { "/…" };
    format!("{scheme}://{user}{hosts}{path}{query}").into()
}

/// Whether the text has the form of a scheme.
fn is_scheme(text: &str) -> bool {
    text.len() <= 24
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text
            .bytes()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, b'+' | b'-' | b'.'))
}

/// Whether the text has the form of a host, with a port or without one.
pub(crate) fn is_host(text: &str) -> bool {
    let after_brackets = text.rfind(']').map_or(0, |at| at + 1);
    let (host, port) = match text[after_brackets..].split_once(':') {
        Some((host, port)) => (&text[..after_brackets + host.len()], Some(port)),
        None => (text, None),
    };
    let is_address = |text: &str| text.parse::<Ipv6Addr>().is_ok();
    let is_name = |text: &str| {
        let is_allowed = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'-' | b'_');
        !text.is_empty() && text.bytes().all(is_allowed)
    };
    let in_brackets = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    in_brackets.map_or_else(|| is_name(host), is_address)
        && port.is_none_or(|port| {
            port.bytes().all(|c| c.is_ascii_digit())
                && port.parse::<u16>().is_ok_and(|port| port > 0)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_password_is_shown() {
        for (url, shown) in [
            ("redis://h:1/0", "redis://h:1/0"),
            ("redis://[::1]:1/0", "redis://[::1]:1/0"),
            ("redis://:hunter2@h:1/0", "redis://…@h:1/0"),
            ("redis://u:hunt@er2@h", "redis://…@h"),
            ("redis://u:hunt/er2@h", "redis://…"),
            ("redis://:p@ss:w/o?r#d@host", "redis://…"),
            ("redis://u:hunter2@", "redis://…@…"),
            ("redis://:hunter2", "redis://…"),
            ("redis://u:hunter2/0", "redis://…"),
            ("redis://u:99999/0", "redis://…"),
            ("redis://h/hunter2", "redis://h/…"),
            ("redis://h/0?hunter2", "redis://h/0?…"),
            ("redis://h#hunter2", "redis://…"),
            ("redis+cluster://:hunter2@a,b:1", "redis+cluster://…@a,b:1"),
            ("redis+cluster://a,:hunter2@b", "redis+cluster://…@b"),
            ("redis+cluster://a,:hunter2", "redis+cluster://…"),
            ("redis+sentinel://a/hunter2/0", "redis+sentinel://a/…"),
            ("redis+unix:///p?db=1&pass=hunter2", "redis+unix:///p?…"),
            ("redis+unix://hunter2", "redis+unix://…"),
            ("redis+unix://:hunter2@/p", "redis+unix://…@/p"),
            (":hunter2@redis://h", "…://h"),
            ("cache:6379", "cache:6379"),
            (":hunter2@cache:6379", "…"),
            ("hunter2", "…"),
        ] {
            assert_eq!(&*redacted(url), shown, "{url}");
        }
    }
}
