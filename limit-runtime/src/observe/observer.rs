//! What a limiter counts, and to whom it reports decisions.

use super::{
    description::{Policies, PolicyDescription},
    event::{DecisionEvent, DecisionHook, is_logged, log_refusal},
    key_digest::KeyDigest,
    policy_record::{InFlight, PolicyRecord, used_and_limit},
    policy_records::{PolicyId, PolicyRecords},
    reason::Reason,
    routes::Routes,
    shards,
    stats::{EndpointStats, Stats, StatsLevel},
};
use crate::{
    clock::{Clock, Ticks},
    decision::Outcome,
    instruments::{self, UnitsKind},
    key::Key,
    store::{Health, Usage},
};
use http::request::Parts;
use limit_core::Unit;
use std::{
    collections::BTreeMap,
    fmt,
    hash::{BuildHasher, RandomState},
    panic::{self, AssertUnwindSafe},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

/// Settings of an [`Observer`].
#[derive(Default)]
pub(crate) struct ObserverSettings {
    pub(crate) level: StatsLevel,
    pub(crate) hook: Option<Box<DecisionHook>>,
    /// Whether the hook gets the decisions that admit a request as well.
    pub(crate) hook_gets_all: bool,
    pub(crate) dry_run: bool,
}

/// The counters of a limiter, its hook, and which of its policies are in dry run.
pub(crate) struct Observer {
    settings: ObserverSettings,
    clock: Clock,
    built_at: Ticks,
    records: PolicyRecords,
    /// Requests that several policies may check, by route: all, and refused ones.
    endpoints: Option<Routes<2>>,
    /// Whether a policy was set to dry run, or live, at run time.
    has_changed_modes: AtomicBool,
    digests: RandomState,
    has_hook_panicked: AtomicBool,
}

/// What a policy has found for one request.
#[derive(Clone, Copy)]
pub(crate) struct Finding<'a> {
    pub(crate) policy: PolicyId<'a>,
    /// Empty for a request to no route.
    pub(crate) route: &'a str,
    pub(crate) reason: Reason,
    pub(crate) is_dry_run: bool,
    pub(crate) outcomes: &'a [Outcome],
    pub(crate) cost: u64,
    /// What the limits count. Requests if the policy was not checked.
    pub(crate) unit: Unit,
    pub(crate) key_label: &'static str,
    pub(crate) key: Option<&'a Key>,
    /// What is added to the wait of a refused client.
    pub(crate) jitter: Duration,
    pub(crate) parts: Option<&'a Parts>,
}

/// Whether a limiter of this process may have policies in dry run that are not written so.
static MAY_DRY_RUN: AtomicBool = AtomicBool::new(false);

/// Whether a policy may be in dry run, for any limiter of the process. `is_written` says whether
/// the source code says so. [`Observer::is_dry_run`] knows for certain.
#[inline]
pub(crate) fn may_dry_run(is_written: bool) -> bool {
    is_written || MAY_DRY_RUN.load(Ordering::Relaxed)
}

impl Observer {
    pub(crate) fn new(settings: ObserverSettings, clock: Clock) -> Self {
        if settings.dry_run {
            MAY_DRY_RUN.store(true, Ordering::Relaxed);
        }
        Self {
            built_at: clock.now(),
            clock,
            records: PolicyRecords::new(settings.level),
            endpoints: (settings.level >= StatsLevel::Totals).then(Routes::new),
            has_changed_modes: AtomicBool::new(false),
            digests: RandomState::new(),
            has_hook_panicked: AtomicBool::new(false),
            settings,
        }
    }

    /// The record of a policy.
    #[inline]
    pub(crate) fn record<'a>(&'a self, policy: PolicyId<'a>) -> Option<&'a PolicyRecord> {
        self.records.get(policy)
    }

    /// The records of all policies.
    pub(crate) fn records(&self) -> &PolicyRecords {
        &self.records
    }

    /// The digest of a key in logs, events and numbers.
    pub(crate) fn digest(&self, key: &Key) -> KeyDigest {
        KeyDigest::new(self.digests.hash_one(key.client_bytes()))
    }

    /// Whether anything is counted or reported for a request that is admitted.
    #[inline]
    pub(crate) fn counts(&self) -> bool {
        instruments::IS_ENABLED || self.settings.level != StatsLevel::Off || self.hook_gets_all()
    }

    /// Counts a request that its only policy has admitted.
    #[inline]
    pub(crate) fn admitted_by_single(
        &self,
        policy: PolicyId<'_>,
        route: &str,
        outcome: &Outcome,
        cost: u64,
    ) {
        if let Some(record) = self.record(policy) {
            record.add_single(route, Reason::Allowed);
            record.add_utilization(outcome);
            record.add_units(UnitsKind::Charged, cost);
        }
    }

    /// Counts units that a policy has charged or given back, in metrics.
    #[inline]
    pub(crate) fn add_units(&self, policy: PolicyId<'_>, kind: UnitsKind, units: u64) {
        if instruments::IS_ENABLED
            && let Some(record) = self.record(policy)
        {
            record.add_units(kind, units);
        }
    }

    /// Counts a request that holds a permit of a policy, until the result is dropped.
    pub(crate) fn start_flight(&self, policy: PolicyId<'_>) -> Option<InFlight> {
        self.record(policy).map(PolicyRecord::start_flight)
    }

    /// Whether there is a hook.
    pub(crate) fn has_hook(&self) -> bool {
        self.settings.hook.is_some()
    }

    /// Whether the hook gets the decisions that admit a request.
    #[inline]
    pub(crate) fn hook_gets_all(&self) -> bool {
        self.settings.hook_gets_all && self.settings.hook.is_some()
    }

    /// Starts to time a check, if this is one of those that are timed. It is called once for each
    /// check.
    #[inline]
    pub(crate) fn start_timer(&self) -> Option<Instant> {
        let is_timed = self.settings.level >= StatsLevel::Detailed && shards::is_sampled();
        is_timed.then(Instant::now)
    }

    /// Takes back the last [`start_timer`](Self::start_timer) on this thread: the check is made in
    /// another way, which starts its own timer.
    #[cold]
    pub(crate) fn cancel_timer(&self) {
        if self.settings.level >= StatsLevel::Detailed {
            shards::repeat_sample();
        }
    }

    /// Records the time of a check that was [timed](Self::start_timer).
    pub(crate) fn stop_timer(&self, started: Instant, policy: PolicyId<'_>) {
        if let Some(record) = self.record(policy) {
            record.add_check_time(started.elapsed());
        }
    }

    /// Counts a request that only this policy checks, and reports it.
    pub(crate) fn report_single(&self, finding: &Finding<'_>) {
        self.count_and_report(finding, PolicyRecord::add_single);
    }

    /// Counts a request that may meet other policies as well, and reports it.
    #[inline]
    pub(crate) fn report(&self, finding: &Finding<'_>) {
        self.count_and_report(finding, PolicyRecord::add);
    }

    #[inline]
    fn count_and_report(
        &self,
        finding: &Finding<'_>,
        count: impl FnOnce(&PolicyRecord, &str, Reason),
    ) {
        let is_reported = self.is_reported(finding.reason);
        if (self.counts() || is_reported)
            && let Some(record) = self.record(finding.policy)
        {
            count(record, finding.route, finding.reason);
            if is_reported {
                self.report_to(record, finding);
            }
        }
    }

    /// Whether there is anything to do but to count a request.
    #[inline]
    fn is_reported(&self, reason: Reason) -> bool {
        instruments::IS_ENABLED
            || self.settings.level >= StatsLevel::Detailed
            || self.settings.hook.is_some()
            || (reason.is_without_room() && is_logged())
    }

    /// Reports a decision: to the details, metrics, the log and the hook.
    #[inline(never)]
    fn report_to(&self, record: &PolicyRecord, finding: &Finding<'_>) {
        if let Some(outcome) = fullest(finding.outcomes) {
            record.add_utilization(outcome);
        }
        let is_refusal = finding.reason.is_without_room();
        if is_refusal && let Some(key) = finding.key {
            record.add_refused_key(|| self.digest(key));
        }
        let is_for_hook = is_refusal || finding.reason == Reason::StoreError;
        let hook = self.settings.hook.as_ref();
        let hook = hook.filter(|_| is_for_hook || self.settings.hook_gets_all);
        let is_logged = is_refusal && is_logged();
        if hook.is_none() && !is_logged {
            return;
        }
        let event = DecisionEvent {
            policy: &record.label,
            route: (!finding.route.is_empty()).then_some(finding.route),
            reason: finding.reason,
            is_dry_run: finding.is_dry_run,
            outcomes: finding.outcomes,
            cost: finding.cost,
            unit: finding.unit,
            key_label: finding.key_label,
            key: finding.key.map(|key| self.digest(key)),
            retry_after: retry_after(finding.outcomes, finding.jitter),
            parts: finding.parts,
        };
        if is_logged {
            log_refusal(record, &event, &self.clock);
        }
        if let Some(hook) = hook {
            self.call_hook(hook, &event);
        }
    }

    /// Calls the hook. A panic of it must not replace the response to the request.
    fn call_hook(&self, hook: &DecisionHook, event: &DecisionEvent<'_>) {
        let called = panic::catch_unwind(AssertUnwindSafe(|| hook(event)));
        if called.is_err() && !self.has_hook_panicked.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                policy = event.policy,
                "the function of `on_decision` has panicked; requests are answered without its \
                 result, and further panics are not logged"
            );
        }
    }

    /// Counts a request that several policies may check, once.
    pub(crate) fn add_request(&self, route: &str) {
        if let Some(endpoints) = &self.endpoints {
            endpoints.cell(route).counters.add(0);
        }
    }

    /// Counts a request that was [added](Self::add_request), or that a policy outside has counted,
    /// as refused.
    pub(crate) fn add_refused_request(&self, route: &str) {
        if let Some(endpoints) = &self.endpoints {
            endpoints.cell(route).counters.add(1);
        }
    }

    /// Whether a policy is in dry run. `is_written` says whether the source code says so. A change
    /// at run time precedes the source code and the setting of the limiter.
    pub(crate) fn is_dry_run(&self, policy: PolicyId<'_>, is_written: bool) -> bool {
        let is_set = self.settings.dry_run || is_written;
        if !self.has_changed_modes.load(Ordering::Acquire) {
            return is_set;
        }
        let record = self.record(policy);
        record
            .and_then(PolicyRecord::changed_mode)
            .unwrap_or(is_set)
    }

    /// Sets the policy of this name to dry run, or live.
    ///
    /// # Errors
    /// The names of all policies, if there is none of this name.
    pub(crate) fn set_dry_run(&self, policy: &str, is_dry_run: bool) -> Result<(), Vec<Arc<str>>> {
        let (mut names, mut is_known) = (Vec::new(), false);
        self.records.for_each(|record| {
            if *record.label == *policy {
                is_known = true;
                record.set_dry_run(is_dry_run);
            }
            names.push(record.label.clone());
        });
        if !is_known {
            return Err(names);
        }
        MAY_DRY_RUN.store(true, Ordering::Relaxed);
        self.has_changed_modes.store(true, Ordering::Release);
        Ok(())
    }

    /// Whether this policy is in dry run.
    pub(crate) fn is_record_dry_run(&self, record: &PolicyRecord) -> bool {
        let is_set = || self.settings.dry_run || record.source.is_dry_run();
        record.changed_mode().unwrap_or_else(is_set)
    }

    /// What all policies say.
    pub(crate) fn policies(&self) -> Policies {
        let mut policies = Vec::new();
        self.records.for_each(|record| {
            let is_dry_run = self.is_record_dry_run(record);
            policies.push(PolicyDescription::new(record, is_dry_run));
        });
        Policies::new(policies)
    }

    /// Everything that was counted.
    pub(crate) fn stats(&self, store: Health, usage: Option<Usage>) -> Stats {
        let mut endpoints = BTreeMap::new();
        let mut policies = Vec::new();
        self.records.for_each(|record| {
            let is_dry_run = self.is_record_dry_run(record);
            policies.push(record.stats(is_dry_run, &mut endpoints));
        });
        for cell in self.endpoints.iter().flat_map(Routes::iter) {
            let [total, limited] = cell.counters.sums();
            let endpoint: &mut EndpointStats = endpoints.entry((*cell.route).into()).or_default();
            endpoint.add(EndpointStats { total, limited });
        }
        let unrouted = endpoints.remove("").unwrap_or_default();
        let mut totals = unrouted;
        endpoints
            .values()
            .for_each(|endpoint| totals.add(*endpoint));
        Stats {
            since: self.clock.now().since(self.built_at),
            level: self.settings.level,
            totals,
            endpoints,
            unrouted,
            policies,
            store,
            usage,
        }
    }
}

/// How long a refused client has to wait, as its response says.
fn retry_after(outcomes: &[Outcome], jitter: Duration) -> Option<Duration> {
    if outcomes.iter().any(Outcome::exceeds_capacity) {
        return None;
    }
    let wait = outcomes.iter().filter_map(Outcome::retry_after).max()?;
    Some(wait.saturating_add(jitter))
}

/// The outcome of the limit with the largest used part.
fn fullest(outcomes: &[Outcome]) -> Option<&Outcome> {
    outcomes.iter().max_by(|a, b| {
        let (used_of_a, limit_of_a) = used_and_limit(a);
        let (used_of_b, limit_of_b) = used_and_limit(b);
        let cross = |used: u64, limit: u64| u128::from(used) * u128::from(limit);
        cross(used_of_a, limit_of_b).cmp(&cross(used_of_b, limit_of_a))
    })
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observer")
            .field("level", &self.settings.level)
            .field("dry_run", &self.settings.dry_run)
            .finish_non_exhaustive()
    }
}
