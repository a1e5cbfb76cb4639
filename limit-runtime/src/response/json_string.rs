//! Writes JSON strings.

use super::buffer::Text;
use std::fmt::{self, Display, Write};

/// Writes `text` as a JSON string with its quotes (RFC 8259, section 7).
pub(super) fn write_json_string<const N: usize>(json: &mut Text<N>, text: impl Display) {
    json.str("\"");
    // Writing to a `Text` cannot fail.
    let _ = write!(Escaped(json), "{text}");
    json.str("\"");
}

/// Escapes the text that is written to it.
struct Escaped<'a, const N: usize>(&'a mut Text<N>);

impl<const N: usize> Write for Escaped<'_, N> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let is_plain = |byte| byte >= b' ' && byte != b'"' && byte != b'\\';
        if text.bytes().all(is_plain) {
            self.0.str(text);
            return Ok(());
        }
        for c in text.chars() {
            match c {
                '"' | '\\' => write!(self.0, "\\{c}")?,
                c if c < ' ' => write!(self.0, "\\u{:04x}", u32::from(c))?,
                c => self.0.write_char(c)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_backslashes_and_control_characters_are_escaped() {
        let mut json = Text::<8>::new();
        write_json_string(&mut json, "a\"b\\c\n");
        assert_eq!(json.as_bytes(), br#""a\"b\\c\u000a""#);
    }
}
