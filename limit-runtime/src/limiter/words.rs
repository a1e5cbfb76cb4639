//! Words for settings, in environment variables and configuration files.

use std::fmt;

/// The words that a setting may be written as, with their values. `Display` lists them for errors:
/// `a`, `b`, `c`.
pub(crate) struct Words<'a, T>(pub(crate) &'a [(&'a str, T)]);

impl<T> fmt::Display for Words<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (word, _)) in self.0.iter().enumerate() {
            let separator = if index > 0 { ", " } else { "" };
            write!(f, "{separator}`{word}`")?;
        }
        Ok(())
    }
}
