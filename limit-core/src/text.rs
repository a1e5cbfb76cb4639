//! Short text without an allocator, built in `const` as well as at run time.

use core::fmt;

/// Up to `N` bytes of UTF-8, inline. What does not fit is left out, on a character boundary.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Text<const N: usize> {
    len: u16,
    bytes: [u8; N],
}

impl<const N: usize> Text<N> {
    pub(crate) const EMPTY: Self = Self {
        len: 0,
        bytes: [0; N],
    };

    /// The beginning of `source`, with `…` at the end if it is not all there.
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

    /// The same text in a smaller (or larger) buffer, if it fits.
    pub(crate) const fn fit<const M: usize>(&self) -> Option<Text<M>> {
        if self.as_str().len() > M {
            return None;
        }
        let mut text = Text::EMPTY;
        text.push(self.as_str());
        Some(text)
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

    /// One ASCII byte; anything else is left out.
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

    /// `text` between backticks, with control characters escaped so that a message stays one
    /// line whatever was in the input.
    pub(crate) const fn push_quoted(&mut self, text: &str) {
        self.push("`");
        if text.is_ascii() {
            let bytes = text.as_bytes();
            let mut i = 0;
            while i < bytes.len() {
                match bytes[i] {
                    b'\n' => self.push("\\n"),
                    b'\r' => self.push("\\r"),
                    b'\t' => self.push("\\t"),
                    byte if byte.is_ascii_control() => {
                        self.push("\\x");
                        self.push_ascii(hex_digit(byte >> 4));
                        self.push_ascii(hex_digit(byte & 15));
                    }
                    byte => self.push_ascii(byte),
                }
                i += 1;
            }
        } else {
            self.push(text);
        }
        self.push("`");
    }
}

impl<const N: usize> fmt::Debug for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl<const N: usize> fmt::Display for Text<N> {
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
