//! What a decision hook gets, and the log line of a refusal.

use super::{key_digest::KeyDigest, policy_record::PolicyRecord, reason::Reason};
use crate::{
    clock::Clock,
    decision::{Outcome, strictest, whole_millis},
};
use http::request::Parts;
use limit_core::{Limits, Unit};
use std::{fmt, time::Duration};

/// What one policy has decided on a request, for [`LimiterBuilder::on_decision`].
///
/// It has no raw key.
///
/// [`LimiterBuilder::on_decision`]: crate::LimiterBuilder::on_decision
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct DecisionEvent<'a> {
    /// The policy's name in headers. A second policy of the same name has the module of its handler
    /// in front, and a second layer has `#2` behind.
    pub policy: &'a str,
    /// The route template, such as `/items/{id}`. `None` for a request to no route.
    pub route: Option<&'a str>,
    /// What the policy has found.
    ///
    /// In dry run, [`exceeds_capacity`](Self::exceeds_capacity) tells a request that could never be
    /// admitted from one that came too early.
    pub reason: Reason,
    /// Whether the policy is in dry run. It then lets every request pass.
    pub is_dry_run: bool,
    /// The outcome of each limit. Empty if the policy was not checked: an exempt request, a failed
    /// function, or an error of the store.
    pub outcomes: &'a [Outcome],
    /// The units that the request needs.
    pub cost: u64,
    /// What the limits count. Requests if the policy was not checked.
    pub unit: Unit,
    /// The key as written in the attribute, such as `client_ip`.
    pub key_label: &'static str,
    /// The digest of the key. `None` if the key is not known.
    pub key: Option<KeyDigest>,
    /// How long the client has to wait. `None` if it need not wait, or if no wait helps.
    pub retry_after: Option<Duration>,
    /// The head of the request. `None` where it is no longer there: a request that is charged after
    /// its arguments have been extracted.
    pub parts: Option<&'a Parts>,
}

impl DecisionEvent<'_> {
    /// Whether the cost of the request is above the capacity of a limit, so that no wait helps. In
    /// dry run the reason of such a request is [`Reason::WouldLimit`], as for one that would be
    /// admitted later.
    #[must_use]
    pub fn exceeds_capacity(&self) -> bool {
        self.outcomes.iter().any(Outcome::exceeds_capacity)
    }

    /// Whether the policy let the request pass. Another policy may have refused it.
    #[must_use]
    pub const fn is_allowed(&self) -> bool {
        match self.reason {
            Reason::Limited | Reason::ExceedsCapacity | Reason::Abandoned => false,
            Reason::StoreError | Reason::Rejected => self.is_dry_run,
            _ => true,
        }
    }
}

impl fmt::Debug for DecisionEvent<'_> {
    /// Leaves out the head of the request, which often has secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DecisionEvent")
            .field("policy", &self.policy)
            .field("route", &self.route)
            .field("reason", &self.reason)
            .field("is_dry_run", &self.is_dry_run)
            .field("outcomes", &self.outcomes)
            .field("cost", &self.cost)
            .field("unit", &self.unit)
            .field("key_label", &self.key_label)
            .field("key", &self.key)
            .field("retry_after", &self.retry_after)
            .finish_non_exhaustive()
    }
}

/// A function that gets decisions.
pub(crate) type DecisionHook = dyn Fn(&DecisionEvent<'_>) + Send + Sync;

/// Whether anything reads the log lines of refusals.
#[inline]
pub(super) fn is_logged() -> bool {
    tracing::enabled!(target: "limit_runtime", tracing::Level::INFO)
}

/// Logs a refusal, or what would be one in dry run: the first of each second for each policy.
///
/// The names of the fields are documented and do not change.
#[cold]
pub(super) fn log_refusal(record: &PolicyRecord, event: &DecisionEvent<'_>, clock: &Clock) {
    let Some(left_out) = record.log.admit(clock.now()) else {
        return;
    };
    let refusing = event
        .outcomes
        .iter()
        .filter(|outcome| !outcome.is_allowed());
    let limit = strictest(refusing.clone()).and_then(|index| refusing.clone().nth(index));
    let in_unit = |outcome: &Outcome| Limits::from(outcome.quota()).with_unit(event.unit);
    let limit = limit.map(|outcome| tracing::field::display(in_unit(outcome)));
    let retry_after_ms = event.retry_after.map(|wait| whole_millis(wait).max(1));
    let digest = event.key.map_or_else(String::new, |key| format!(":{key}"));
    let message = match event.reason {
        Reason::WouldLimit if event.exceeds_capacity() => {
            "a request would never be admitted by a rate limit in dry run: it costs more than the \
             limit"
        }
        Reason::WouldLimit => "a request would be refused by a rate limit in dry run",
        _ => "a request is refused by a rate limit",
    };
    tracing::info!(
        target: "limit_runtime",
        policy = event.policy,
        route = event.route,
        limit,
        retry_after_ms,
        key = format_args!("{}{digest}", event.key_label),
        reason = event.reason.as_str(),
        left_out,
        "{message}"
    );
}
