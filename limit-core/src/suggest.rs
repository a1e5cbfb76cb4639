//! "Did you mean": the unit that is most similar to an unknown word.

use crate::const_str::slice;
use crate::time_unit::SPELLINGS;
use crate::unit::{KNOWN, Unit};

/// The longest word that gets a suggestion. No spelling is longer.
const LONGEST: usize = 14;

/// The accepted spelling of the unit that `word` probably means.
pub(crate) const fn unit(word: &str) -> Option<&'static str> {
    if word.len() < 2 || word.len() > LONGEST {
        return None;
    }
    if let Some(name) = completed(word) {
        return Some(name);
    }
    let mut best = None;
    let mut best_score = u8::MAX;
    let mut i = 0;
    while i < SPELLINGS.len() {
        let candidate = SPELLINGS[i].0;
        // Two letters are similar to everything.
        if candidate.len() > 2 {
            let distance = distance(word, candidate);
            // Of two equally similar ones, prefers that with the same ending: plural for plural.
            let score = 2 * distance + !same_ending(word, candidate) as u8;
            if distance <= tolerance(word) && score < best_score {
                best = Some(candidate);
                best_score = score;
            }
        }
        i += 1;
    }
    best
}

/// The name of the known unit of counts that `word` probably means.
pub(crate) const fn count_unit(word: &str) -> Option<Unit> {
    if word.len() < 2 || word.len() > LONGEST {
        return None;
    }
    let mut best = None;
    let mut best_distance = u8::MAX;
    let mut i = 0;
    while i < KNOWN.len() {
        let (unit, singular) = KNOWN[i];
        // `req`, `reqs`, `tok`, `chars`.
        if starts_with(singular, word) || starts_with(singular, without_plural(word)) {
            return Some(unit);
        }
        let (one, many) = (distance(word, singular), distance(word, unit.as_str()));
        let distance = min(one, many);
        if distance <= tolerance(word) && distance < best_distance {
            best = Some(unit);
            best_distance = distance;
        }
        i += 1;
    }
    best
}

const fn without_plural(word: &str) -> &str {
    match word.as_bytes() {
        [_, _, .., b's' | b'S'] => slice(word, 0, word.len() - 1),
        _ => word,
    }
}

/// Whether `word` is the start of `whole`, of two letters or more.
const fn starts_with(whole: &str, word: &str) -> bool {
    match whole.split_at_checked(word.len()) {
        Some((head, _)) => word.len() >= 2 && head.eq_ignore_ascii_case(word),
        None => false,
    }
}

/// Whether `word` is `per` with one misspelling.
pub(crate) const fn is_nearly_per(word: &str) -> bool {
    word.len() >= 2 && word.len() <= 4 && distance(word, "per") <= 1
}

/// The unit with a name that starts with `word`: `month` for `mo`.
const fn completed(word: &str) -> Option<&'static str> {
    let mut i = 0;
    while i < SPELLINGS.len() {
        if starts_with(SPELLINGS[i].0, word) {
            return Some(SPELLINGS[i].0);
        }
        i += 1;
    }
    None
}

const fn tolerance(word: &str) -> u8 {
    if word.len() <= 4 { 1 } else { 2 }
}

const fn same_ending(a: &str, b: &str) -> bool {
    match (a.as_bytes().last(), b.as_bytes().last()) {
        (Some(a), Some(b)) => a.eq_ignore_ascii_case(b),
        _ => false,
    }
}

/// Damerau-Levenshtein distance (optimal string alignment): insertions, deletions, replacements
/// and swaps of neighbours. Both words are at most [`LONGEST`] bytes.
const fn distance(a: &str, b: &str) -> u8 {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len() > LONGEST || b.len() > LONGEST {
        return u8::MAX / 2;
    }
    let mut before = [0_u8; LONGEST + 1];
    let mut above = [0_u8; LONGEST + 1];
    let mut j = 1;
    while j <= b.len() {
        above[j] = above[j - 1] + 1;
        j += 1;
    }
    let mut i = 1;
    while i <= a.len() {
        let mut row = [0_u8; LONGEST + 1];
        row[0] = above[0] + 1;
        let mut j = 1;
        while j <= b.len() {
            let (x, y) = (&a[i - 1], &b[j - 1]);
            let replaced = above[j - 1] + !x.eq_ignore_ascii_case(y) as u8;
            row[j] = min(replaced, min(above[j], row[j - 1]) + 1);
            if i > 1
                && j > 1
                && x.eq_ignore_ascii_case(&b[j - 2])
                && a[i - 2].eq_ignore_ascii_case(y)
            {
                row[j] = min(row[j], before[j - 2] + 1);
            }
            j += 1;
        }
        before = above;
        above = row;
        i += 1;
    }
    above[b.len()]
}

const fn min(a: u8, b: u8) -> u8 {
    if a < b { a } else { b }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_an_insertion_a_deletion_a_replacement_or_a_swap() {
        for (word, other, slips) in [
            ("minute", "Minute", 0),
            ("minute", "minutes", 1),
            ("minute", "minte", 1),
            ("minute", "minuze", 1),
            ("minute", "minuet", 1),
            ("minute", "imnute", 1),
            ("daily", "day", 2),
            ("", "day", 3),
            ("second", "minute", 6),
        ] {
            assert_eq!(distance(word, other), slips, "{word} {other}");
            assert_eq!(distance(other, word), slips, "{other} {word}");
        }
    }

    #[test]
    fn no_spelling_is_longer_than_the_longest_word() {
        for (spelling, _) in SPELLINGS {
            assert!(spelling.len() <= LONGEST, "{spelling}");
        }
        for (unit, _) in KNOWN {
            assert!(unit.as_str().len() <= LONGEST, "{unit}");
        }
    }

    #[test]
    fn a_word_that_is_near_to_nothing_gets_no_suggestion() {
        for word in [
            "",
            "q",
            "us",
            "apple",
            "fortnight",
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        ] {
            assert_eq!(unit(word), None, "{word}");
        }
    }
}
