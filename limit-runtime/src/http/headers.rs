//! What responses say about the limits on them.

use super::{
    header_style::HeaderStyle,
    policy_header as policy,
    spec::Demands,
    text::{Text, number},
};
use crate::decision::{Decision, Outcome, strictest, whole_millis, whole_seconds};
use http::{HeaderMap, HeaderName, HeaderValue};
use limit_core::Limit;
use smallvec::SmallVec;
use std::{
    fmt::{self, Write},
    time::{Duration, SystemTime},
};

/// All policies on a response, those of layers around included.
#[derive(Default)]
pub(super) struct Told<'a> {
    policies: SmallVec<[Policy<'a>; 2]>,
}

/// One limit, and how it stands.
type Policy<'a> = (Label<'a>, Outcome);

impl<'a> Told<'a> {
    pub(super) fn add(&mut self, demands: &'a Demands, decision: &Decision) {
        let outcomes = decision.outcomes().iter().copied();
        self.policies.extend(labels(demands).zip(outcomes));
    }

    pub(super) fn write(&self, headers: &mut HeaderMap, style: &HeaderStyle) {
        write(headers, style, &self.policies);
    }
}

/// Tells of the limits of one attribute, `name`.
pub(super) fn write_one(
    headers: &mut HeaderMap,
    style: &HeaderStyle,
    name: &str,
    outcomes: &[Outcome],
) {
    if let [outcome] = outcomes {
        return write(headers, style, &[(Label { name, window: None }, *outcome)]);
    }
    let policies = outcomes.iter().map(|&outcome| {
        let window = Some(outcome.limit());
        (Label { name, window }, outcome)
    });
    let policies: SmallVec<[Policy<'_>; 2]> = policies.collect();
    write(headers, style, &policies);
}

fn write(headers: &mut HeaderMap, style: &HeaderStyle, policies: &[Policy<'_>]) {
    let Some((label, outcome)) = strictest_of(policies, |_| true) else {
        return;
    };
    match style {
        HeaderStyle::Off => {}
        HeaderStyle::Ietf => ietf(headers, policies, label, outcome),
        HeaderStyle::XRateLimit => x_rate_limit(headers, outcome),
        HeaderStyle::OpenAi => open_ai(headers, policies),
        HeaderStyle::Both => {
            ietf(headers, policies, label, outcome);
            x_rate_limit(headers, outcome);
        }
        HeaderStyle::Named(names) => named(
            headers,
            [&names.limit, &names.remaining, &names.reset],
            outcome,
        ),
    }
}

/// The policy a client should look at first, of those that `chosen` says.
fn strictest_of<'p, 'a>(
    policies: &'p [Policy<'a>],
    chosen: impl Fn(&Label<'_>) -> bool,
) -> Option<&'p Policy<'a>> {
    if let [(label, _)] = policies {
        return policies.first().filter(|_| chosen(label));
    }
    let mut policies = policies.iter().filter(|(label, _)| chosen(label));
    let index = strictest(policies.clone().map(|(_, outcome)| outcome))?;
    policies.nth(index)
}

fn ietf(headers: &mut HeaderMap, policies: &[Policy<'_>], label: &Label<'_>, outcome: &Outcome) {
    let policy = match policies {
        // Nearly always the same for every request of a handler.
        [(label, outcome)] => policy::remembered(label, outcome.limit()),
        policies => policy::of(
            policies
                .iter()
                .map(|(label, outcome)| (label, outcome.limit())),
        ),
    };
    insert(headers, HeaderStyle::RATE_LIMIT_POLICY, policy);
    let mut state: Text = Text::new();
    state.label(label);
    state.str(";r=").number(outcome.remaining().into());
    let reset_after = to_millis(outcome.reset_after());
    state.str(";t=").number(whole_seconds(reset_after));
    insert(headers, HeaderStyle::RATE_LIMIT, state.value());
}

/// What is named `tokens` is told as tokens, and all else as requests; of each, the strictest.
fn open_ai(headers: &mut HeaderMap, policies: &[Policy<'_>]) {
    let is_tokens = |label: &Label<'_>| label.name == "tokens";
    if let Some((_, outcome)) = strictest_of(policies, |label| !is_tokens(label)) {
        open_ai_of(headers, &HeaderStyle::OPEN_AI_REQUESTS, outcome);
    }
    if let Some((_, outcome)) = strictest_of(policies, is_tokens) {
        open_ai_of(headers, &HeaderStyle::OPEN_AI_TOKENS, outcome);
    }
}

fn x_rate_limit(headers: &mut HeaderMap, outcome: &Outcome) {
    named(headers, HeaderStyle::X_RATE_LIMIT.each_ref(), outcome);
}

/// Limit, remaining, and the reset as seconds since 1970, as GitHub and slowapi send it.
fn named(headers: &mut HeaderMap, [limit, remaining, reset]: [&HeaderName; 3], outcome: &Outcome) {
    let since_1970 = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let reset_at = whole_seconds(since_1970.saturating_add(to_millis(outcome.reset_after())));
    headers.insert(limit, number(outcome.limit().count().get().into()));
    headers.insert(remaining, number(outcome.remaining().into()));
    headers.insert(reset, number(reset_at));
}

/// The reset as OpenAI writes durations: `6m0s`, `1s`, `250ms`.
fn open_ai_of(
    headers: &mut HeaderMap,
    [limit, remaining, reset]: &[HeaderName; 3],
    outcome: &Outcome,
) {
    headers.insert(limit, number(outcome.limit().count().get().into()));
    headers.insert(remaining, number(outcome.remaining().into()));
    let reset_after = HeaderValue::try_from(go_duration(outcome.reset_after()));
    insert(headers, reset.clone(), reset_after.ok());
}

fn go_duration(duration: Duration) -> String {
    let millis = whole_millis(duration);
    if 0 < millis && millis < 1_000 {
        return format!("{millis}ms");
    }
    let seconds = whole_seconds(to_millis(duration));
    match (seconds / 3_600, seconds / 60 % 60, seconds % 60) {
        (0, 0, s) => format!("{s}s"),
        (0, m, s) => format!("{m}m{s}s"),
        (h, m, s) => format!("{h}h{m}m{s}s"),
    }
}

fn insert(headers: &mut HeaderMap, name: HeaderName, value: Option<HeaderValue>) {
    // The text is ASCII without control characters, which is always a header value.
    if let Some(value) = value {
        headers.insert(name, value);
    }
}

/// Each outcome with the name of its policy.
pub(super) fn labelled<'a>(
    demands: &'a Demands,
    decision: &'a Decision,
) -> impl Iterator<Item = (Label<'a>, &'a Outcome)> {
    labels(demands).zip(decision.outcomes())
}

fn labels(demands: &Demands) -> impl Iterator<Item = Label<'_>> {
    demands.iter().flat_map(|demand| {
        let several = demand.limits.len() > 1;
        demand.limits.iter().map(move |&limit| Label {
            name: demand.spec.name,
            window: several.then_some(limit),
        })
    })
}

/// The name of a policy: the attribute's, and the window where the attribute has several limits.
pub(super) struct Label<'a> {
    pub(super) name: &'a str,
    pub(super) window: Option<Limit>,
}

impl Label<'_> {
    /// As it may stand in a structured field's string (RFC 9651, section 3.3.3): printable ASCII.
    pub(super) fn write_to(&self, to: &mut impl Write) -> fmt::Result {
        // These two would need escapes.
        let is_plain = |byte| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\';
        if self.name.bytes().all(is_plain) {
            to.write_str(self.name)?;
        } else {
            for c in self.name.chars() {
                let is_plain = u8::try_from(c).is_ok_and(is_plain);
                to.write_char(if is_plain { c } else { '_' })?;
            }
        }
        match self.window.map(Limit::window_millis) {
            None => Ok(()),
            Some(millis) if millis % 1_000 == 0 => write!(to, "-{}s", millis / 1_000),
            Some(millis) => write!(to, "-{millis}ms"),
        }
    }
}

impl fmt::Display for Label<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_to(f)
    }
}

/// Without the part of a millisecond: stores may count hits by the end of one, and a window of 60 seconds
/// should not be told as 61. Only for what informs; what a client waits for is never cut.
fn to_millis(duration: Duration) -> Duration {
    duration.saturating_sub(Duration::from_nanos(
        u64::from(duration.subsec_nanos()) % 1_000_000,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_written_as_open_ai_does_and_rounded_up() {
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

    #[test]
    fn a_name_never_breaks_out_of_its_quotes() {
        let label = Label {
            name: "naïve\"\\\n",
            window: None,
        };
        assert_eq!(label.to_string(), "na_ve___");
    }
}
