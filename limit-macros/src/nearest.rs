//! Which of the allowed words was probably meant.

/// The word at the smallest edit distance, if that is small enough to be a slip.
pub(crate) fn nearest<'a>(word: &str, allowed: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    allowed
        .map(|candidate| (distance(word, candidate), candidate))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, candidate)| *distance <= (candidate.len() / 3).max(1))
        .map(|(_, candidate)| candidate)
}

/// What stands behind an unknown word: a hint, or the end of the sentence.
pub(crate) fn hinted(hint: Option<String>) -> String {
    hint.map_or_else(|| ".".to_owned(), |hint| format!(": {hint}"))
}

/// The hint that a near word is.
pub(crate) fn did_you_mean(near: Option<&str>) -> Option<String> {
    near.map(|near| format!("did you mean `{near}`?"))
}

/// The edit distance, where two swapped neighbours are one edit.
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
    fn a_slip_is_recognised_and_another_word_is_not() {
        let near = |word| nearest(word, ["key", "cost", "scope", "strategy"].into_iter());
        assert_eq!(near("kye"), Some("key"));
        assert_eq!(near("csot"), Some("cost"));
        assert_eq!(near("scop"), Some("scope"));
        assert_eq!(near("stratgey"), Some("strategy"));
        assert_eq!(near("window"), None);
    }
}
