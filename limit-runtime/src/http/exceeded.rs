//! What an application may know of a request that was refused, to answer it in its own words.

use super::{headers::labelled, spec::Demands};
use crate::{
    decision::{Decision, Verdict},
    store::Charge,
};
use axum::response::{IntoResponse, Response};
use std::{fmt, time::Duration};

/// A request that was over its limits: what [`on_limited`](crate::LimiterBuilder::on_limited) is given.
///
/// `Display` is the sentence that clients get by default, such as
/// `Rate limit exceeded: 10 per 1 minute`.
#[derive(Debug)]
pub struct Exceeded<'a> {
    pub(super) demands: &'a Demands,
    pub(super) decision: &'a Decision,
    cost: u32,
}

impl<'a> Exceeded<'a> {
    pub(super) fn new(
        demands: &'a Demands,
        charges: &[Charge<'_>],
        decision: &'a Decision,
    ) -> Self {
        let costs = charges.iter().map(|charge| charge.cost);
        Self {
            demands,
            decision,
            cost: costs.max().unwrap_or_default(),
        }
    }
}

impl Exceeded<'_> {
    /// How every limit stands.
    #[must_use]
    pub fn decision(&self) -> &Decision {
        self.decision
    }

    /// How long the client has to wait; `None` if its request can never fit.
    /// `Retry-After` has it in whole seconds, rounded up.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.decision.retry_after()
    }

    /// What the request would have taken.
    #[must_use]
    pub fn cost(&self) -> u32 {
        self.cost
    }

    /// The names of the policies that refused, as in the header `RateLimit-Policy`.
    pub fn violated_policies(&self) -> impl Iterator<Item = String> {
        self.violated().map(|(label, _, _)| label.to_string())
    }

    /// What the refusing policy counts by, in the words of the attribute: `client_ip`, `header("x-api-key")`.
    /// Never the key itself.
    #[must_use]
    pub fn key_label(&self) -> &'static str {
        self.violated()
            .map(|(_, _, key_label)| key_label)
            .next()
            .unwrap_or_default()
    }

    pub(super) fn violated(
        &self,
    ) -> impl Iterator<Item = (super::headers::Label<'_>, limit_core::Limit, &'static str)> {
        let key_labels = self
            .demands
            .iter()
            .flat_map(|demand| demand.limits.iter().map(|_| demand.spec.key_label));
        labelled(self.demands, self.decision)
            .zip(key_labels)
            .filter(|((_, outcome), _)| outcome.verdict != Verdict::Allowed)
            .map(|((label, outcome), key_label)| (label, outcome.limit, key_label))
    }
}

impl fmt::Display for Exceeded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.decision.can_never_fit() {
            write!(
                f,
                "The cost of this request, {}, is above the rate limit of ",
                self.cost()
            )?;
        } else {
            f.write_str("Rate limit exceeded: ")?;
        }
        for (index, (_, limit, _)) in self.violated().enumerate() {
            let separator = if index > 0 { "; " } else { "" };
            write!(f, "{separator}{limit}")?;
        }
        if self.decision.can_never_fit() {
            f.write_str(": it can never fit, so do not retry it as it is")?;
        }
        Ok(())
    }
}

/// What the function of an attribute's `on_limited` answers.
pub fn answer<R: IntoResponse>(
    function: impl FnOnce(&Exceeded<'_>) -> R,
    exceeded: &Exceeded<'_>,
) -> Response {
    function(exceeded).into_response()
}
