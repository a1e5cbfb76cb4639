//! The answer of a budget to a check.

use crate::decision::OutcomeParts;

/// How a check of a budget with up to `N` limits went.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Checked<const N: usize> {
    /// Whether the request was recorded.
    pub(crate) is_recorded: bool,
    /// The outcome of each limit, in the order of the limits.
    pub(crate) outcomes: [OutcomeParts; N],
}

impl<const N: usize> Checked<N> {
    /// Whether all limits allow the request.
    #[inline(always)]
    pub(crate) fn is_allowed(&self) -> bool {
        self.outcomes.iter().all(|outcome| outcome.is_allowed())
    }

    /// The same for fewer limits, or more of which the others are unused.
    #[inline(always)]
    pub(crate) fn resized<const M: usize>(&self) -> Checked<M> {
        let outcomes = std::array::from_fn(|index| match self.outcomes.get(index) {
            Some(outcome) => *outcome,
            None => OutcomeParts::default(),
        });
        let is_recorded = self.is_recorded;
        Checked {
            is_recorded,
            outcomes,
        }
    }
}
