//! Why a limiter could not be connected to the store that a URL names.

use std::fmt;

/// Why a limiter could not be [connected](crate::Limiter::connect) to its store.
///
/// A store that does not answer is no such error: the limiter starts without it, logs that once,
/// and uses the store as soon as it answers.
#[non_exhaustive]
pub enum ConnectError {
    /// The URL names no store. It is shown without its password.
    Url {
        /// The URL, or the part of it that is to blame.
        found: Box<str>,
        /// What is wrong, and what to write.
        problem: Box<str>,
    },
    /// The store is known, but this program was built without it.
    FeatureOff {
        /// The URL's scheme.
        scheme: Box<str>,
        /// The feature of `limit-runtime` that turns it on.
        feature: &'static str,
    },
    /// The server rejects the connection.
    Refused {
        /// The server's reason.
        reason: Box<str>,
    },
    /// The server cannot do what the limiter needs.
    Unfit {
        /// What the server is.
        found: Box<str>,
        /// What is needed.
        needed: &'static str,
    },
}

impl ConnectError {
    /// For a URL that begins with nothing known.
    pub(crate) fn unknown(url: &str) -> Self {
        let problem = match url.split_once("://") {
            None => "there is no scheme; write `redis://host:6379/0`".into(),
            Some((scheme, _)) => format!(
                "unknown scheme `{scheme}`; allowed: memory, redis, rediss, redis+unix, redis+cluster, \
                 rediss+cluster, redis+sentinel, rediss+sentinel, and the same with valkey"
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
                "the store's URL begins with `{scheme}://`, which this program was built without: \
                 turn on the feature `{feature}` of limit-runtime in Cargo.toml",
            ),
            Self::Refused { reason } => write!(
                f,
                "the store refused the connection: {reason}; check the user and password in its URL, \
                 as in `redis://user:password@host:6379/0`",
            ),
            Self::Unfit { found, needed } => {
                write!(f, "the store is {found}, and the limiter needs {needed}")
            }
        }
    }
}

/// The text of [`Display`](fmt::Display): what `main` shows when it returns the error.
impl fmt::Debug for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for ConnectError {}

/// What precedes `://`; empty if nothing does.
pub(crate) fn scheme(url: &str) -> &str {
    url.split_once("://").map_or("", |(scheme, _)| scheme)
}

/// Whether `url` is that of this process's memory.
pub(crate) fn is_memory(url: &str) -> bool {
    scheme(url).split('+').next() == Some("memory")
}

/// The URL without the part that holds user and password.
pub(crate) fn redacted(url: &str) -> Box<str> {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.into();
    };
    let authority = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(authority);
    // A password may hold an `@` or a `/` that should have been escaped: hide too much rather than too little.
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
