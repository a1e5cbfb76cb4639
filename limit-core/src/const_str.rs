//! Short strings without an allocator, built in `const` as well as at run time.

use core::fmt;

/// Up to `N` bytes of UTF-8, inline. Text that does not fit is cut, on a character boundary.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ConstStr<const N: usize> {
    len: u16,
    bytes: [u8; N],
}

impl<const N: usize> ConstStr<N> {
    pub(crate) const EMPTY: Self = Self {
        len: 0,
        bytes: [0; N],
    };

    /// The start of `source`, with `…` at the end if it does not fit.
    pub(crate) const fn excerpt(source: &str) -> Self {
        let mut text = Self::EMPTY;
        if source.len() <= N {
            text.push(source);
        } else {
            text.push(prefix(source, N.saturating_sub("…".len())));
            text.push("…");
        }
        text
    }

    /// The parts, one after another.
    pub(crate) const fn concat(parts: &[&str]) -> Self {
        let mut text = Self::EMPTY;
        let mut i = 0;
        while i < parts.len() {
            text.push(parts[i]);
            i += 1;
        }
        text
    }

    pub(crate) const fn as_str(&self) -> &str {
        match self.bytes.split_at_checked(self.len as usize) {
            Some((used, _)) => match core::str::from_utf8(used) {
                Ok(text) => text,
                Err(_) => "",
            },
            None => "",
        }
    }

    pub(crate) const fn push(&mut self, text: &str) {
        let fitting = prefix(text, N - self.len as usize).as_bytes();
        let mut i = 0;
        while i < fitting.len() {
            self.bytes[self.len as usize] = fitting[i];
            self.len += 1;
            i += 1;
        }
    }

    /// Adds one ASCII byte; any other byte is left out.
    pub(crate) const fn push_ascii(&mut self, byte: u8) {
        if byte.is_ascii() && (self.len as usize) < N {
            self.bytes[self.len as usize] = byte;
            self.len += 1;
        }
    }

    pub(crate) const fn push_number(&mut self, number: u64) {
        let mut unit: u64 = 1;
        while number / unit >= 10 {
            unit *= 10;
        }
        while unit > 0 {
            self.push_ascii(b'0' + (number / unit % 10) as u8);
            unit /= 10;
        }
    }

    /// Adds a number with commas: `100,000`.
    pub(crate) const fn push_grouped(&mut self, number: u64) {
        let mut group: u64 = 1;
        while number / group >= 1_000 {
            group *= 1_000;
        }
        self.push_number(number / group);
        while group > 1 {
            group /= 1_000;
            let digits = number / group % 1_000;
            self.push(",");
            self.push_ascii(b'0' + (digits / 100) as u8);
            self.push_ascii(b'0' + (digits / 10 % 10) as u8);
            self.push_ascii(b'0' + (digits % 10) as u8);
        }
    }

    /// Adds `text` between backticks. Control characters are escaped, so that a message is always
    /// one line.
    pub(crate) const fn push_quoted(&mut self, text: &str) {
        self.push("`");
        let bytes = text.as_bytes();
        let mut i = 0;
        while i < bytes.len() {
            let start = i;
            i += 1;
            while !text.is_char_boundary(i) {
                i += 1;
            }
            match bytes[start] {
                b'\n' => self.push("\\n"),
                b'\r' => self.push("\\r"),
                b'\t' => self.push("\\t"),
                byte if byte.is_ascii_control() => {
                    self.push("\\x");
                    self.push_ascii(hex_digit(byte >> 4));
                    self.push_ascii(hex_digit(byte & 15));
                }
                _ => self.push(slice(text, start, i)),
            }
        }
        self.push("`");
    }
}

impl<const N: usize> fmt::Debug for ConstStr<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl<const N: usize> fmt::Display for ConstStr<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One upper-case hexadecimal digit; `digit` is below 16.
pub(crate) const fn hex_digit(digit: u8) -> u8 {
    if digit < 10 {
        b'0' + digit
    } else {
        b'A' + (digit - 10)
    }
}

/// `text[start..end]`, or nothing if that is out of range or cuts a character.
pub(crate) const fn slice(text: &str, start: usize, end: usize) -> &str {
    match text.split_at_checked(end) {
        Some((head, _)) => match head.split_at_checked(start) {
            Some((_, tail)) => tail,
            None => "",
        },
        None => "",
    }
}

/// The longest prefix of at most `max` bytes that ends on a character boundary.
const fn prefix(text: &str, max: usize) -> &str {
    if text.len() <= max {
        return text;
    }
    let mut end = max;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    slice(text, 0, end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_on_a_character_boundary() {
        let mut text = ConstStr::<4>::concat(&["aé", "é"]);
        assert_eq!(text.as_str(), "aé");
        text.push_ascii(b'b');
        text.push_ascii(b'c');
        assert_eq!(text.as_str(), "aéb");
    }

    #[test]
    fn an_excerpt_says_that_it_is_one() {
        assert_eq!(ConstStr::<6>::excerpt("abcdef").as_str(), "abcdef");
        assert_eq!(ConstStr::<6>::excerpt("abcdefg").as_str(), "abc…");
        assert_eq!(ConstStr::<6>::excerpt("abécdef").as_str(), "ab…");
    }

    #[test]
    fn every_number_is_written_in_full() {
        for number in [0, 9, 10, 99, 100, 4_294_967_295, u64::MAX] {
            let mut text = ConstStr::<20>::EMPTY;
            text.push_number(number);
            assert_eq!(text.as_str().parse(), Ok(number));
        }
    }

    #[test]
    fn every_number_is_grouped_by_thousands() {
        for (number, grouped) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (100_020, "100,020"),
            (999_999_999_999_999, "999,999,999,999,999"),
            (u64::MAX, "18,446,744,073,709,551,615"),
        ] {
            let mut text = ConstStr::<26>::EMPTY;
            text.push_grouped(number);
            assert_eq!(text.as_str(), grouped);
        }
    }

    #[test]
    fn control_characters_are_escaped_in_quotes() {
        let mut text = ConstStr::<40>::EMPTY;
        text.push_quoted("a\n\r\t\0\x1B\x7Fé…");
        assert_eq!(text.as_str(), "`a\\n\\r\\t\\x00\\x1B\\x7Fé…`");
    }

    #[test]
    fn a_slice_out_of_range_is_empty() {
        assert_eq!(slice("aéb", 1, 3), "é");
        assert_eq!(slice("aéb", 1, 2), "");
        assert_eq!(slice("aéb", 3, 9), "");
    }
}
