//! What a limiter has counted for one policy.

use super::{
    declaration::RuleDeclaration,
    histogram::{Times, Utilization},
    key_digest::KeyDigest,
    known_budget::KnownBudget,
    reason::Reason,
    reservations::ReservationCounters,
    routes::{RouteCell, Routes},
    sampled_log::SampledLog,
    space_saving::SpaceSaving,
    stats::{BusyKey, EndpointStats, PolicyCounts, PolicyStats, StatsLevel},
};
#[cfg(feature = "metrics")]
use crate::instruments::Waiting;
use crate::{
    decision::Outcome,
    instruments::{self, PolicyInstruments, UnitsKind},
};
#[cfg(feature = "metrics")]
use limit_core::Limits;
use limit_core::Unit;
use std::{
    collections::BTreeMap,
    panic::Location,
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
    time::Duration,
};

/// One counter for each reason, and one for each of [`SINGLE`].
const COUNTERS: usize = Reason::COUNT + SINGLE.len();

/// What a check of a single rule in memory can find. These requests are counted apart: each stands
/// for a request to its route as well, so that the common request needs no second counter for it.
const SINGLE: [Reason; 4] = [
    Reason::Allowed,
    Reason::Exempt,
    Reason::Limited,
    Reason::ExceedsCapacity,
];

/// How many of the busiest keys a [`PolicyStats`] has.
const BUSIEST: usize = 10;

/// What a limiter knows of one policy: what it says, whether it is in dry run, and its counters.
#[derive(Debug)]
pub(crate) struct PolicyRecord {
    /// The policy's name, which no other policy of the limiter has.
    pub(crate) label: Arc<str>,
    pub(crate) source: PolicySource,
    mode: AtomicU8,
    counters: Option<Routes<COUNTERS>>,
    details: Option<Details>,
    pub(super) log: SampledLog,
    pub(crate) reservations: ReservationCounters,
    instruments: PolicyInstruments,
    /// Requests that hold a permit of the policy.
    in_flight: Arc<AtomicU64>,
}

/// A request that holds a permit of a policy. It is counted until this is dropped.
#[derive(Debug)]
pub(crate) struct InFlight(Arc<AtomicU64>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Where a policy is written.
#[derive(Clone, Debug)]
pub(crate) enum PolicySource {
    Attribute(&'static RuleDeclaration),
    Layer(LayerDeclaration),
}

/// What a layer says, as text.
#[derive(Clone, Debug)]
pub(crate) struct LayerDeclaration {
    pub(crate) name: &'static str,
    pub(crate) location: &'static Location<'static>,
    pub(crate) limits: String,
    /// Empty without one.
    pub(crate) concurrency: String,
    pub(crate) key: &'static str,
    pub(crate) cost: String,
    pub(crate) scope: String,
    /// Separated by commas. Empty for all.
    pub(crate) methods: String,
    pub(crate) is_dry_run: bool,
    pub(crate) budget: Box<KnownBudget>,
}

impl PolicySource {
    /// The handler, with its module. `None` for a layer.
    pub(super) fn handler(&self) -> Option<&'static str> {
        match self {
            Self::Attribute(rule) => Some(rule.handler),
            Self::Layer(_) => None,
        }
    }

    /// The limits, or the function as written.
    pub(super) fn limits(&self) -> &str {
        match self {
            Self::Attribute(rule) => rule.limits,
            Self::Layer(layer) => &layer.limits,
        }
    }

    /// What the limits count. `None` if a function returns them.
    pub(super) fn unit(&self) -> Option<Unit> {
        let limits = self.budget().constant_limits();
        limits.map(|limits| limits.unit())
    }

    /// The concurrency limit as written.
    pub(crate) fn concurrency(&self) -> Option<&str> {
        let written = match self {
            Self::Attribute(rule) => rule.concurrency,
            Self::Layer(layer) => &layer.concurrency,
        };
        (!written.is_empty()).then_some(written)
    }

    /// The key as written.
    pub(crate) fn key(&self) -> &'static str {
        match self {
            Self::Attribute(rule) => rule.key,
            Self::Layer(layer) => layer.key,
        }
    }

    /// The cost as written.
    pub(crate) fn cost(&self) -> &str {
        match self {
            Self::Attribute(rule) => rule.cost,
            Self::Layer(layer) => &layer.cost,
        }
    }

    /// Whether the policy is in dry run as it is written.
    pub(super) fn is_dry_run(&self) -> bool {
        match self {
            Self::Attribute(rule) => rule.is_dry_run,
            Self::Layer(layer) => layer.is_dry_run,
        }
    }

    /// What is known of its budgets without a request.
    pub(crate) fn budget(&self) -> &KnownBudget {
        match self {
            Self::Attribute(rule) => &rule.budget,
            Self::Layer(layer) => &layer.budget,
        }
    }
}

impl LayerDeclaration {
    /// Whether the layers count alike in one budget, so that they are one policy.
    pub(super) fn shares_record_with(&self, other: &Self) -> bool {
        let of = |layer: &Self| (layer.name, layer.is_dry_run, layer.budget.strategy);
        of(self) == of(other)
            && self.scope == other.scope
            && self.limits == other.limits
            && self.concurrency == other.concurrency
    }
}

/// Whether a policy is in dry run, if that was changed at run time.
const AS_WRITTEN: u8 = 0;
const LIVE: u8 = 1;
const DRY_RUN: u8 = 2;

#[derive(Debug)]
struct Details {
    utilization: Utilization,
    check_time: Times,
    busiest: SpaceSaving,
}

impl PolicyRecord {
    pub(crate) fn new(label: Arc<str>, source: PolicySource, level: StatsLevel) -> Self {
        Self {
            label,
            source,
            mode: AtomicU8::new(AS_WRITTEN),
            counters: match level {
                StatsLevel::Off => instruments::IS_ENABLED.then(Routes::without_counters),
                StatsLevel::Totals | StatsLevel::Detailed => Some(Routes::new()),
            },
            details: (level >= StatsLevel::Detailed).then(|| Details {
                utilization: Utilization::new(),
                check_time: Times::new(),
                busiest: SpaceSaving::new(),
            }),
            log: SampledLog::default(),
            reservations: ReservationCounters::default(),
            instruments: PolicyInstruments::default(),
            in_flight: Arc::default(),
        }
    }

    /// Counts a request that only this policy checks, for the policy and for its route.
    #[inline]
    pub(super) fn add_single(&self, route: &str, reason: Reason) {
        if let Some(routes) = &self.counters {
            let cell = routes.cell(route);
            cell.counters.add(single_counter(reason));
            self.add_metric(cell, reason);
        }
    }

    /// Counts a request that may meet other policies as well.
    #[inline]
    pub(super) fn add(&self, route: &str, reason: Reason) {
        if let Some(routes) = &self.counters {
            let cell = routes.cell(route);
            cell.counters.add(reason as usize);
            self.add_metric(cell, reason);
        }
    }

    #[inline]
    fn add_metric(&self, cell: &RouteCell<COUNTERS>, reason: Reason) {
        if let Some(outcome) = reason.in_metrics() {
            cell.requests.add(&self.label, &cell.route, outcome);
        }
    }

    /// Counts units that were consumed or given back.
    #[inline]
    pub(crate) fn add_units(&self, kind: UnitsKind, units: u64) {
        self.instruments.units(&self.label, kind, units);
    }

    /// Counts a request that holds a permit, until the result is dropped.
    pub(super) fn start_flight(&self) -> InFlight {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight(self.in_flight.clone())
    }

    /// The number of requests that hold a permit of the policy in this process.
    pub(crate) fn in_flight(&self) -> u64 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Counts a request that waits for room, until the result is dropped.
    #[cfg(feature = "metrics")]
    pub(crate) fn start_wait(&self) -> Waiting<'_> {
        self.instruments.start_wait(&self.label)
    }

    /// The limits, unless a function returns them.
    #[cfg(feature = "metrics")]
    pub(crate) fn constant_limits(&self) -> Option<Limits> {
        self.source.budget().constant_limits()
    }

    /// The number of requests that wait for room.
    #[cfg(feature = "metrics")]
    pub(crate) fn waiting(&self) -> u64 {
        u64::try_from(self.instruments.waiting()).unwrap_or(u64::MAX)
    }

    /// Records how much of the limit of this outcome is used.
    #[inline]
    pub(super) fn add_utilization(&self, outcome: &Outcome) {
        if !instruments::IS_ENABLED && self.details.is_none() {
            return;
        }
        let (used, limit) = used_and_limit(outcome);
        self.instruments.checked(&self.label, used, limit);
        if let Some(details) = &self.details {
            details.utilization.record(used, limit);
        }
    }

    pub(super) fn add_check_time(&self, time: Duration) {
        if let Some(details) = &self.details {
            details.check_time.record(time);
        }
    }

    pub(super) fn add_refused_key(&self, key: impl FnOnce() -> KeyDigest) {
        if let Some(details) = &self.details {
            details.busiest.record(key());
        }
    }

    /// Whether a call has set the policy to dry run. `None` without such a call.
    pub(crate) fn changed_mode(&self) -> Option<bool> {
        match self.mode.load(Ordering::Relaxed) {
            LIVE => Some(false),
            DRY_RUN => Some(true),
            _ => None,
        }
    }

    pub(crate) fn set_dry_run(&self, is_dry_run: bool) {
        let mode = if is_dry_run { DRY_RUN } else { LIVE };
        self.mode.store(mode, Ordering::Relaxed);
    }

    /// The routes on which requests have met the policy. Empty if they are
    /// [not kept](Self::keeps_routes).
    pub(crate) fn routes(&self) -> Vec<String> {
        let cells = self.counters.iter().flat_map(Routes::iter);
        let routes = cells.map(|cell| String::from(&*cell.route));
        let mut routes: Vec<_> = routes.filter(|route| !route.is_empty()).collect();
        routes.sort_unstable();
        routes
    }

    /// Whether the routes of the policy are known. They are kept with its counters.
    #[cfg(feature = "dashboard")]
    pub(crate) fn keeps_routes(&self) -> bool {
        self.counters.is_some()
    }

    /// The numbers of the policy. Adds the requests that only it checked to `endpoints`.
    pub(super) fn stats(
        &self,
        is_dry_run: bool,
        endpoints: &mut BTreeMap<String, EndpointStats>,
    ) -> PolicyStats {
        let mut requests = PolicyCounts::default();
        let mut routes = BTreeMap::new();
        for cell in self.counters.iter().flat_map(Routes::iter) {
            let (all, single) = by_reason(&cell.counters.sums());
            let on_route = counts(&all);
            if on_route.total == 0 {
                continue;
            }
            requests.add(&on_route);
            routes.insert(cell.route.clone().into(), on_route);
            let single = counts(&single);
            if single.total > 0 {
                let endpoint = endpoints.entry(cell.route.clone().into()).or_default();
                endpoint.add(EndpointStats {
                    total: single.total,
                    limited: single.limited + single.exceeds_capacity,
                });
            }
        }
        let details = self.details.as_ref();
        PolicyStats {
            policy: String::from(&*self.label),
            handler: self.source.handler(),
            limits: self.source.limits().to_owned(),
            unit: self.source.unit(),
            concurrency: self.source.concurrency().map(str::to_owned),
            in_flight: self.in_flight(),
            key: self.source.key(),
            is_dry_run,
            requests,
            reservations: self.reservations.counts(),
            routes,
            utilization_percent: details.map(|details| details.utilization.snapshot()),
            check_time_ns: details.map(|details| details.check_time.snapshot()),
            busiest: details.map(|details| {
                let keys = details.busiest.most_frequent(BUSIEST).into_iter();
                let busy = keys.map(|frequent| BusyKey {
                    key: frequent.key,
                    limited: frequent.count,
                    error: frequent.error,
                });
                busy.collect()
            }),
        }
    }
}

/// The units that are used of a limit, and all of its units.
#[inline]
pub(super) fn used_and_limit(outcome: &Outcome) -> (u64, u64) {
    let limit = outcome.quota().count().get();
    (limit.saturating_sub(outcome.remaining()), limit)
}

/// The counter of a single check. The compiler knows its argument in most calls.
#[inline]
fn single_counter(reason: Reason) -> usize {
    let index = match reason {
        Reason::Exempt => 1,
        Reason::Limited => 2,
        Reason::ExceedsCapacity => 3,
        _ => 0,
    };
    Reason::COUNT + index
}

/// The number of requests for each reason, and of those that were single checks.
fn by_reason(sums: &[u64; COUNTERS]) -> ([u64; Reason::COUNT], [u64; Reason::COUNT]) {
    let (mut all, mut single) = ([0; Reason::COUNT], [0; Reason::COUNT]);
    for (all, sum) in all.iter_mut().zip(sums) {
        *all = *sum;
    }
    for reason in SINGLE {
        let sum = sums[single_counter(reason)];
        single[reason as usize] = sum;
        all[reason as usize] += sum;
    }
    (all, single)
}

fn counts(sums: &[u64; Reason::COUNT]) -> PolicyCounts {
    let of = |reason: Reason| sums[reason as usize];
    PolicyCounts {
        total: sums.iter().sum(),
        allowed: of(Reason::Allowed) + of(Reason::Waited),
        waited: of(Reason::Waited),
        limited: of(Reason::Limited),
        exceeds_capacity: of(Reason::ExceedsCapacity),
        would_limit: of(Reason::WouldLimit),
        exempt: of(Reason::Exempt),
        store_errors: of(Reason::StoreError),
        fallback: of(Reason::Fallback),
        rejected: of(Reason::Rejected),
        abandoned: of(Reason::Abandoned),
    }
}
