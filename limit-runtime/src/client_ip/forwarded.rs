//! One element of a `Forwarded` header (RFC 7239, section 4).

use super::address::trim;

/// The value of the `for` parameter, without the quotes; `None` if there is not exactly one, or if
/// the element breaks the grammar.
///
/// Elements are what stands between two commas, those in a quoted string too: a string may have been opened
/// by whoever wrote the text further to the left. So the tail of a quoted string can
/// arrive here (`host="a, for=192.0.2.1"`). It never passes for an element: of its quotes that
/// are not escaped the number is odd, so that the last string stays open, and a backslash is refused outside
/// of a string.
///
/// Beyond the grammar, values without quotes may contain `:`, `[` and `]`, and spaces may
/// surround the semicolons: both are common, and neither changes where a value ends.
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

/// A value and what follows it. Escapes in quoted strings stay: no address has any.
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

fn token(text: &[u8]) -> Option<(&[u8], &[u8])> {
    take_while(text, is_token)
}

fn take_while(text: &[u8], belongs: impl Fn(u8) -> bool) -> Option<(&[u8], &[u8])> {
    let end = text.iter().position(|&b| !belongs(b)).unwrap_or(text.len());
    (end > 0).then_some(text.split_at_checked(end)).flatten()
}

/// RFC 9110, section 5.6.2.
fn is_token(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn is(element: &str, expected: Option<&str>) {
        assert_eq!(
            node(element.as_bytes()),
            expected.map(str::as_bytes),
            "{element:?}"
        );
    }

    #[test]
    fn the_value_of_for_is_found_among_the_others() {
        is("for=192.0.2.43", Some("192.0.2.43"));
        is("FoR=192.0.2.43", Some("192.0.2.43"));
        is(r#"For="[2001:db8::17]:4711""#, Some("[2001:db8::17]:4711"));
        is("for=[2001:db8::17]:4711", Some("[2001:db8::17]:4711"));
        is(
            " for=192.0.2.60;proto=http; by=203.0.113.43 ",
            Some("192.0.2.60"),
        );
        is("by=203.0.113.43;for=192.0.2.60;", Some("192.0.2.60"));
        is(r#"host="a;for=x\"\\";for=y;secret=_1"#, Some("y"));
        is("for=unknown", Some("unknown"));
        is(r#"for="""#, Some(""));
    }

    #[test]
    fn what_breaks_the_grammar_names_nobody() {
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
            is(element, None);
        }
    }

    #[test]
    fn escapes_are_kept_and_so_name_no_address() {
        is(r#"for="192.0.2.\1""#, Some(r"192.0.2.\1"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        /// A client chooses the host that a proxy puts into a quoted string.
        #[test]
        fn the_tail_of_a_quoted_string_names_nobody(
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
