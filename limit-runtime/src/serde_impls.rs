//! Settings in configuration files, and the state of a limiter in reports (feature `serde`).
//!
//! Settings are strings in the words of the attribute and of the environment variables.

use crate::{
    HeaderNames, HeaderStyle, Strategy,
    clock::millis,
    limiter::words::Words,
    store::{Fallback, Health, StoreHealth, Usage},
};
use http::HeaderName;
use limit_core::MAX_COUNT;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, MapAccess, Visitor},
    ser::SerializeStruct,
};
use std::{fmt, num::NonZeroU64};

const STRATEGIES: &str = "`moving_window`, `fixed_window`, `sliding_window`, `gcra(burst = 10)`";

/// As in the attribute: `"moving_window"`, `"fixed_window"`, `"sliding_window"` or
/// `"gcra(burst = 10)"`.
impl Serialize for Strategy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// As in the attribute: `"moving_window"`, `"fixed_window"`, `"sliding_window"` or
/// `"gcra(burst = 10)"`.
impl<'de> Deserialize<'de> for Strategy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(StrategyVisitor)
    }
}

struct StrategyVisitor;

impl Visitor<'_> for StrategyVisitor {
    type Value = Strategy;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a strategy: {STRATEGIES}")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Strategy, E> {
        match text {
            "moving_window" => Ok(Strategy::MovingWindow),
            "fixed_window" => Ok(Strategy::FixedWindow),
            "sliding_window" => Ok(Strategy::SlidingWindow),
            _ if text.starts_with("gcra") => burst(text)
                .map(|burst| Strategy::Gcra { burst })
                .ok_or_else(|| {
                    E::custom(format_args!(
                        "`{text}` has no valid burst: write `gcra(burst = 10)`, with a whole \
                         number from 1 to {MAX_COUNT}"
                    ))
                }),
            _ => Err(E::custom(format_args!(
                "unknown strategy `{text}`: allowed: {STRATEGIES}"
            ))),
        }
    }
}

/// The burst of `gcra(burst = 10)`; whitespace and underscores between digits do not matter.
fn burst(text: &str) -> Option<NonZeroU64> {
    let inner = text.strip_prefix("gcra")?.trim_start();
    let inner = inner.strip_prefix('(')?.trim_end().strip_suffix(')')?;
    let number = inner.trim().strip_prefix("burst")?.trim_start();
    let number = number.strip_prefix('=')?.trim();
    let digits: String = number.split('_').collect();
    let burst: NonZeroU64 = digits.parse().ok()?;
    (burst.get() <= MAX_COUNT && !digits.starts_with('+')).then_some(burst)
}

/// As a word: `"ietf"`, `"x-ratelimit"`, `"openai"`, `"both"` or `"off"`; as a map of its names
/// where these are your own.
impl Serialize for HeaderStyle {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Self::Named(names) = self {
            let mut map = serializer.serialize_struct("HeaderNames", 3)?;
            map.serialize_field("limit", names.limit.as_str())?;
            map.serialize_field("remaining", names.remaining.as_str())?;
            map.serialize_field("reset", names.reset.as_str())?;
            return map.end();
        }
        serialize_word(self, &Self::WORDS, serializer)
    }
}

/// As a word: `"ietf"`, `"x-ratelimit"`, `"openai"`, `"both"` or `"off"`; or a map of `limit`,
/// `remaining` and `reset` to header names of your own.
impl<'de> Deserialize<'de> for HeaderStyle {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(HeaderStyleVisitor)
    }
}

struct HeaderStyleVisitor;

impl<'de> Visitor<'de> for HeaderStyleVisitor {
    type Value = HeaderStyle;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = Words(&HeaderStyle::WORDS);
        write!(
            f,
            "a header style: {words}, or a map of `limit`, `remaining` and `reset` to header names"
        )
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<HeaderStyle, E> {
        from_word(text, &HeaderStyle::WORDS, "header style")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<HeaderStyle, A::Error> {
        const FIELDS: [&str; 3] = ["limit", "remaining", "reset"];
        let mut names: [Option<HeaderName>; 3] = [const { None }; 3];
        while let Some(field) = map.next_key::<String>()? {
            let name: String = map.next_value()?;
            let Some(place) = FIELDS.iter().position(|&known| known == field) else {
                return Err(A::Error::unknown_field(&field, &FIELDS));
            };
            let name = HeaderName::try_from(name.as_str()).map_err(|_| {
                A::Error::custom(format_args!("`{name}` is not a valid header name"))
            })?;
            if names[place].replace(name).is_some() {
                return Err(A::Error::duplicate_field(FIELDS[place]));
            }
        }
        let [limit, remaining, reset] = names;
        let missing = A::Error::missing_field;
        Ok(HeaderStyle::Named(Box::new(HeaderNames {
            limit: limit.ok_or_else(|| missing("limit"))?,
            remaining: remaining.ok_or_else(|| missing("remaining"))?,
            reset: reset.ok_or_else(|| missing("reset"))?,
        })))
    }
}

/// As a word: `"local"`, `"allow"` or `"deny"`.
impl Serialize for Fallback {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize_word(self, &Self::WORDS, serializer)
    }
}

/// From a word: `"local"`, `"allow"` or `"deny"`.
impl<'de> Deserialize<'de> for Fallback {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(FallbackVisitor)
    }
}

struct FallbackVisitor;

impl Visitor<'_> for FallbackVisitor {
    type Value = Fallback;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a fallback: {}", Words(&Fallback::WORDS))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Fallback, E> {
        from_word(text, &Fallback::WORDS, "fallback")
    }
}

/// Its numbers, `store` (`"memory"`, `"up"` or `"down"`), `since_ms` in whole milliseconds, and
/// `last_error`, which is `null` if there was none.
impl Serialize for Health {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let store = match self.store {
            StoreHealth::Memory => "memory",
            StoreHealth::Up => "up",
            StoreHealth::Down => "down",
        };
        let mut health = serializer.serialize_struct("Health", 11)?;
        health.serialize_field("store", store)?;
        health.serialize_field("since_ms", &millis(self.since))?;
        health.serialize_field("last_error", &self.last_error.as_deref())?;
        health.serialize_field("answered", &self.answered)?;
        health.serialize_field("failed", &self.failed)?;
        health.serialize_field("fallbacks", &self.fallbacks)?;
        health.serialize_field("repeated_denials", &self.repeated_denials)?;
        health.serialize_field("local_refusals", &self.local_refusals)?;
        health.serialize_field("late_charges", &self.late_charges)?;
        health.serialize_field("late_charges_dropped", &self.late_charges_dropped)?;
        health.serialize_field("outages", &self.outages)?;
        health.end()
    }
}

/// Its numbers.
impl Serialize for Usage {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut usage = serializer.serialize_struct("Usage", 5)?;
        usage.serialize_field("keys", &self.keys)?;
        usage.serialize_field("bytes", &self.bytes)?;
        usage.serialize_field("evicted", &self.evicted)?;
        usage.serialize_field("shared", &self.shared)?;
        usage.serialize_field("permits", &self.permits)?;
        usage.end()
    }
}

fn serialize_word<T: PartialEq, S: Serializer>(
    value: &T,
    words: &[(&str, T)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match words.iter().find(|(_, known)| known == value) {
        Some((word, _)) => serializer.serialize_str(word),
        None => Err(serde::ser::Error::custom("the value has no word")),
    }
}

fn from_word<T: Clone, E: Error>(
    text: &str,
    words: &'static [(&str, T)],
    what: &str,
) -> Result<T, E> {
    match words.iter().find(|(word, _)| *word == text) {
        Some((_, value)) => Ok(value.clone()),
        None => Err(E::custom(format_args!(
            "unknown {what} `{text}`: allowed: {}",
            Words(words)
        ))),
    }
}
