//! The parameters of a URL, after its `?`: pairs of name and percent-encoded value.

use crate::store::connect::SWITCH;
use std::collections::BTreeMap;

/// The values of parameters, by their names.
pub(super) struct Parameters(BTreeMap<&'static str, String>);

impl Parameters {
    /// Parses `name=value&name=value`. `hint` explains a name that is not `allowed` here.
    ///
    /// # Errors
    /// If a parameter is unknown, has no value, or is given twice. The text has no value, and a
    /// name only if it cannot be a part of a password with a `?`.
    pub(super) fn parse(
        query: &str,
        allowed: &[&'static str],
        hint: impl Fn(&str) -> Option<&'static str>,
    ) -> Result<Self, String> {
        let mut parameters = BTreeMap::new();
        for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let Some(&known) = allowed.iter().find(|allowed| **allowed == name) else {
                if let Some(hint) = hint(name) {
                    return Err(format!("`{name}`: {hint}"));
                }
                let is_harmless = parameter.contains('=')
                    && name.len() <= 24
                    && name
                        .bytes()
                        .all(|c| c.is_ascii_lowercase() || matches!(c, b'-' | b'_'));
                return Err(format!(
                    "unknown parameter{}; allowed: `{}`",
                    if is_harmless {
                        format!(" `{name}`")
                    } else {
                        String::new()
                    },
                    allowed.join("`, `")
                ));
            };
            if value.is_empty() {
                return Err(format!(
                    "`{known}` has no value; write `{known}=…`, or remove it"
                ));
            }
            let value = percent_decode(value)
                .ok_or_else(|| format!("`{known}` is not UTF-8 after percent-decoding"))?;
            if parameters.insert(known, value).is_some() {
                return Err(format!("`{known}` is given twice; remove one"));
            }
        }
        Ok(Self(parameters))
    }

    /// Removes and returns the value of a parameter.
    pub(super) fn take(&mut self, name: &str) -> Option<String> {
        self.0.remove(name)
    }
}

/// # Errors
/// If the text is no word of a switch.
pub(super) fn parse_switch(name: &str, text: &str) -> Result<bool, String> {
    let words = SWITCH.iter();
    let found = words
        .clone()
        .find(|(word, _)| word.eq_ignore_ascii_case(text));
    found.map(|&(_, value)| value).ok_or_else(|| {
        let words: Vec<_> = words.map(|(word, _)| format!("`{word}`")).collect();
        format!("`{name}` is not one of {}", words.join(", "))
    })
}

/// Replaces each `%40` by the byte with this number. A `%` without two digits stays. `None`: the
/// result is not UTF-8.
pub(super) fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let digits = after.first_chunk::<2>().filter(|_| byte == b'%');
        let decoded = digits.and_then(|&[high, low]| {
            let digit = |c: u8| char::from(c).to_digit(16);
            u8::try_from(digit(high)? * 16 + digit(low)?).ok()
        });
        bytes.push(decoded.unwrap_or(byte));
        let taken = if decoded.is_some() { 2 } else { 0 };
        rest = after.get(taken..).unwrap_or_default();
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::percent_decode;

    #[test]
    fn bytes_are_decoded_and_stray_percent_signs_stay() {
        for (text, decoded) in [
            ("", Some("")),
            ("a+b", Some("a+b")),
            ("%40%2f%2F%25", Some("@//%")),
            ("100%", Some("100%")),
            ("%4", Some("%4")),
            ("%zz%", Some("%zz%")),
            ("%e2%82%ac", Some("€")),
            ("%ff", None),
        ] {
            assert_eq!(percent_decode(text).as_deref(), decoded, "{text}");
        }
    }
}
