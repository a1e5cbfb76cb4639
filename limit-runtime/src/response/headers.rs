//! Rate-limit headers, made from the outcomes of all limits on a request.

use super::{
    buffer::{joined, number},
    header_cache::{policy_header, with_cached_parts},
    header_style::HeaderStyle,
    label::Label,
    policy_view::{PolicyView, labels},
};
use crate::decision::{Decision, Outcome, strictest, whole_millis, whole_seconds};
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue};
use smallvec::SmallVec;
use std::time::{Duration, SystemTime};

/// The outcomes of all limits on a request, including those of the layers around the handler.
#[derive(Default)]
pub(crate) struct PolicyReport {
    policies: SmallVec<[PolicyOutcome; 2]>,
}

/// A limit and its outcome.
type PolicyOutcome = (Label, Outcome);

impl PolicyReport {
    /// Adds the outcomes of `decision`. `policies` must be those of the decision, in its order.
    pub(crate) fn add<'a>(
        &mut self,
        policies: impl Iterator<Item = PolicyView<'a>>,
        decision: &Decision,
    ) {
        let outcomes = decision.outcomes().iter().copied();
        self.policies.extend(labels(policies).zip(outcomes));
    }

    pub(crate) fn headers(&self, style: &HeaderStyle) -> Headers {
        Headers::of(&self.policies, style)
    }
}

/// Rate-limit headers to add to a response.
#[derive(Debug, Default)]
pub(crate) struct Headers {
    /// The value of `RateLimit-Policy`.
    policy: Option<HeaderValue>,
    /// The value of `RateLimit`.
    state: Option<HeaderValue>,
    #[expect(
        clippy::box_collection,
        reason = "keeps `Headers` small: every request moves it, and most have no other headers"
    )]
    others: Option<Box<Vec<(HeaderName, HeaderValue)>>>,
}

impl Headers {
    /// The headers for the limits of a single policy.
    #[inline]
    pub(crate) fn of_one(name: &'static str, outcomes: &[Outcome], style: &HeaderStyle) -> Self {
        if let [outcome] = outcomes {
            return Self::of(&[(Label { name, window: None }, *outcome)], style);
        }
        Self::of_several(name, outcomes, style)
    }

    #[inline(never)]
    fn of_several(name: &'static str, outcomes: &[Outcome], style: &HeaderStyle) -> Self {
        let policies = outcomes.iter().map(|&outcome| {
            let window = Some(outcome.limit());
            (Label { name, window }, outcome)
        });
        let policies: SmallVec<[PolicyOutcome; 2]> = policies.collect();
        Self::of(&policies, style)
    }

    /// The headers for these limits, with the strictest of them in `RateLimit`.
    #[inline]
    fn of(policies: &[PolicyOutcome], style: &HeaderStyle) -> Self {
        let mut headers = Self::default();
        let Some((label, outcome)) = strictest_of(policies, |_| true) else {
            return headers;
        };
        match style {
            HeaderStyle::Off => {}
            HeaderStyle::Ietf => headers.add_ietf(policies, *label, outcome),
            HeaderStyle::XRateLimit => headers.add_x_rate_limit(outcome),
            HeaderStyle::OpenAi => headers.add_open_ai(policies),
            HeaderStyle::Both => {
                headers.add_ietf(policies, *label, outcome);
                headers.add_x_rate_limit(outcome);
            }
            HeaderStyle::Named(names) => {
                headers.add_named([&names.limit, &names.remaining, &names.reset], outcome);
            }
        }
        headers
    }

    #[inline]
    fn add_ietf(&mut self, policies: &[PolicyOutcome], label: Label, outcome: &Outcome) {
        with_cached_parts(label, outcome.quota(), |cached| {
            self.state = rate_limit(&cached.rate_limit_prefix, outcome);
            self.policy = match policies {
                [_] => Some(cached.policy_header.clone()),
                policies => {
                    let limits = policies.iter();
                    policy_header(limits.map(|(label, outcome)| (*label, outcome.quota()))).value()
                }
            };
        });
    }

    /// Adds the strictest of the policies named `tokens` as tokens, and the strictest of all other
    /// policies as requests.
    fn add_open_ai(&mut self, policies: &[PolicyOutcome]) {
        let is_tokens = |label: &Label| label.name == "tokens";
        if let Some((_, outcome)) = strictest_of(policies, |label| !is_tokens(label)) {
            self.add_open_ai_names(&HeaderStyle::OPEN_AI_REQUESTS, outcome);
        }
        if let Some((_, outcome)) = strictest_of(policies, is_tokens) {
            self.add_open_ai_names(&HeaderStyle::OPEN_AI_TOKENS, outcome);
        }
    }

    /// Adds limit, remaining and reset. The reset is a Go duration, as OpenAI writes it: `6m0s`,
    /// `1s`, `250ms`.
    fn add_open_ai_names(
        &mut self,
        [limit, remaining, reset]: &[HeaderName; 3],
        outcome: &Outcome,
    ) {
        self.insert(limit, number(outcome.quota().count().get()));
        self.insert(remaining, number(outcome.remaining()));
        // Never fails: a duration consists of digits and letters.
        if let Ok(reset_after) = HeaderValue::try_from(go_duration(outcome.reset_after())) {
            self.insert(reset, reset_after);
        }
    }

    fn add_x_rate_limit(&mut self, outcome: &Outcome) {
        self.add_named(HeaderStyle::X_RATE_LIMIT.each_ref(), outcome);
    }

    /// Adds limit, remaining and reset. The reset is a Unix time in seconds.
    fn add_named(&mut self, [limit, remaining, reset]: [&HeaderName; 3], outcome: &Outcome) {
        let since_1970 = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        let ask_after = Duration::from_micros(outcome.ask_after_micros());
        let reset_at = whole_seconds(since_1970.saturating_add(ask_after));
        self.insert(limit, number(outcome.quota().count().get()));
        self.insert(remaining, number(outcome.remaining()));
        self.insert(reset, number(reset_at));
    }

    fn insert(&mut self, name: &HeaderName, value: HeaderValue) {
        let others = self.others.get_or_insert_default();
        others.push((name.clone(), value));
    }

    /// Adds the headers to a response, unless it has those of all policies already.
    pub(crate) fn add_to_response(&mut self, response: &mut Response) {
        if !has_headers(response) {
            self.add_to(response.headers_mut());
        }
    }

    /// Adds the headers to those of a response, and replaces headers of equal names.
    pub(crate) fn add_to(&mut self, headers: &mut HeaderMap) {
        if let Some(policy) = self.policy.take() {
            headers.insert(HeaderStyle::RATE_LIMIT_POLICY, policy);
        }
        if let Some(state) = self.state.take() {
            headers.insert(HeaderStyle::RATE_LIMIT, state);
        }
        if let Some(others) = self.others.take() {
            for (name, value) in *others {
                headers.insert(name, value);
            }
        }
    }
}

/// Response extension: the response already has the headers of all policies, outer layers included.
#[derive(Clone, Copy)]
struct HeadersComplete;

/// Marks a response that has the headers of all policies.
pub(crate) fn mark_complete(response: &mut Response) {
    response.extensions_mut().insert(HeadersComplete);
}

/// Whether an inner handler or layer has already added the headers of all policies.
pub(crate) fn has_headers(response: &Response) -> bool {
    response.extensions().get::<HeadersComplete>().is_some()
}

/// Microseconds until the reset.
///
/// A store rounds hits up to the end of its clock tick, which can be a millisecond. A reset that
/// exceeds the window by less than that is cut to the window, so that an hour is not shown as 3,601
/// seconds.
#[inline]
fn reset_micros(outcome: &Outcome) -> u64 {
    let micros = outcome.ask_after_micros();
    let window = outcome.quota().window_millis() * 1_000;
    if outcome.is_allowed() && micros.wrapping_sub(window) < 1_000 {
        window
    } else {
        micros
    }
}

/// The value of `RateLimit`: `prefix`, which ends with `r=`, and the numbers. Never `None`, because
/// labels and numbers are printable ASCII.
fn rate_limit(prefix: &[u8], outcome: &Outcome) -> Option<HeaderValue> {
    // Rounded up, so that more units are available after that many seconds.
    let seconds_until_reset = reset_micros(outcome).div_ceil(1_000_000);
    let (mut remaining, mut seconds) = (itoa::Buffer::new(), itoa::Buffer::new());
    let joined = joined([
        prefix,
        remaining.format(outcome.remaining()).as_bytes(),
        b";t=",
        seconds.format(seconds_until_reset).as_bytes(),
    ]);
    HeaderValue::from_maybe_shared(joined).ok()
}

/// The strictest limit among the policies that `filter` accepts.
fn strictest_of(
    policies: &[PolicyOutcome],
    filter: impl Fn(&Label) -> bool,
) -> Option<&PolicyOutcome> {
    if let [(label, _)] = policies {
        return policies.first().filter(|_| filter(label));
    }
    let mut policies = policies.iter().filter(|(label, _)| filter(label));
    let index = strictest(policies.clone().map(|(_, outcome)| outcome))?;
    policies.nth(index)
}

/// Formats a duration like Go's `time.Duration`, rounded up to a second, or to a millisecond if it
/// is shorter than a second.
fn go_duration(duration: Duration) -> String {
    let millis = whole_millis(duration);
    if 0 < millis && millis < 1_000 {
        return format!("{millis}ms");
    }
    let seconds = whole_seconds(truncate_to_millis(duration));
    match (seconds / 3_600, seconds / 60 % 60, seconds % 60) {
        (0, 0, s) => format!("{s}s"),
        (0, m, s) => format!("{m}m{s}s"),
        (h, m, s) => format!("{h}h{m}m{s}s"),
    }
}

/// Rounds down to a millisecond. A store may round hits up to the end of a millisecond, and a
/// window of 60 seconds should not be shown as 61.
///
/// Only for the time until all units are available. Waits are never rounded down.
fn truncate_to_millis(duration: Duration) -> Duration {
    duration.saturating_sub(Duration::from_nanos(
        u64::from(duration.subsec_nanos()) % 1_000_000,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_has_openais_format_and_is_rounded_up() {
        for (millis, text) in [
            (0, "0s"),
            (1, "1ms"),
            (999, "999ms"),
            (1_000, "1s"),
            (1_001, "2s"),
            (60_000, "1m0s"),
            (3_661_000, "1h1m1s"),
        ] {
            assert_eq!(go_duration(Duration::from_millis(millis)), text);
        }
        assert_eq!(go_duration(Duration::from_micros(60_000_999)), "1m0s");
        assert_eq!(go_duration(Duration::from_micros(1)), "1ms");
    }
}
