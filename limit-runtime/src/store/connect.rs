//! The error of connecting a limiter to the store at a URL.

use std::fmt;

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
                "unknown scheme `{scheme}`; allowed: memory, memcached, redis, rediss, redis+unix, \
                 redis+cluster, rediss+cluster, redis+sentinel, rediss+sentinel, and each with \
                 `valkey` instead of `redis`"
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

/// The part of `url` before `://`. Empty if there is none.
pub(crate) fn scheme(url: &str) -> &str {
    url.split_once("://").map_or("", |(scheme, _)| scheme)
}

/// Whether `url` names the memory of this process.
pub(crate) fn is_memory(url: &str) -> bool {
    scheme(url).split('+').next() == Some("memory")
}

/// `url` with user and password replaced by `…`, for logs and errors.
pub(crate) fn redacted(url: &str) -> Box<str> {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.into();
    };
    let authority = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(authority);
    // A password may contain an unescaped `@` or `/`. Rather hide too much than too little.
    let shown = match (authority.rfind('@'), rest.rfind('@')) {
        (_, Some(at)) => format!("{scheme}://…@{}", &rest[at + 1..]),
        (Some(at), None) => format!("{scheme}://…@{}{rest}", &authority[at + 1..]),
        (None, None) => format!("{scheme}://{authority}{rest}"),
    };
    match shown.split_once('?') {
        Some((shown, query)) if query.contains("pass") => format!("{shown}?…").into(),
        _ => shown.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_password_is_shown() {
        for (url, shown) in [
            ("redis://h:1/0", "redis://h:1/0"),
            ("redis://:hunter2@h:1/0", "redis://…@h:1/0"),
            ("redis://u:hunt/er2@h", "redis://…@h"),
            ("redis://u:hunt@er2@h", "redis://…@h"),
            ("redis+unix:///p?db=1&pass=hunter2", "redis+unix:///p?…"),
            ("nonsense", "nonsense"),
        ] {
            assert_eq!(&*redacted(url), shown);
        }
    }
}
