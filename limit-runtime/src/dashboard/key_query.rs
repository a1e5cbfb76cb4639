//! What `POST /key` is asked, as JSON. Errors never contain the key.

use crate::key::{IntoKey, Key, ipv6_key};
use serde_json::{Map, Value};
use std::net::IpAddr;

const FIELDS: [&str; 5] = ["policy", "key", "type", "route", "clear"];
const TYPES: &str = "`text` (default), `ip`, `unsigned`, `signed`, `bool`, `bytes` (an array of \
                     numbers), `uuid`, `everyone` (no `key`), `tuple` (an array of texts or of \
                     objects with `key` and `type`)";
/// The most parts of a tuple.
const MAX_PARTS: usize = 8;

/// The budgets of a policy that are asked for.
#[derive(Debug)]
pub(super) struct KeyQuery {
    pub(super) policy: String,
    pub(super) key: Key,
    pub(super) route: Option<String>,
    pub(super) clear: bool,
}

impl KeyQuery {
    /// Reads the body. IPv6 addresses are counted by their first `ipv6_prefix` bits.
    ///
    /// # Errors
    /// What is wrong, and what to write instead.
    pub(super) fn parse(body: &[u8], ipv6_prefix: u8) -> Result<Self, String> {
        let value: Value = serde_json::from_slice(body).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            format!(
                "The body is no JSON: error at line {line}, column {column}. Send {{\"policy\": \
                 \"…\", \"key\": \"…\"}}"
            )
        })?;
        let Value::Object(fields) = value else {
            let found = type_of(&value);
            return Err(format!(
                "The body is {found}. Send an object with `policy` and `key`"
            ));
        };
        if fields.keys().any(|name| !FIELDS.contains(&name.as_str())) {
            // Its name is not repeated: it may be a key in the wrong place.
            return Err(
                "A field of the body is unknown. Allowed: `policy`, `key`, `type`, `route`, \
                        `clear`"
                    .to_owned(),
            );
        }
        let policy = text_field(&fields, "policy")?;
        let policy = policy.ok_or("`policy` is missing: send the name of a policy")?;
        let clear = match fields.get("clear") {
            None => false,
            Some(Value::Bool(clear)) => *clear,
            Some(other) => {
                let found = type_of(other);
                return Err(format!("`clear` is {found}. Send `true` or `false`"));
            }
        };
        let key = key_of(&fields, ipv6_prefix, 0)?;
        Ok(Self {
            policy,
            key,
            route: text_field(&fields, "route")?,
            clear,
        })
    }
}

fn text_field(fields: &Map<String, Value>, name: &str) -> Result<Option<String>, String> {
    match fields.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(other) => Err(format!("`{name}` is {}. Send a text", type_of(other))),
    }
}

/// The key in `key`, of the type in `type`.
fn key_of(fields: &Map<String, Value>, ipv6_prefix: u8, depth: usize) -> Result<Key, String> {
    let kind = text_field(fields, "type")?;
    let kind = kind.as_deref().unwrap_or("text");
    if kind == "everyone" {
        return match fields.get("key") {
            None | Some(Value::Null) => Ok(().into_key()),
            Some(_) => Err("The type `everyone` has no `key`: leave it out".to_owned()),
        };
    }
    let value = fields.get("key");
    let value = value.ok_or("`key` is missing. Only the type `everyone` has none")?;
    let wrong = |expected: &str| {
        let found = type_of(value);
        format!("`key` is {found}, which is no {kind}. Send {expected}, or another `type`: {TYPES}")
    };
    match (kind, value) {
        ("text", Value::String(text)) => Ok(text.into_key()),
        ("text", _) => Err(wrong("a text")),
        ("ip", Value::String(text)) => match text.trim().parse() {
            Ok(IpAddr::V4(address)) => Ok(address.into_key()),
            Ok(IpAddr::V6(address)) => Ok(ipv6_key(address, ipv6_prefix)),
            Err(_) => Err(wrong(
                "an address such as \"203.0.113.7\" or \"2001:db8::1\"",
            )),
        },
        ("unsigned", _) => {
            let number: Option<u128> = number(value);
            number
                .map(IntoKey::into_key)
                .ok_or_else(|| wrong("a whole number from 0"))
        }
        ("signed", _) => {
            let number: Option<i128> = number(value);
            number
                .map(IntoKey::into_key)
                .ok_or_else(|| wrong("a whole number"))
        }
        ("bool", Value::Bool(value)) => Ok(value.into_key()),
        ("bool", _) => Err(wrong("`true` or `false`")),
        ("bytes", Value::Array(bytes)) => {
            let bytes = bytes.iter().map(|byte| u8::try_from(byte.as_u64()?).ok());
            let bytes: Option<Vec<u8>> = bytes.collect();
            bytes
                .map(|bytes| bytes.as_slice().into_key())
                .ok_or_else(|| wrong("an array of numbers from 0 to 255"))
        }
        ("bytes", _) => Err(wrong("an array of numbers from 0 to 255")),
        ("uuid", Value::String(text)) => uuid_key(text),
        ("uuid", _) => Err(wrong("a UUID as text")),
        ("ip", _) => Err(wrong("an address as text")),
        ("tuple", Value::Array(parts)) => tuple_of(parts, ipv6_prefix, depth),
        ("tuple", _) => Err(wrong("an array")),
        // A key in the wrong place is not repeated.
        _ => Err(format!("`type` is unknown. Allowed: {TYPES}")),
    }
}

/// A number, or a text of one, for numbers that JavaScript does not have.
fn number<T: std::str::FromStr>(value: &Value) -> Option<T> {
    match value {
        Value::Number(number) => number.to_string().parse().ok(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

#[cfg(feature = "uuid")]
fn uuid_key(text: &str) -> Result<Key, String> {
    let uuid = uuid::Uuid::try_parse(text.trim());
    uuid.map(IntoKey::into_key)
        .map_err(|_| "`key` is no UUID".to_owned())
}

#[cfg(not(feature = "uuid"))]
fn uuid_key(_: &str) -> Result<Key, String> {
    Err("Keys of the type `uuid` need the feature `uuid` of limit-runtime".to_owned())
}

fn tuple_of(parts: &[Value], ipv6_prefix: u8, depth: usize) -> Result<Key, String> {
    if parts.is_empty() || parts.len() > MAX_PARTS || depth >= MAX_PARTS {
        let found = parts.len();
        return Err(format!(
            "A tuple has 1 to {MAX_PARTS} parts, and as many levels; this one has {found} parts"
        ));
    }
    let mut keys = Vec::new();
    for (index, part) in parts.iter().enumerate() {
        let number = index + 1;
        let in_part = |error: String| format!("Part {number} of the tuple: {error}");
        keys.push(match part {
            Value::String(text) => text.into_key(),
            Value::Object(fields) => key_of(fields, ipv6_prefix, depth + 1).map_err(in_part)?,
            other => {
                let found = type_of(other);
                return Err(in_part(format!(
                    "it is {found}. Send a text, or an object with `key` and `type`"
                )));
            }
        });
    }
    Ok(Key::tuple(&keys))
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::net::Ipv6Addr;

    fn key(fields: &Value) -> Result<Key, String> {
        let mut body = json!({ "policy": "p" });
        let map = body.as_object_mut().unwrap();
        map.extend(fields.as_object().unwrap().clone());
        let query = KeyQuery::parse(&serde_json::to_vec(&body).unwrap(), 56);
        query.map(|query| query.key)
    }

    #[test]
    fn a_key_of_each_type_is_the_key_of_its_value() {
        let v6: Ipv6Addr = "2001:db8:0:1::1".parse().unwrap();
        for (fields, expected) in [
            (json!({"key": "a"}), "a".into_key()),
            (json!({"key": "a", "type": "text"}), "a".into_key()),
            (json!({"key": "7"}), "7".into_key()),
            (json!({"key": 7, "type": "unsigned"}), 7_u64.into_key()),
            (
                json!({"key": "340282366920938463463374607431768211455", "type": "unsigned"}),
                u128::MAX.into_key(),
            ),
            (json!({"key": -7, "type": "signed"}), (-7_i32).into_key()),
            (json!({"key": true, "type": "bool"}), true.into_key()),
            (
                json!({"key": [1, 255], "type": "bytes"}),
                [1_u8, 255].into_key(),
            ),
            (json!({"type": "everyone"}), ().into_key()),
            (
                json!({"key": "192.0.2.1", "type": "ip"}),
                std::net::Ipv4Addr::new(192, 0, 2, 1).into_key(),
            ),
            (
                json!({"key": "2001:db8:0:1::1", "type": "ip"}),
                ipv6_key(v6, 56),
            ),
            (
                json!({"key": ["a", {"key": 7, "type": "unsigned"}], "type": "tuple"}),
                ("a", 7_u8).into_key(),
            ),
            (
                json!({"key": [{"key": ["a", "b"], "type": "tuple"}, "c"], "type": "tuple"}),
                (("a", "b"), "c").into_key(),
            ),
        ] {
            assert_eq!(key(&fields), Ok(expected), "{fields}");
        }
    }

    #[cfg(feature = "uuid")]
    #[test]
    fn a_uuid_is_the_key_of_its_value() {
        let uuid = uuid::Uuid::from_u128(7);
        let fields = json!({"key": uuid.to_string(), "type": "uuid"});
        assert_eq!(key(&fields), Ok(uuid.into_key()));
    }

    #[test]
    fn errors_say_what_is_wrong_and_do_not_repeat_the_key() {
        for (fields, expected) in [
            (json!({}), "`key` is missing"),
            (json!({"key": 7}), "`key` is a number"),
            (
                json!({"key": "sk-secret", "type": "ip"}),
                "an address such as",
            ),
            (
                json!({"key": "sk-secret", "type": "unsigned"}),
                "a whole number",
            ),
            (json!({"key": 1.5, "type": "signed"}), "a whole number"),
            (json!({"key": [256], "type": "bytes"}), "from 0 to 255"),
            (
                json!({"key": "sk-secret", "type": "sk-secret"}),
                "Allowed: `text`",
            ),
            (
                json!({"key": "sk-secret", "type": "everyone"}),
                "leave it out",
            ),
            (json!({"key": [], "type": "tuple"}), "1 to 8 parts"),
            (
                json!({"key": ["a", 7], "type": "tuple"}),
                "Part 2 of the tuple: it is a number",
            ),
            (
                json!({"key": "a", "clear": "sk-secret"}),
                "`true` or `false`",
            ),
            (json!({"key": "a", "route": 7}), "`route` is a number"),
            (
                json!({"key": "a", "sk-secret": 7}),
                "is unknown. Allowed: `policy`",
            ),
        ] {
            let error = key(&fields).unwrap_err();
            assert!(error.contains(expected), "{fields}: {error}");
            assert!(!error.contains("sk-secret"), "{error}");
        }
        for (body, expected) in [
            ("{", "line 1, column 1"),
            ("\"sk-secret\"", "The body is a text"),
            ("{\"key\": \"sk-secret\"}", "`policy` is missing"),
        ] {
            let error = KeyQuery::parse(body.as_bytes(), 64).unwrap_err();
            assert!(error.contains(expected), "{body}: {error}");
            assert!(!error.contains("sk-secret"), "{error}");
        }
    }

    #[test]
    fn tuples_do_not_nest_without_end() {
        let mut nested = json!(["a"]);
        for _ in 0..20 {
            nested = json!([{"key": nested, "type": "tuple"}]);
        }
        let error = key(&json!({"key": nested, "type": "tuple"})).unwrap_err();
        assert!(error.contains("as many levels"), "{error}");
    }
}
