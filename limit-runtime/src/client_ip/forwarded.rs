//! Parses an element of a `Forwarded` header (RFC 7239, section 4).

use super::address::trim;

/// The value of the `for` parameter, without quotes. `None` unless the element has exactly one
/// `for` parameter and follows the grammar.
///
/// The header is split at every comma, including commas in quoted strings, because a client may
/// have opened the string further to the left. So `element` may be the tail of a quoted string:
/// ` for=192.0.2.1"` from `host="a, for=192.0.2.1"`. Such a tail never parses. It has an odd number
/// of unescaped quotes, so its last string is unterminated, and a backslash outside a string is an
/// error.
///
/// Two common deviations from the grammar are accepted: `:`, `[` and `]` in values without quotes,
/// and spaces around semicolons. Neither changes where a value ends.
pub(super) fn node(element: &[u8]) -> Option<&[u8]> {
    let mut rest = trim(element);
    let mut node = None;
    while !rest.is_empty() {
        if let [b';', after @ ..] = rest {
            rest = trim(after);
            continue;
        }
        let (name, after) = token(rest)?;
        let (value, after) = value(after.strip_prefix(b"=")?)?;
        if name.eq_ignore_ascii_case(b"for") && node.replace(value).is_some() {
            return None;
        }
        rest = trim(after);
        if !matches!(rest, [] | [b';', ..]) {
            return None;
        }
    }
    node
}

/// Splits off a token or a quoted string. Escapes are kept, because no address contains any.
fn value(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let Some(quoted) = text.strip_prefix(b"\"") else {
        return take_while(text, |b| is_token(b) || matches!(b, b':' | b'[' | b']'));
    };
    let mut escaped = false;
    let end = quoted.iter().position(|&b| match b {
        _ if escaped => {
            escaped = false;
            false
        }
        b'\\' => {
            escaped = true;
            false
        }
        b => b == b'"',
    })?;
    Some((quoted.get(..end)?, quoted.get(end + 1..)?))
}

/// Splits off a token.
fn token(text: &[u8]) -> Option<(&[u8], &[u8])> {
    take_while(text, is_token)
}

/// Splits off the longest prefix of accepted bytes. `None` if it is empty.
fn take_while(text: &[u8], accepts: impl Fn(u8) -> bool) -> Option<(&[u8], &[u8])> {
    let end = text.iter().position(|&b| !accepts(b)).unwrap_or(text.len());
    (end > 0).then_some(text.split_at_checked(end)).flatten()
}

/// Whether a byte is a `tchar` (RFC 9110, section 5.6.2).
fn is_token(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn assert_node(element: &str, expected: Option<&str>) {
        assert_eq!(
            node(element.as_bytes()),
            expected.map(str::as_bytes),
            "{element:?}"
        );
    }

    #[test]
    fn the_value_of_for_is_found_among_the_others() {
        assert_node("for=192.0.2.43", Some("192.0.2.43"));
        assert_node("FoR=192.0.2.43", Some("192.0.2.43"));
        assert_node(r#"For="[2001:db8::17]:4711""#, Some("[2001:db8::17]:4711"));
        assert_node("for=[2001:db8::17]:4711", Some("[2001:db8::17]:4711"));
        assert_node(
            " for=192.0.2.60;proto=http; by=203.0.113.43 ",
            Some("192.0.2.60"),
        );
        assert_node("by=203.0.113.43;for=192.0.2.60;", Some("192.0.2.60"));
        assert_node(r#"host="a;for=x\"\\";for=y;secret=_1"#, Some("y"));
        assert_node("for=unknown", Some("unknown"));
        assert_node(r#"for="""#, Some(""));
    }

    #[test]
    fn an_element_that_breaks_the_grammar_is_rejected() {
        for element in [
            "",
            ";",
            "192.0.2.1",
            "by=192.0.2.1",
            "for",
            "for=",
            "=192.0.2.1",
            "for =192.0.2.1",
            "for= 192.0.2.1",
            "for==192.0.2.1",
            "for=192.0.2.1 x",
            "for=192.0.2.1;x",
            "for=192.0.2.1 by=x",
            "for=\"192.0.2.1\"by=x",
            "for=192.0.2.1;for=192.0.2.2",
            "for=192.0.2.1;FOR=192.0.2.1",
            "for=\"192.0.2.1",
            "for=192.0.2.1\"",
            "for=\"192.0.2.1\"x",
            "for=\"192.0.2.1\"\"\"",
            "for=192.0.2.1;host=\"a\\\"",
            "for=192.0.2.1;host=a\\",
            "for=192.0.2.1;é=a",
            "fo\u{16f}r=192.0.2.1",
        ] {
            assert_node(element, None);
        }
    }

    #[test]
    fn escapes_are_kept_so_the_value_is_not_an_address() {
        assert_node(r#"for="192.0.2.\1""#, Some(r"192.0.2.\1"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        /// A client controls the host name that a proxy copies into a quoted string.
        #[test]
        fn the_tail_of_a_quoted_string_is_rejected(
            host in r#"([ \t;=":\\\[\]]|for=1.1.1.1|for="1.1.1.1"|a="|;host="|,){0,12}"#,
            after in prop_oneof![
                Just(""), Just(";proto=https"), Just(";proto=\"https\""),
                Just(";by=\"_b\";for=\"192.0.2.1\""), Just("; x=y;z=\"\\\\\""),
            ],
        ) {
            let escaped = host.replace('\\', r"\\").replace('"', "\\\"");
            let element = format!("proto=http;host=\"{escaped}\"{after}");
            for (comma, _) in element.match_indices(',') {
                prop_assert_eq!(node(&element.as_bytes()[comma + 1..]), None);
            }
        }
    }
}
