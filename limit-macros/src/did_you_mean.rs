//! The allowed word that is closest to a misspelled one.

/// The allowed word at the smallest edit distance, if that is small enough for a typing error.
pub(crate) fn closest<'a>(word: &str, allowed: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    allowed
        .map(|candidate| (distance(word, candidate), candidate))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, candidate)| *distance <= (candidate.len() / 3).max(1))
        .map(|(_, candidate)| candidate)
}

/// The question that suggests a word.
pub(crate) fn did_you_mean(closest: Option<&str>) -> Option<String> {
    closest.map(|closest| format!("did you mean `{closest}`?"))
}

/// Ends the sentence about an unknown word, with a hint if there is one.
pub(crate) fn with_hint(hint: Option<String>) -> String {
    hint.map_or_else(|| ".".to_owned(), |hint| format!(": {hint}"))
}

/// The edit distance, in which swapping two neighbouring characters is one edit.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    let mut previous: Option<char> = None;
    for (i, a) in from.chars().enumerate() {
        let mut next = vec![i + 1];
        for (j, &b) in to.iter().enumerate() {
            let at = |row: &[usize], j: usize| row.get(j).copied().unwrap_or(usize::MAX / 2);
            let mut best = (at(&next, j) + 1)
                .min(at(&row, j + 1) + 1)
                .min(at(&row, j) + usize::from(a != b));
            let swapped = previous == Some(b) && j > 0 && to.get(j - 1) == Some(&a);
            if swapped {
                best = best.min(at(&before, j - 1) + 1);
            }
            next.push(best);
        }
        before = std::mem::replace(&mut row, next);
        previous = Some(a);
    }
    row.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typing_error_is_recognised_and_another_word_is_not() {
        let meant = |word| closest(word, ["key", "cost", "scope", "strategy"].into_iter());
        assert_eq!(meant("kye"), Some("key"));
        assert_eq!(meant("csot"), Some("cost"));
        assert_eq!(meant("scop"), Some("scope"));
        assert_eq!(meant("stratgey"), Some("strategy"));
        assert_eq!(meant("window"), None);
    }
}
