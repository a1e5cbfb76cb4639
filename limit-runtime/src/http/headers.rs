//! What responses say about the limits on them.

use super::{alike, chunk, header_style::HeaderStyle, spec::Demands, text::number};
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
pub(super) struct Told {
    policies: SmallVec<[Policy; 2]>,
}

/// One limit, and how it stands.
type Policy = (Label, Outcome);

impl Told {
    pub(super) fn add(&mut self, demands: &Demands, decision: &Decision) {
        let outcomes = decision.outcomes().iter().copied();
        self.policies.extend(labels(demands).zip(outcomes));
    }

    pub(super) fn headers(&self, style: &HeaderStyle) -> Headers {
        Headers::of(&self.policies, style)
    }
}

/// The headers that tell of limits, to be added to a response.
#[derive(Debug, Default)]
pub(super) struct Headers {
    /// `RateLimit-Policy` and `RateLimit`, which most responses carry.
    policy: Option<HeaderValue>,
    state: Option<HeaderValue>,
    #[expect(
        clippy::box_collection,
        reason = "headers are moved with each request, and most have no others"
    )]
    others: Option<Box<Vec<(HeaderName, HeaderValue)>>>,
}

impl Headers {
    /// Those that tell of the limits of one attribute, `name`.
    #[inline]
    pub(super) fn of_one(name: &'static str, outcomes: &[Outcome], style: &HeaderStyle) -> Self {
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
        let policies: SmallVec<[Policy; 2]> = policies.collect();
        Self::of(&policies, style)
    }

    #[inline]
    fn of(policies: &[Policy], style: &HeaderStyle) -> Self {
        let mut headers = Self::default();
        let Some((label, outcome)) = strictest_of(policies, |_| true) else {
            return headers;
        };
        match style {
            HeaderStyle::Off => {}
            HeaderStyle::Ietf => headers.ietf(policies, *label, outcome),
            HeaderStyle::XRateLimit => headers.x_rate_limit(outcome),
            HeaderStyle::OpenAi => headers.open_ai(policies),
            HeaderStyle::Both => {
                headers.ietf(policies, *label, outcome);
                headers.x_rate_limit(outcome);
            }
            HeaderStyle::Named(names) => {
                headers.named([&names.limit, &names.remaining, &names.reset], outcome);
            }
        }
        headers
    }

    #[inline]
    fn ietf(&mut self, policies: &[Policy], label: Label, outcome: &Outcome) {
        alike::look(label, outcome.quota(), |alike| {
            self.state = state(&alike.state, outcome);
            self.policy = match policies {
                [_] => Some(alike.header.clone()),
                policies => {
                    let limits = policies.iter();
                    alike::policy_header(limits.map(|(label, outcome)| (*label, outcome.quota())))
                        .value()
                }
            };
        });
    }

    /// What is named `tokens` is told as tokens, and all else as requests; of each, the strictest.
    fn open_ai(&mut self, policies: &[Policy]) {
        let is_tokens = |label: &Label| label.name == "tokens";
        if let Some((_, outcome)) = strictest_of(policies, |label| !is_tokens(label)) {
            self.open_ai_of(&HeaderStyle::OPEN_AI_REQUESTS, outcome);
        }
        if let Some((_, outcome)) = strictest_of(policies, is_tokens) {
            self.open_ai_of(&HeaderStyle::OPEN_AI_TOKENS, outcome);
        }
    }

    /// The reset as OpenAI writes durations: `6m0s`, `1s`, `250ms`.
    fn open_ai_of(&mut self, [limit, remaining, reset]: &[HeaderName; 3], outcome: &Outcome) {
        self.add(limit, number(outcome.quota().count().get()));
        self.add(remaining, number(outcome.remaining()));
        // Digits and letters, which are always a header value.
        if let Ok(reset_after) = HeaderValue::try_from(go_duration(outcome.reset_after())) {
            self.add(reset, reset_after);
        }
    }

    fn x_rate_limit(&mut self, outcome: &Outcome) {
        self.named(HeaderStyle::X_RATE_LIMIT.each_ref(), outcome);
    }

    /// Limit, remaining, and the moment at which more remains, or at which a refused request fits, in seconds since
    /// 1970 as GitHub and slowapi send it.
    fn named(&mut self, [limit, remaining, reset]: [&HeaderName; 3], outcome: &Outcome) {
        let since_1970 = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        let ask_after = Duration::from_micros(outcome.ask_after_micros());
        let reset_at = whole_seconds(since_1970.saturating_add(ask_after));
        self.add(limit, number(outcome.quota().count().get()));
        self.add(remaining, number(outcome.remaining()));
        self.add(reset, number(reset_at));
    }

    fn add(&mut self, name: &HeaderName, value: HeaderValue) {
        let others = self.others.get_or_insert_default();
        others.push((name.clone(), value));
    }

    /// Adds them in place of what the response may say of limits itself.
    pub(super) fn add_to(&mut self, headers: &mut HeaderMap) {
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

/// When to ask again, in microseconds. A store whose ticks are longer than a microsecond counts a hit to
/// the end of one: that part of a tick does not make a window of an hour look like 3,601 seconds.
#[inline]
fn shown_micros(outcome: &Outcome) -> u64 {
    let micros = outcome.ask_after_micros();
    let window = outcome.quota().window_millis() * 1_000;
    if outcome.is_allowed() && micros.wrapping_sub(window) < 1_000 {
        window
    } else {
        micros
    }
}

/// `RateLimit`, which begins with all but the numbers. `None` if it is no header value, which it always is.
fn state(beginning: &[u8], outcome: &Outcome) -> Option<HeaderValue> {
    // Rounded up, so that a client that waits so long sees more remain.
    let ask_after = shown_micros(outcome).div_ceil(1_000_000);
    let (mut remaining, mut seconds) = (itoa::Buffer::new(), itoa::Buffer::new());
    let joined = chunk::joined([
        beginning,
        remaining.format(outcome.remaining()).as_bytes(),
        b";t=",
        seconds.format(ask_after).as_bytes(),
    ]);
    HeaderValue::from_maybe_shared(joined).ok()
}

/// The policy a client should look at first, of those that `chosen` says.
fn strictest_of(policies: &[Policy], chosen: impl Fn(&Label) -> bool) -> Option<&Policy> {
    if let [(label, _)] = policies {
        return policies.first().filter(|_| chosen(label));
    }
    let mut policies = policies.iter().filter(|(label, _)| chosen(label));
    let index = strictest(policies.clone().map(|(_, outcome)| outcome))?;
    policies.nth(index)
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

/// Each outcome with the name of its policy.
pub(super) fn labelled<'a>(
    demands: &'a Demands,
    decision: &'a Decision,
) -> impl Iterator<Item = (Label, &'a Outcome)> {
    labels(demands).zip(decision.outcomes())
}

fn labels(demands: &Demands) -> impl Iterator<Item = Label> {
    demands.iter().flat_map(|demand| {
        let several = demand.limits.len() > 1;
        demand.limits.iter().map(move |&limit| Label {
            name: demand.spec.name,
            window: several.then_some(limit),
        })
    })
}

/// The name of a policy: the attribute's, and the window where the attribute has several limits.
#[derive(Clone, Copy)]
pub(super) struct Label {
    pub(super) name: &'static str,
    pub(super) window: Option<Limit>,
}

impl Label {
    /// Whether it is certainly the same: names of one place are, and looking at the place is quick.
    #[inline]
    pub(super) fn is(self, other: Self) -> bool {
        std::ptr::eq(self.name, other.name) && self.window == other.window
    }

    /// As it may stand in a structured field's string (RFC 9651, section 3.3.3): printable ASCII.
    pub(super) fn write_to(self, to: &mut impl Write) -> fmt::Result {
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

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_to(f)
    }
}

/// Without the part of a millisecond: stores may count hits by the end of one, and a window of 60 seconds
/// should not be told as 61. Only for times until all is available; what a client waits for is never cut.
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
