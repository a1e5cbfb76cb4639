//! A limiter from the environment: every value is checked at start-up.

mod error;
#[cfg(test)]
mod tests;

pub use self::error::EnvError;

use super::{Limiter, LimiterBuilder};
use crate::{
    http::{ForwardedHeader, HeaderStyle, RetryAfterStyle, TrustedProxies},
    store::Fallback,
};
use std::{collections::BTreeMap, env, ffi::OsString, fmt::Display, str::FromStr};

/// What all variables begin with.
const PREFIX: &str = "RATE_LIMIT_";
/// What those of Flask-Limiter and slowapi begin with, and nothing of ours.
const FLASK_PREFIX: &str = "RATELIMIT_";

const STORE: &str = "RATE_LIMIT_STORE";
const STORE_PREFIX: &str = "RATE_LIMIT_PREFIX";
const SECRET: &str = "RATE_LIMIT_SECRET";
const ENABLED: &str = "RATE_LIMIT_ENABLED";
const HEADERS: &str = "RATE_LIMIT_HEADERS";
const RETRY_AFTER: &str = "RATE_LIMIT_RETRY_AFTER";
const ON_STORE_ERROR: &str = "RATE_LIMIT_ON_STORE_ERROR";
const MAX_KEYS: &str = "RATE_LIMIT_MAX_KEYS";
const TRUSTED_PROXIES: &str = "RATE_LIMIT_TRUSTED_PROXIES";
const FORWARDED_HEADER: &str = "RATE_LIMIT_FORWARDED_HEADER";

/// Every variable that is read.
const ALL: [&str; 10] = [
    STORE,
    STORE_PREFIX,
    SECRET,
    ENABLED,
    HEADERS,
    RETRY_AFTER,
    ON_STORE_ERROR,
    MAX_KEYS,
    TRUSTED_PROXIES,
    FORWARDED_HEADER,
];

impl Limiter {
    /// A limiter with the settings in the environment.
    ///
    /// | variable | value | default |
    /// |---|---|---|
    /// | `RATE_LIMIT_ENABLED` | `true`, `false`, `1`, `0`, `yes`, `no`, `on`, `off` | `true` |
    /// | `RATE_LIMIT_STORE` | a URL: `memory://`, `redis://host:6379/0`, … | `memory://` |
    /// | `RATE_LIMIT_PREFIX` | what keys in the store begin with | `limit` |
    /// | `RATE_LIMIT_SECRET` | what keys are hashed with before they go to the store | a documented one |
    /// | `RATE_LIMIT_ON_STORE_ERROR` | `local`, `allow`, `deny` | `local` |
    /// | `RATE_LIMIT_HEADERS` | `ietf`, `x-ratelimit`, `openai`, `both`, `off` | `ietf` |
    /// | `RATE_LIMIT_RETRY_AFTER` | `seconds`, `http-date` | `seconds` |
    /// | `RATE_LIMIT_MAX_KEYS` | a number of keys to hold in memory, 1 or more | `1000000` |
    /// | `RATE_LIMIT_TRUSTED_PROXIES` | networks: `10.0.0.0/8, 192.168.0.0/16` | none |
    /// | `RATE_LIMIT_FORWARDED_HEADER` | `X-Forwarded-For`, `Forwarded`, or one with a single address | `X-Forwarded-For` |
    ///
    /// A variable that is not set, or empty, leaves the default. Words are read without regard to case.
    ///
    /// ```
    /// use limit_runtime::Limiter;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), limit_runtime::EnvError> {
    /// let limiter = Limiter::from_env().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When a value is not allowed, or another variable begins with `RATE_LIMIT_` or `RATELIMIT_` (but for those that
    /// Kubernetes sets for services); and as [`connect`](Self::connect).
    pub async fn from_env() -> Result<Self, EnvError> {
        Self::from_variables(env::vars_os()).await
    }

    /// The same from other variables than the process's: those of a test, or of a file.
    ///
    /// # Errors
    /// As [`from_env`](Self::from_env).
    pub async fn from_variables<N, V>(
        variables: impl IntoIterator<Item = (N, V)>,
    ) -> Result<Self, EnvError>
    where
        N: Into<OsString>,
        V: Into<OsString>,
    {
        let settings = Settings::read(variables)?;
        let builder = settings.builder()?;
        let url = settings.get(STORE).unwrap_or("memory://");
        let connected = builder.connect(url).await;
        connected.map_err(|source| EnvError::Store {
            variable: STORE,
            source,
        })
    }
}

/// The variables that are ours.
struct Settings(BTreeMap<&'static str, String>);

impl Settings {
    fn read<N, V>(variables: impl IntoIterator<Item = (N, V)>) -> Result<Self, EnvError>
    where
        N: Into<OsString>,
        V: Into<OsString>,
    {
        let mut settings = BTreeMap::new();
        for (name, value) in variables {
            let Ok(name) = name.into().into_string() else {
                continue;
            };
            let begins_with = |prefix: &str| {
                let start = name.get(..prefix.len());
                start.is_some_and(|start| start.eq_ignore_ascii_case(prefix))
            };
            if !begins_with(PREFIX) && !begins_with(FLASK_PREFIX) {
                continue;
            }
            let Some(&known) = ALL.iter().find(|known| **known == name) else {
                if is_of_kubernetes(&name) {
                    continue;
                }
                return Err(EnvError::Unknown { variable: name });
            };
            let value = value.into().into_string().map_err(|_| EnvError::Value {
                variable: known,
                found: "…".to_owned(),
                allowed: "text in UTF-8".to_owned(),
            })?;
            if !value.trim().is_empty() {
                settings.insert(known, value.trim().to_owned());
            }
        }
        Ok(Self(settings))
    }

    fn get(&self, variable: &str) -> Option<&str> {
        self.0.get(variable).map(String::as_str)
    }

    /// Everything but the store.
    fn builder(&self) -> Result<LimiterBuilder, EnvError> {
        let mut builder = Limiter::builder();
        if let Some(enabled) = self.choice(ENABLED, &SWITCH)? {
            builder = builder.enabled(enabled);
        }
        if let Some(style) = self.choice(HEADERS, &HeaderStyle::WORDS)? {
            builder = builder.header_style(style);
        }
        if let Some(style) = self.choice(RETRY_AFTER, &RETRY_AFTER_STYLES)? {
            builder = builder.retry_after_style(style);
        }
        if let Some(fallback) = self.choice(ON_STORE_ERROR, &Fallback::WORDS)? {
            builder = builder.on_store_error(fallback);
        }
        if let Some(keys) = self.max_keys()? {
            builder = builder.max_keys(keys);
        }
        if let Some(proxies) = self.trusted_proxies()? {
            builder = builder.trusted_proxies(proxies);
        }
        if let Some(prefix) = self.get(STORE_PREFIX) {
            builder = builder.prefix(prefix);
        }
        if let Some(secret) = self.get(SECRET) {
            builder = builder.secret(secret);
        }
        Ok(builder)
    }

    fn choice<T: Clone>(
        &self,
        variable: &'static str,
        choices: &[(&str, T)],
    ) -> Result<Option<T>, EnvError> {
        let Some(found) = self.get(variable) else {
            return Ok(None);
        };
        let chosen = choices
            .iter()
            .find(|(word, _)| word.eq_ignore_ascii_case(found));
        match chosen {
            Some((_, value)) => Ok(Some(value.clone())),
            None => {
                let words: Vec<_> = choices
                    .iter()
                    .map(|(word, _)| format!("`{word}`"))
                    .collect();
                Err(EnvError::Value {
                    variable,
                    found: found.to_owned(),
                    allowed: words.join(", "),
                })
            }
        }
    }

    fn max_keys(&self) -> Result<Option<usize>, EnvError> {
        let Some(found) = self.get(MAX_KEYS) else {
            return Ok(None);
        };
        match found.replace('_', "").parse() {
            Ok(keys) if keys > 0 => Ok(Some(keys)),
            _ => Err(EnvError::Value {
                variable: MAX_KEYS,
                found: found.to_owned(),
                allowed: "a whole number of keys, 1 or more, such as `1_000_000`".to_owned(),
            }),
        }
    }

    fn trusted_proxies(&self) -> Result<Option<TrustedProxies>, EnvError> {
        let header: Option<ForwardedHeader> = self.parse(FORWARDED_HEADER)?;
        match (self.parse::<TrustedProxies>(TRUSTED_PROXIES)?, header) {
            (Some(proxies), Some(header)) => Ok(Some(proxies.header(header))),
            (Some(proxies), None) => Ok(Some(proxies)),
            (None, None) => Ok(None),
            (None, Some(_)) => Err(EnvError::Value {
                variable: FORWARDED_HEADER,
                found: self.get(FORWARDED_HEADER).unwrap_or_default().to_owned(),
                allowed: format!(
                    "nothing unless `{TRUSTED_PROXIES}` names the proxies that write the header"
                ),
            }),
        }
    }

    /// A value whose own type knows what is allowed.
    fn parse<T: FromStr<Err: Display>>(
        &self,
        variable: &'static str,
    ) -> Result<Option<T>, EnvError> {
        let Some(found) = self.get(variable) else {
            return Ok(None);
        };
        let parsed = found.parse().map_err(|error: T::Err| EnvError::Value {
            variable,
            found: found.to_owned(),
            allowed: error.to_string(),
        });
        parsed.map(Some)
    }
}

/// Whether Kubernetes has set it, for a service whose name begins with `rate-limit`: `RATE_LIMIT_REDIS_PORT`.
fn is_of_kubernetes(name: &str) -> bool {
    let is_port = |rest: &str| {
        let (number, rest) = rest.split_once('_').unwrap_or((rest, ""));
        let protocol = rest.split('_').next();
        number.parse::<u16>().is_ok() && matches!(protocol, Some("TCP" | "UDP" | "SCTP"))
    };
    name.ends_with("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || name.ends_with("_PORT")
        || name
            .split_once("_PORT_")
            .is_some_and(|(_, rest)| is_port(rest))
}

const SWITCH: [(&str, bool); 8] = [
    ("true", true),
    ("false", false),
    ("1", true),
    ("0", false),
    ("yes", true),
    ("no", false),
    ("on", true),
    ("off", false),
];

const RETRY_AFTER_STYLES: [(&str, RetryAfterStyle); 2] = [
    ("seconds", RetryAfterStyle::Seconds),
    ("http-date", RetryAfterStyle::HttpDate),
];
