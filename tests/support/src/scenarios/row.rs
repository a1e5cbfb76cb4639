//! The builder that rows are written with.

use limit_runtime::{IntoKey, Key, Limits, Strategy, store::Action};
use std::time::Duration;

/// A sequence of checks on an empty store, with their answers.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its number and rule.
    pub name: &'static str,
    /// How hits are counted.
    pub strategy: Strategy,
    /// What happens, in time.
    pub steps: Vec<Step>,
}

/// The same check once or several times at one moment.
#[derive(Clone, Debug)]
pub struct Step {
    /// Milliseconds since the row began.
    pub at: u64,
    /// Before anything else, the clock steps back so far.
    pub step_back: Option<Duration>,
    /// The charges of the check.
    pub asks: Vec<Ask>,
    /// What the check does.
    pub action: Action,
    /// Whether each hit is allowed.
    pub verdicts: Vec<bool>,
    /// What the strictest outcome of the last hit has left.
    pub remaining: Option<u64>,
    /// When all of it is there again.
    pub reset_after: Option<Duration>,
    /// How long the last hit has to wait.
    pub retry_after: Option<Duration>,
    /// Whether the last hit is above the whole count.
    pub never_fits: bool,
    /// The limit that the last answer names first.
    pub strictest: Option<&'static str>,
    /// Whether the last hit is given back at once.
    pub refund: bool,
}

/// One charge of a check.
#[derive(Clone, Debug)]
pub struct Ask {
    /// The scope of the budget.
    pub scope: &'static str,
    /// The key of the budget.
    pub key: Key,
    /// All of these must have room.
    pub limits: Limits,
    /// How much it takes.
    pub cost: u64,
}

/// A check against `limits`, of cost one, by "alice".
///
/// # Panics
/// If `limits` do not parse.
#[must_use]
pub(super) fn at(millis: u64, limits: &str) -> Step {
    Step {
        at: millis,
        step_back: None,
        asks: vec![Ask {
            scope: "scenario",
            key: "alice".into_key(),
            limits: limits.parse().unwrap(),
            cost: 1,
        }],
        action: Action::Consume,
        verdicts: Vec::new(),
        remaining: None,
        reset_after: None,
        retry_after: None,
        never_fits: false,
        strictest: None,
        refund: false,
    }
}

impl Step {
    /// The answers: `"10T F"` is ten times allowed, then once denied.
    ///
    /// # Panics
    /// If it reads otherwise.
    #[must_use]
    pub fn gives(mut self, verdicts: &str) -> Self {
        for run in verdicts.split_whitespace() {
            let (count, verdict) = run.split_at(run.len() - 1);
            let count = if count.is_empty() {
                1
            } else {
                count.parse().unwrap()
            };
            let allowed = match verdict {
                "T" => true,
                "F" => false,
                other => panic!("{other} is neither T nor F"),
            };
            self.verdicts.extend(std::iter::repeat_n(allowed, count));
        }
        self
    }

    /// How much the charge takes.
    #[must_use]
    pub fn cost(mut self, cost: u64) -> Self {
        self.last().cost = cost;
        self
    }

    /// The key of the budget.
    #[must_use]
    pub fn key(mut self, key: impl IntoKey) -> Self {
        self.last().key = key.into_key();
        self
    }

    /// The scope of the budget.
    #[must_use]
    pub fn scope(mut self, scope: &'static str) -> Self {
        self.last().scope = scope;
        self
    }

    /// One more charge in the same check.
    #[must_use]
    pub fn and(mut self, limits: &str) -> Self {
        self.asks.append(&mut at(0, limits).asks);
        self
    }

    /// What the check does, if not consume.
    #[must_use]
    pub fn action(mut self, action: Action) -> Self {
        self.action = action;
        self
    }

    /// The clock steps back before the check.
    #[must_use]
    pub fn step_back(mut self, by: Duration) -> Self {
        self.step_back = Some(by);
        self
    }

    /// Gives the last hit back.
    #[must_use]
    pub fn refunded(mut self) -> Self {
        self.refund = true;
        self
    }

    /// What is left after the last hit.
    #[must_use]
    pub fn remaining(mut self, remaining: u64) -> Self {
        self.remaining = Some(remaining);
        self
    }

    /// Milliseconds until all is there again.
    #[must_use]
    pub fn reset_after(mut self, millis: u64) -> Self {
        self.reset_after = Some(Duration::from_millis(millis));
        self
    }

    /// Milliseconds that the last hit has to wait.
    #[must_use]
    pub fn retry_after(mut self, millis: u64) -> Self {
        self.retry_after = Some(Duration::from_millis(millis));
        self
    }

    /// The last hit is above the whole count.
    #[must_use]
    pub fn never_fits(mut self) -> Self {
        self.never_fits = true;
        self
    }

    /// The limit that the last answer names first.
    #[must_use]
    pub fn strictest(mut self, limit: &'static str) -> Self {
        self.strictest = Some(limit);
        self
    }

    fn last(&mut self) -> &mut Ask {
        self.asks.last_mut().unwrap()
    }
}
