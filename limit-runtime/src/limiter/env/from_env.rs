//! Reads the settings of a limiter from environment variables.

use super::{
    error::EnvError,
    variables::{
        ALL, ENABLED, FORWARDED_HEADER, HEADERS, MAX_KEYS, ON_STORE_ERROR, RETRY_AFTER, SECRET,
        STORE, STORE_PREFIX, TRUSTED_PROXIES, has_reserved_prefix, is_set_by_kubernetes,
    },
};
use crate::{
    client_ip::{ForwardedHeader, TrustedProxies, TrustedProxiesError},
    limiter::{Limiter, LimiterBuilder, remote, words::Words},
    response::{header_style::HeaderStyle, retry_after::RetryAfterStyle},
    store::{Fallback, connect},
};
use std::{collections::BTreeMap, env, ffi::OsString, str::FromStr};

impl Limiter {
    /// A limiter with the settings in environment variables.
    ///
    /// | Variable | allowed values | default |
    /// |---|---|---|
    /// | `RATE_LIMIT_ENABLED` | `true`, `false`, `yes`, `no`, `on`, `off`, `1`, `0` | `true` |
    /// | `RATE_LIMIT_STORE` | a URL of [`connect`](Self::connect) | `memory://` |
    /// | `RATE_LIMIT_PREFIX` | the prefix of all keys in a remote store | `limit` |
    /// | `RATE_LIMIT_SECRET` | the secret for the hash of each key in a remote store | a public constant |
    /// | `RATE_LIMIT_ON_STORE_ERROR` | `local`, `allow`, `deny` | `local` |
    /// | `RATE_LIMIT_HEADERS` | `ietf`, `x-ratelimit`, `openai`, `both`, `off` | `ietf` |
    /// | `RATE_LIMIT_RETRY_AFTER` | `seconds`, `http-date` | `seconds` |
    /// | `RATE_LIMIT_MAX_KEYS` | a number of keys in memory, at least 1 | `1000000` |
    /// | `RATE_LIMIT_TRUSTED_PROXIES` | networks, such as `10.0.0.0/8, fd00::/8` | none |
    /// | `RATE_LIMIT_FORWARDED_HEADER` | a header, such as `Forwarded` or `CF-Connecting-IP` | `X-Forwarded-For` |
    ///
    /// These variables correspond to methods of the builders:
    ///
    /// | Variable | method |
    /// |---|---|
    /// | `RATE_LIMIT_ENABLED` | [`LimiterBuilder::enabled`] |
    /// | `RATE_LIMIT_STORE` | [`LimiterBuilder::remote`] |
    /// | `RATE_LIMIT_PREFIX` | [`RemoteBuilder::key_prefix`](crate::RemoteBuilder::key_prefix) |
    /// | `RATE_LIMIT_SECRET` | [`RemoteBuilder::key_secret`](crate::RemoteBuilder::key_secret) |
    /// | `RATE_LIMIT_ON_STORE_ERROR` | [`RemoteBuilder::fallback`](crate::RemoteBuilder::fallback) |
    /// | `RATE_LIMIT_HEADERS` | [`LimiterBuilder::header_style`] |
    /// | `RATE_LIMIT_RETRY_AFTER` | [`LimiterBuilder::retry_after_style`] |
    /// | `RATE_LIMIT_MAX_KEYS` | [`LimiterBuilder::max_keys`] |
    /// | `RATE_LIMIT_TRUSTED_PROXIES` | [`LimiterBuilder::trusted_proxies`] |
    /// | `RATE_LIMIT_FORWARDED_HEADER` | [`TrustedProxies::header`] |
    ///
    /// A variable that is empty or not set has its default. Letter case does not matter in words
    /// such as `true` and `ietf`. With `memory://`, `RATE_LIMIT_PREFIX`, `RATE_LIMIT_SECRET` and
    /// `RATE_LIMIT_ON_STORE_ERROR` have no effect, and a warning in the log names those that are
    /// set. `RATE_LIMIT_FORWARDED_HEADER` needs `RATE_LIMIT_TRUSTED_PROXIES`.
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
    /// If a value is not allowed, or if the name of another variable begins with `RATE_LIMIT_` or
    /// `RATELIMIT_`: its setting would have no effect. Variables that Kubernetes sets for services
    /// are ignored. Also the errors of [`connect`](Self::connect).
    pub async fn from_env() -> Result<Self, EnvError> {
        Self::from_variables(env::vars_os()).await
    }

    /// A limiter with the settings in `variables`, pairs of name and value: for tests, and for
    /// configuration files. [`from_env`](Self::from_env) lists the names.
    ///
    /// ```
    /// use limit_runtime::Limiter;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), limit_runtime::EnvError> {
    /// let limiter = Limiter::from_variables([("RATE_LIMIT_HEADERS", "x-ratelimit")]).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// See [`from_env`](Self::from_env).
    pub async fn from_variables<N, V>(
        variables: impl IntoIterator<Item = (N, V)>,
    ) -> Result<Self, EnvError>
    where
        N: Into<OsString>,
        V: Into<OsString>,
    {
        let settings = Settings::read(variables)?;
        let builder = settings.builder()?;
        let fallback = settings.choice(ON_STORE_ERROR, &Fallback::WORDS)?;
        let url = settings.get(STORE).unwrap_or("memory://");
        if connect::is_memory(url) {
            let variables = [STORE_PREFIX, SECRET, ON_STORE_ERROR].into_iter();
            remote::warn_of_unused_settings(variables.filter(|name| settings.get(name).is_some()));
            return Ok(builder.build());
        }
        let mut remote = builder.remote(url);
        if let Some(prefix) = settings.get(STORE_PREFIX) {
            remote = remote.key_prefix(prefix);
        }
        if let Some(secret) = settings.get(SECRET) {
            remote = remote.key_secret(secret);
        }
        if let Some(fallback) = fallback {
            remote = remote.fallback(fallback);
        }
        remote.connect().await.map_err(|source| EnvError::Store {
            variable: STORE,
            source,
        })
    }
}

/// The values of the variables that are set.
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
            if !has_reserved_prefix(&name) {
                continue;
            }
            let Some(&known) = ALL.iter().find(|known| **known == name) else {
                if is_set_by_kubernetes(&name) {
                    continue;
                }
                return Err(EnvError::Unknown { variable: name });
            };
            let value = value.into().into_string().map_err(|_| EnvError::Value {
                variable: known,
                found: "…".to_owned(),
                allowed: "UTF-8 text".to_owned(),
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

    /// A builder with all settings except those of a remote store.
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
        if let Some(keys) = self.max_keys()? {
            builder = builder.max_keys(keys);
        }
        if let Some(proxies) = self.trusted_proxies()? {
            builder = builder.trusted_proxies(proxies);
        }
        Ok(builder)
    }

    /// The value of a variable that allows certain words only.
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
            None => Err(EnvError::Value {
                variable,
                found: found.to_owned(),
                allowed: Words(choices).to_string(),
            }),
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
                allowed: "a whole number, at least 1, such as `1_000_000`".to_owned(),
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
                    "no value without `{TRUSTED_PROXIES}`; set it to the networks of the proxies \
                     that send this header, such as `10.0.0.0/8`"
                ),
            }),
        }
    }

    /// The value of a variable about trusted proxies.
    fn parse<T: FromStr<Err = TrustedProxiesError>>(
        &self,
        variable: &'static str,
    ) -> Result<Option<T>, EnvError> {
        let parsed = self.get(variable).map(str::parse).transpose();
        parsed.map_err(|source| EnvError::Proxies { variable, source })
    }
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
