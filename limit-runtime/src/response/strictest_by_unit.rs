//! The limits that headers describe: the strictest of each unit.

use crate::decision::Outcome;
use limit_core::header_text::Label;
use smallvec::{SmallVec, smallvec};

/// A limit and its outcome.
pub(super) type PolicyOutcome = (Label<'static>, Outcome);

/// The strictest limit of each unit, in the order in which the units come first.
///
/// Units are not compared with each other: 300 tokens are not more than 19 requests.
#[derive(Debug)]
pub(super) struct StrictestByUnit(SmallVec<[PolicyOutcome; 2]>);

impl StrictestByUnit {
    pub(super) fn of(policies: &[PolicyOutcome]) -> Self {
        let mut strictest: SmallVec<[PolicyOutcome; 2]> = SmallVec::new();
        for &(label, outcome) in policies {
            match strictest.iter_mut().find(|(of, _)| of.unit == label.unit) {
                Some(other) if outcome.rank() < other.1.rank() => *other = (label, outcome),
                Some(_) => {}
                None => strictest.push((label, outcome)),
            }
        }
        Self(strictest)
    }

    /// Of limits of one unit, of which this is the strictest.
    pub(super) fn of_one(strictest: PolicyOutcome) -> Self {
        Self(smallvec![strictest])
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &PolicyOutcome> {
        self.0.iter()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The one to describe where there is room for one: of those that refuse, the one with the
    /// longest wait; if none does, the one in requests, or else the first.
    pub(super) fn alone(&self) -> Option<&Outcome> {
        // `max_by_key` returns the last of equal elements. Reversed, it is the first.
        let waits = self.0.iter().rev().map(|(_, outcome)| outcome);
        let longest = waits.max_by_key(|outcome| outcome.retry_after_micros())?;
        if !longest.is_allowed() {
            return Some(longest);
        }
        let in_requests = self.0.iter().find(|(label, _)| label.unit.is_requests());
        let (_, outcome) = in_requests.or_else(|| self.0.first())?;
        Some(outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decision::Verdict;
    use limit_core::{Limits, header_text::labels, limits};
    use std::time::Duration;

    fn policy(name: &'static str, limits: Limits, left: u64, wait: u64) -> PolicyOutcome {
        let verdict = match wait {
            0 => Verdict::Allowed,
            wait => Verdict::RetryAfter(Duration::from_secs(wait)),
        };
        let label = labels(name, &limits).next().unwrap();
        let reset_after = Duration::from_secs(60);
        (
            label,
            Outcome::new(limits.first(), left, reset_after, verdict),
        )
    }

    fn names(strictest: &StrictestByUnit) -> Vec<&str> {
        strictest.iter().map(|(label, _)| label.name).collect()
    }

    #[test]
    fn units_are_not_compared_with_each_other() {
        let (requests, tokens) = (limits!("20/minute"), limits!("1000 tokens/minute"));
        let all = StrictestByUnit::of(&[
            policy("a", tokens, 300, 0),
            policy("b", requests, 19, 0),
            policy("c", tokens, 200, 0),
            policy("d", requests, 20, 0),
            policy("e", limits!("5 bytes/s"), 1, 0),
        ]);
        assert_eq!(names(&all), ["c", "b", "e"]);
        assert_eq!(all.alone().unwrap().remaining(), 19);
        let tokens = StrictestByUnit::of(&[
            policy("e", limits!("5 bytes/s"), 3, 0),
            policy("a", tokens, 2, 0),
        ]);
        assert_eq!(tokens.alone().unwrap().remaining(), 3);
        assert!(StrictestByUnit::of(&[]).alone().is_none());
    }

    #[test]
    fn the_longest_wait_is_the_one_to_describe_alone() {
        let (requests, tokens) = (limits!("20/minute"), limits!("1000 tokens/minute"));
        let refused = |of_requests, of_tokens| {
            let requests = policy("a", requests, 1, of_requests);
            let all = [requests, policy("b", tokens, 10, of_tokens)];
            StrictestByUnit::of(&all).alone().unwrap().remaining()
        };
        assert_eq!(refused(0, 5), 10);
        assert_eq!(refused(6, 5), 1);
        assert_eq!(refused(5, 5), 1);
    }
}
