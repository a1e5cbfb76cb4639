//! What responses say about the limits on them.

use super::admit::Demands;
use crate::decision::{Decision, Outcome};
use http::{HeaderMap, HeaderName, HeaderValue};
use limit_core::Limit;
use std::{fmt::Write, time::Duration};

/// Which headers responses carry. `Retry-After` on a 429 is sent whatever the style.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeaderStyle {
    /// `RateLimit-Policy` with every limit and `RateLimit` with the strictest, after
    /// [draft-ietf-httpapi-ratelimit-headers](https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/).
    #[default]
    Ietf,
    /// None.
    Off,
}

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Adds the headers of `style` for a decision on `demands`.
pub(super) fn write(
    headers: &mut HeaderMap,
    demands: &Demands,
    decision: &Decision,
    style: HeaderStyle,
) {
    match style {
        HeaderStyle::Ietf => ietf(headers, demands, decision),
        HeaderStyle::Off => {}
    }
}

fn ietf(headers: &mut HeaderMap, demands: &Demands, decision: &Decision) {
    let strictest = decision.strictest_index();
    let mut policy = String::with_capacity(64);
    let mut state = String::with_capacity(48);
    for (index, (label, outcome)) in labelled(demands, decision).enumerate() {
        if index > 0 {
            policy.push_str(", ");
        }
        // Writing to a string cannot fail.
        let _ = write!(
            policy,
            "\"{label}\";q={};w={}",
            outcome.limit.count(),
            whole_seconds(outcome.limit.window()),
        );
        if strictest == Some(index) {
            let _ = write!(
                state,
                "\"{label}\";r={};t={}",
                outcome.remaining,
                whole_seconds(outcome.reset_after),
            );
        }
    }
    for (name, text) in [(RATE_LIMIT_POLICY, policy), (RATE_LIMIT, state)] {
        if let Ok(value) = HeaderValue::try_from(text) {
            headers.insert(name, value);
        }
    }
}

/// Each outcome with the name of its policy: the attribute's, and the window where the attribute has several limits.
pub(super) fn labelled<'a>(
    demands: &'a Demands,
    decision: &'a Decision,
) -> impl Iterator<Item = (Label<'a>, &'a Outcome)> {
    let labels = demands.iter().flat_map(|demand| {
        let several = demand.limits.len() > 1;
        demand.limits.iter().map(move |&limit| Label {
            name: demand.spec.name,
            window: several.then_some(limit),
        })
    });
    labels.zip(decision.outcomes())
}

/// The name of a policy, as it may stand in a structured field's string.
pub(super) struct Label<'a> {
    name: &'a str,
    window: Option<Limit>,
}

impl std::fmt::Display for Label<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for c in self.name.chars() {
            // RFC 9651, section 3.3.3: printable ASCII; quotes and backslashes would need escapes.
            f.write_char(match c {
                '"' | '\\' => '_',
                ' '..='~' => c,
                _ => '_',
            })?;
        }
        match self.window.map(|limit| limit.window_millis()) {
            None => Ok(()),
            Some(millis) if millis % 1_000 == 0 => write!(f, "-{}s", millis / 1_000),
            Some(millis) => write!(f, "-{millis}ms"),
        }
    }
}

/// Whole seconds, rounded up: a client that waits them has waited long enough.
pub(super) fn whole_seconds(duration: Duration) -> u64 {
    duration
        .as_secs()
        .saturating_add(u64::from(duration.subsec_nanos() > 0))
}
