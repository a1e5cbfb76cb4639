//! Comments are at most 100 columns wide.

use crate::files::{rust_files, workspace};
use std::fs;

const COLUMNS: usize = 100;

#[test]
fn comments_fit_into_100_columns() {
    let mut too_wide = String::new();
    for file in rust_files() {
        let text = fs::read_to_string(workspace().join(&file)).unwrap();
        for (index, line) in text.lines().enumerate() {
            if is_too_wide(line) {
                let (number, columns) = (index + 1, line.chars().count());
                too_wide += &format!("  {}:{number}: {columns} columns\n", file.display());
            }
        }
    }
    assert!(
        too_wide.is_empty(),
        "{} comment lines are wider than {COLUMNS} columns; break them:\n{too_wide}",
        too_wide.lines().count(),
    );
}

/// Rows of tables and lines of a single word, such as an address, cannot be broken.
fn is_too_wide(line: &str) -> bool {
    let Some(comment) = line.trim_start().strip_prefix("//") else {
        return false;
    };
    let text = comment.trim_start_matches(['/', '!']).trim();
    line.chars().count() > COLUMNS && text.contains(' ') && !text.starts_with('|')
}

#[test]
fn only_comments_that_can_be_broken_are_too_wide() {
    let words = "a word ".repeat(20);
    for comment in ["// ", "/// ", "//! ", "    /// "] {
        assert!(is_too_wide(&format!("{comment}{words}")), "{comment}");
        assert!(!is_too_wide(&format!(
            "{comment}https://{}",
            "a".repeat(100)
        )));
        assert!(!is_too_wide(&format!("{comment}| {words} |")));
    }
    assert!(!is_too_wide(&format!("let text = \"{words}\";")));
    assert!(!is_too_wide(&format!("// {}", "a ".repeat(48).trim_end())));
    assert!(!is_too_wide(&format!("// é{}", " é".repeat(48))));
    assert!(is_too_wide(&format!("// éé{}", " é".repeat(48))));
}
