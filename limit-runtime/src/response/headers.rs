//! Rate-limit headers, made from the outcomes of all limits on a request.

use super::{
    buffer::{Text, joined, number},
    header_style::HeaderStyle,
    permit_view::PermitView,
    policy_view::{PolicyView, labels},
    strictest_by_unit::{PolicyOutcome, StrictestByUnit},
};
use crate::{
    decision::{Decision, Outcome, StrictestOutcome, quota, whole_millis, whole_seconds},
    extract::limits::{LimitsRef, LiteralLimits},
    window::Strategy,
};
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue};
use limit_core::{
    Limit, Limits, Unit,
    header_text::{self, Label, WriteText, write_policies},
};
use smallvec::SmallVec;
use std::time::{Duration, SystemTime};

/// The outcomes of all limits on a request, including those of the layers around the handler.
#[derive(Default)]
pub(crate) struct PolicyReport {
    policies: SmallVec<[PolicyOutcome; 2]>,
    /// Concurrency limits.
    permits: Vec<PermitView>,
    /// The concurrency limit that refused the request.
    refused_permit: Option<PermitView>,
}

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

    /// Adds concurrency limits.
    pub(crate) fn add_permits(&mut self, permits: impl Iterator<Item = PermitView>) {
        self.permits.extend(permits);
    }

    /// Sets the concurrency limit that refused the request. Nothing else is said of the state.
    pub(crate) fn set_refused_permit(&mut self, permit: PermitView) {
        self.refused_permit = Some(permit);
    }

    pub(crate) fn headers(&self, style: &HeaderStyle) -> Headers {
        let mut headers = Headers::of(&self.policies, style);
        if !self.permits.is_empty() {
            headers.add_permits(&self.permits, self.refused_permit, style);
        }
        headers
    }
}

/// The headers about literal limits in the default style, without the texts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LiteralHeaders {
    limits: &'static LiteralLimits,
    remaining: u64,
    /// Windows are far shorter than the longest time of 32 bits.
    reset_seconds: u32,
    /// The index of the strictest limit.
    limit_index: u8,
}

impl LiteralHeaders {
    /// `None` if the limits or the style need [`Headers`].
    #[inline(always)]
    pub(crate) fn new(
        limits: &LimitsRef,
        strictest: &StrictestOutcome,
        style: &HeaderStyle,
    ) -> Option<Self> {
        let (LimitsRef::Literal(limits), HeaderStyle::Ietf) = (limits, style) else {
            return None;
        };
        limits.headers(strictest.limit_index)?;
        let reset_seconds = reset_seconds(&strictest.outcome, strictest.outcome.limit());
        Some(Self {
            limits,
            remaining: strictest.outcome.remaining(),
            reset_seconds: u32::try_from(reset_seconds).unwrap_or(u32::MAX),
            limit_index: strictest.limit_index,
        })
    }

    /// Adds the headers to a response, unless it has those of all policies already.
    #[inline]
    pub(crate) fn add_to_response(&self, response: &mut Response) {
        if !has_headers(response) {
            self.add_to(response.headers_mut());
        }
    }

    /// Adds the headers to those of a response, and replaces headers of equal names.
    pub(crate) fn add_to(&self, headers: &mut HeaderMap) {
        let Some((policy, prefix)) = self.limits.headers(self.limit_index) else {
            return;
        };
        headers.insert(HeaderStyle::RATE_LIMIT_POLICY, policy.clone());
        if let Some(state) =
            rate_limit(prefix.as_bytes(), self.remaining, self.reset_seconds.into())
        {
            headers.insert(HeaderStyle::RATE_LIMIT, state);
        }
    }
}

/// Rate-limit headers to add to a response.
#[derive(Debug, Default)]
pub(crate) struct Headers {
    /// The value of `RateLimit-Policy`.
    policy: Option<HeaderValue>,
    /// The value of `RateLimit`.
    state: Option<HeaderValue>,
    others: SmallVec<[(HeaderName, HeaderValue); 3]>,
}

impl Headers {
    /// The headers for the limits of a single policy, of which only the strictest outcome is known.
    pub(crate) fn of_one(
        name: &'static str,
        limits: &Limits,
        strategy: Strategy,
        strictest: &StrictestOutcome,
        style: &HeaderStyle,
    ) -> Self {
        let mut headers = Self::default();
        let labels = header_text::labels(name, limits);
        let Some(label) = labels.clone().nth(usize::from(strictest.limit_index)) else {
            return headers;
        };
        let quotas = limits
            .iter()
            .map(|&limit| quota(limit, strategy.capacity(limit)));
        let shown = StrictestByUnit::of_one((label, strictest.outcome));
        headers.add(style, labels.zip(quotas), &shown);
        headers
    }

    /// The headers for these limits, with the strictest of each unit in `RateLimit`.
    fn of(policies: &[PolicyOutcome], style: &HeaderStyle) -> Self {
        let mut headers = Self::default();
        let quotas = policies.iter();
        let quotas = quotas.map(|(label, outcome)| (*label, outcome.quota()));
        headers.add(style, quotas, &StrictestByUnit::of(policies));
        headers
    }

    /// Adds the headers for all limits with their labels, and for the strictest of each unit.
    fn add(
        &mut self,
        style: &HeaderStyle,
        limits: impl Iterator<Item = (Label<'static>, Limit)>,
        shown: &StrictestByUnit,
    ) {
        let Some(alone) = shown.alone() else {
            return;
        };
        match style {
            HeaderStyle::Off => {}
            HeaderStyle::OpenAi => self.add_open_ai(shown),
            HeaderStyle::Ietf => self.add_ietf(limits, shown),
            HeaderStyle::XRateLimit => self.add_x_rate_limit(alone),
            HeaderStyle::Both => {
                self.add_ietf(limits, shown);
                self.add_x_rate_limit(alone);
            }
            HeaderStyle::Named(names) => {
                self.add_named([&names.limit, &names.remaining, &names.reset], alone);
            }
        }
    }

    fn add_ietf(
        &mut self,
        limits: impl Iterator<Item = (Label<'static>, Limit)>,
        shown: &StrictestByUnit,
    ) {
        // Writing to a `Text` cannot fail.
        let mut policy = Text::<256>::new();
        let _ = write_policies(limits, &mut policy);
        self.policy = policy.value();
        let mut state = Text::<128>::new();
        for (index, (label, outcome)) in shown.iter().enumerate() {
            state.str(if index > 0 { ", " } else { "" });
            let _ = label.write_state_prefix(&mut state);
            if index + 1 == shown.len() {
                let reset_seconds = reset_seconds(outcome, outcome.quota());
                self.state = rate_limit(state.as_bytes(), outcome.remaining(), reset_seconds);
            } else {
                let _ = state.write_number(outcome.remaining());
                state.str(";t=");
                let _ = state.write_number(reset_seconds(outcome, outcome.quota()));
            }
        }
    }

    /// Adds the strictest limit of each unit, under the names of its unit.
    fn add_open_ai(&mut self, shown: &StrictestByUnit) {
        for (label, outcome) in shown.iter() {
            if label.unit == Unit::REQUESTS {
                self.add_open_ai_names(&HeaderStyle::OPEN_AI_REQUESTS, outcome);
            } else if label.unit == Unit::TOKENS {
                self.add_open_ai_names(&HeaderStyle::OPEN_AI_TOKENS, outcome);
            } else if let Some(names) = HeaderStyle::open_ai_names(label.unit) {
                self.add_open_ai_names(&names, outcome);
            }
        }
    }

    /// Adds concurrency limits to `RateLimit-Policy`. If one of them refused the request, it
    /// replaces what is said of the other limits, which were not checked.
    fn add_permits(
        &mut self,
        permits: &[PermitView],
        refused: Option<PermitView>,
        style: &HeaderStyle,
    ) {
        if refused.is_some() {
            self.state = None;
            self.others.clear();
        }
        if !matches!(style, HeaderStyle::Ietf | HeaderStyle::Both) {
            return;
        }
        let mut policy = Text::<256>::new();
        if let Some(of_limits) = &self.policy {
            policy.bytes(of_limits.as_bytes());
        }
        // Writing to a `Text` cannot fail.
        for permit in permits {
            policy.str(if policy.as_bytes().is_empty() {
                ""
            } else {
                ", "
            });
            let _ = permit.write_policy(&mut policy);
        }
        self.policy = policy.value();
        if let Some(refused) = refused {
            let mut state = Text::<128>::new();
            let _ = refused.write_exhausted(&mut state);
            self.state = state.value();
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
        self.others.push((name.clone(), value));
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
        for (name, value) in self.others.drain(..) {
            headers.insert(name, value);
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

/// Seconds until the reset, rounded up, so that more units are available after that many seconds.
///
/// A store rounds hits and windows up to its ticks, which are a millisecond, or less than a 2^30th
/// of the window. A reset that exceeds the window by no more than that is cut to the window, so
/// that an hour is not shown as 3,601 seconds.
#[inline(always)]
fn reset_seconds(outcome: &Outcome, quota: Limit) -> u64 {
    let micros = outcome.ask_after_micros();
    let window = quota.window_millis() * 1_000;
    let rounding = (window >> 29).max(1_000);
    let micros = if outcome.is_allowed() && micros.wrapping_sub(window) < rounding {
        window
    } else {
        micros
    };
    // Fewer instructions than `div_ceil`, which needs the remainder.
    micros.saturating_add(999_999) / 1_000_000
}

/// The value of `RateLimit` after `prefix`, which ends with `r=`. Never `None`, because labels and
/// numbers are printable ASCII.
fn rate_limit(prefix: &[u8], remaining: u64, reset_seconds: u64) -> Option<HeaderValue> {
    let (mut remaining_digits, mut seconds_digits) = (itoa::Buffer::new(), itoa::Buffer::new());
    let joined = joined([
        prefix,
        remaining_digits.format(remaining).as_bytes(),
        b";t=",
        seconds_digits.format(reset_seconds).as_bytes(),
    ]);
    HeaderValue::from_maybe_shared(joined).ok()
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
