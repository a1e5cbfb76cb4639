//! Reads the settings of a limiter from environment variables.

use super::{
    error::EnvError,
    values,
    variables::{
        ALL, DEADLINE, DRAIN_BYTES, DRAIN_TIME, DRY_RUN, ENABLED, EXCEEDS_CAPACITY_STATUS,
        FORWARDED_HEADER, HEADERS, IPV6_PREFIX, MAX_BYTES, MAX_DRAINING, MAX_KEYS, MAX_LOG_ENTRIES,
        MAX_WAITING, ON_STORE_ERROR, RESPONSE_INFO, RETRY_AFTER, RETRY_JITTER, SECRET, STATS,
        STORE, STORE_PREFIX, TRUSTED_PROXIES, WHEN_FULL, has_reserved_prefix, is_set_by_kubernetes,
    },
};
use crate::{
    client_ip::{ForwardedHeader, TrustedProxies, TrustedProxiesError},
    limiter::{Limiter, LimiterBuilder, remote, words::Words},
    observe::StatsLevel,
    response::{header_style::HeaderStyle, retry_after::RetryAfterStyle},
    store::{
        Fallback,
        connect::{self, SWITCH},
        memory::WhenFull,
    },
};
use http::StatusCode;
use std::{
    collections::BTreeMap, env, ffi::OsString, fmt, ops::RangeInclusive, str::FromStr,
    time::Duration,
};

impl Limiter {
    /// A limiter with the settings in environment variables.
    ///
    /// | Variable | allowed values | default |
    /// |---|---|---|
    /// | `RATE_LIMIT_ENABLED` | `true`, `false`, `yes`, `no`, `on`, `off`, `1`, `0` | `true` |
    /// | `RATE_LIMIT_DRY_RUN` | as `RATE_LIMIT_ENABLED` | `false` |
    /// | `RATE_LIMIT_STATS` | `off`, `totals`, `detailed` | `totals` |
    /// | `RATE_LIMIT_STORE` | a URL of [`connect`](Self::connect) | `memory://` |
    /// | `RATE_LIMIT_PREFIX` | the prefix of all keys in a remote store | `limit` |
    /// | `RATE_LIMIT_SECRET` | the secret for the hash of each key in a remote store | a public constant |
    /// | `RATE_LIMIT_DEADLINE` | the maximum time that a check waits for a remote store, such as `80ms` or `0.1s` | `50ms` |
    /// | `RATE_LIMIT_ON_STORE_ERROR` | `local`, `allow`, `deny` | `local` |
    /// | `RATE_LIMIT_HEADERS` | `ietf`, `x-ratelimit`, `openai`, `both`, `off` | `ietf` |
    /// | `RATE_LIMIT_RETRY_AFTER` | `seconds`, `http-date` | `seconds` |
    /// | `RATE_LIMIT_RETRY_JITTER` | a time, such as `2s` | `0s` |
    /// | `RATE_LIMIT_EXCEEDS_CAPACITY_STATUS` | a status from 400 to 499 | `429` |
    /// | `RATE_LIMIT_RESPONSE_INFO` | as `RATE_LIMIT_ENABLED` | `false` |
    /// | `RATE_LIMIT_DRAIN_BYTES` | a number of bytes | `1_000_000` |
    /// | `RATE_LIMIT_DRAIN_TIME` | a time, such as `3s` | `1s` |
    /// | `RATE_LIMIT_MAX_DRAINING` | a number of bodies | `256` |
    /// | `RATE_LIMIT_MAX_KEYS` | a number of keys in memory, at least 1 | `1_000_000` |
    /// | `RATE_LIMIT_MAX_BYTES` | a number of bytes in memory, at least 1 | no maximum |
    /// | `RATE_LIMIT_WHEN_FULL` | `forget-least-used`, `share` | `forget-least-used` |
    /// | `RATE_LIMIT_MAX_LOG_ENTRIES` | a number from 1 to 16,384 | `1024` |
    /// | `RATE_LIMIT_MAX_WAITING` | a number of requests | `64` |
    /// | `RATE_LIMIT_IPV6_PREFIX` | a number of bits from 48 to 64 | `64` |
    /// | `RATE_LIMIT_TRUSTED_PROXIES` | networks, such as `10.0.0.0/8, fd00::/8` | none |
    /// | `RATE_LIMIT_FORWARDED_HEADER` | a header, such as `Forwarded` or `CF-Connecting-IP` | `X-Forwarded-For` |
    ///
    /// These variables correspond to methods of the builders:
    ///
    /// | Variable | method |
    /// |---|---|
    /// | `RATE_LIMIT_ENABLED` | [`LimiterBuilder::enabled`] |
    /// | `RATE_LIMIT_DRY_RUN` | [`LimiterBuilder::dry_run`] |
    /// | `RATE_LIMIT_STATS` | [`LimiterBuilder::stats`] |
    /// | `RATE_LIMIT_STORE` | [`LimiterBuilder::remote`] |
    /// | `RATE_LIMIT_PREFIX` | [`RemoteBuilder::key_prefix`](crate::RemoteBuilder::key_prefix) |
    /// | `RATE_LIMIT_SECRET` | [`RemoteBuilder::key_secret`](crate::RemoteBuilder::key_secret) |
    /// | `RATE_LIMIT_DEADLINE` | [`RemoteBuilder::store_deadline`](crate::RemoteBuilder::store_deadline) |
    /// | `RATE_LIMIT_ON_STORE_ERROR` | [`RemoteBuilder::fallback`](crate::RemoteBuilder::fallback) |
    /// | `RATE_LIMIT_HEADERS` | [`LimiterBuilder::header_style`] |
    /// | `RATE_LIMIT_RETRY_AFTER` | [`LimiterBuilder::retry_after_style`] |
    /// | `RATE_LIMIT_RETRY_JITTER` | [`LimiterBuilder::retry_jitter`] |
    /// | `RATE_LIMIT_EXCEEDS_CAPACITY_STATUS` | [`LimiterBuilder::exceeds_capacity_status`] |
    /// | `RATE_LIMIT_RESPONSE_INFO` | [`LimiterBuilder::response_info`] |
    /// | `RATE_LIMIT_DRAIN_BYTES` | [`LimiterBuilder::drain_bytes`] |
    /// | `RATE_LIMIT_DRAIN_TIME` | [`LimiterBuilder::drain_time`] |
    /// | `RATE_LIMIT_MAX_DRAINING` | [`LimiterBuilder::max_draining`] |
    /// | `RATE_LIMIT_MAX_KEYS` | [`LimiterBuilder::max_keys`] |
    /// | `RATE_LIMIT_MAX_BYTES` | [`LimiterBuilder::max_bytes`] |
    /// | `RATE_LIMIT_WHEN_FULL` | [`LimiterBuilder::when_full`] |
    /// | `RATE_LIMIT_MAX_LOG_ENTRIES` | [`LimiterBuilder::max_log_entries`] |
    /// | `RATE_LIMIT_MAX_WAITING` | [`LimiterBuilder::max_waiting`] |
    /// | `RATE_LIMIT_IPV6_PREFIX` | [`LimiterBuilder::ipv6_prefix`] |
    /// | `RATE_LIMIT_TRUSTED_PROXIES` | [`LimiterBuilder::trusted_proxies`] |
    /// | `RATE_LIMIT_FORWARDED_HEADER` | [`TrustedProxies::header`] |
    ///
    /// A variable that is empty or not set has its default. Letter case does not matter in words
    /// such as `true` and `ietf`. In numbers, `_` may separate digits. Times are written as the
    /// window of a limit, such as `80ms` or `2 seconds`, and may have a decimal point. With
    /// `memory://`, `RATE_LIMIT_PREFIX`, `RATE_LIMIT_SECRET`, `RATE_LIMIT_DEADLINE` and
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
        let deadline = settings.time(DEADLINE, Duration::from_millis(1))?;
        let prefix = settings.prefix()?;
        let url = settings.get(STORE).unwrap_or("memory://");
        if connect::is_memory(url) {
            let variables = [STORE_PREFIX, SECRET, DEADLINE, ON_STORE_ERROR].into_iter();
            remote::warn_of_unused_settings(variables.filter(|name| settings.get(name).is_some()));
            return Ok(builder.build());
        }
        let mut remote = builder.remote(url);
        if let Some(prefix) = prefix {
            remote = remote.key_prefix(prefix);
        }
        if let Some(secret) = settings.get(SECRET) {
            remote = remote.key_secret(secret);
        }
        if let Some(deadline) = deadline {
            remote = remote.store_deadline(deadline);
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
        if let Some(dry_run) = self.choice(DRY_RUN, &SWITCH)? {
            builder = builder.dry_run(dry_run);
        }
        if let Some(level) = self.choice(STATS, &STATS_WORDS)? {
            builder = builder.stats(level);
        }
        if let Some(style) = self.choice(HEADERS, &HeaderStyle::WORDS)? {
            builder = builder.header_style(style);
        }
        if let Some(style) = self.choice(RETRY_AFTER, &RETRY_AFTER_STYLES)? {
            builder = builder.retry_after_style(style);
        }
        if let Some(jitter) = self.time(RETRY_JITTER, Duration::ZERO)? {
            builder = builder.retry_jitter(jitter);
        }
        if let Some(status) = self.number(EXCEEDS_CAPACITY_STATUS, 400..=499)? {
            let status = StatusCode::from_u16(status).ok();
            builder = builder.exceeds_capacity_status(status.unwrap_or_default());
        }
        if let Some(response_info) = self.choice(RESPONSE_INFO, &SWITCH)? {
            builder = builder.response_info(response_info);
        }
        if let Some(bytes) = self.number(DRAIN_BYTES, 0..=u64::MAX)? {
            builder = builder.drain_bytes(bytes);
        }
        if let Some(time) = self.time(DRAIN_TIME, Duration::ZERO)? {
            builder = builder.drain_time(time);
        }
        if let Some(bodies) = self.number(MAX_DRAINING, 0..=usize::MAX)? {
            builder = builder.max_draining(bodies);
        }
        if let Some(keys) = self.number(MAX_KEYS, 1..=usize::MAX)? {
            builder = builder.max_keys(keys);
        }
        if let Some(bytes) = self.number(MAX_BYTES, 1..=usize::MAX)? {
            builder = builder.max_bytes(bytes);
        }
        if let Some(when_full) = self.choice(WHEN_FULL, &WHEN_FULL_WORDS)? {
            builder = builder.when_full(when_full);
        }
        if let Some(entries) = self.number(MAX_LOG_ENTRIES, 1..=16_384)? {
            builder = builder.max_log_entries(entries);
        }
        if let Some(requests) = self.number(MAX_WAITING, 0..=usize::MAX)? {
            builder = builder.max_waiting(requests);
        }
        if let Some(bits) = self.number(IPV6_PREFIX, 48..=64)? {
            builder = builder.ipv6_prefix(bits);
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

    /// A whole number in this range.
    fn number<T>(
        &self,
        variable: &'static str,
        range: RangeInclusive<T>,
    ) -> Result<Option<T>, EnvError>
    where
        T: FromStr + PartialOrd + fmt::Display + values::Whole,
    {
        let Some(found) = self.get(variable) else {
            return Ok(None);
        };
        let parsed = values::parse_number(found).filter(|number| range.contains(number));
        parsed.map(Some).ok_or_else(|| EnvError::Value {
            variable,
            found: found.to_owned(),
            allowed: values::allowed_numbers(&range),
        })
    }

    /// A time that is at least `min`.
    fn time(&self, variable: &'static str, min: Duration) -> Result<Option<Duration>, EnvError> {
        let Some(found) = self.get(variable) else {
            return Ok(None);
        };
        let parsed = values::parse_time(found).filter(|time| *time >= min);
        parsed.map(Some).ok_or_else(|| EnvError::Value {
            variable,
            found: found.to_owned(),
            allowed: values::allowed_times(min),
        })
    }

    fn prefix(&self) -> Result<Option<&str>, EnvError> {
        match self.get(STORE_PREFIX) {
            Some(found) if !connect::is_prefix(found) => Err(EnvError::Value {
                variable: STORE_PREFIX,
                found: found.escape_debug().to_string(),
                allowed: connect::PREFIXES.to_owned(),
            }),
            prefix => Ok(prefix),
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

const RETRY_AFTER_STYLES: [(&str, RetryAfterStyle); 2] = [
    ("seconds", RetryAfterStyle::Seconds),
    ("http-date", RetryAfterStyle::HttpDate),
];

const WHEN_FULL_WORDS: [(&str, WhenFull); 2] = [
    ("forget-least-used", WhenFull::ForgetLeastUsed),
    ("share", WhenFull::Share),
];

const STATS_WORDS: [(&str, StatsLevel); 3] = [
    (StatsLevel::Off.as_str(), StatsLevel::Off),
    (StatsLevel::Totals.as_str(), StatsLevel::Totals),
    (StatsLevel::Detailed.as_str(), StatsLevel::Detailed),
];
