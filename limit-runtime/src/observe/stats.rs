//! What a limiter has counted, at one moment.

use super::{histogram::Histogram, key_digest::KeyDigest, reservations::ReservationCounts};
use crate::store::{Health, Usage};
use limit_core::Unit;
use std::{collections::BTreeMap, time::Duration};

/// How much a limiter counts; see [`LimiterBuilder::stats`](crate::LimiterBuilder::stats).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum StatsLevel {
    /// Nothing.
    Off,
    /// Requests by policy, route and what was decided. The default.
    #[default]
    Totals,
    /// [`Totals`](Self::Totals), how much of the limits was used at each check, how long checks
    /// take, and the keys that are refused most often.
    Detailed,
}

impl StatsLevel {
    /// The word for it: `off`, `totals` or `detailed`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Totals => "totals",
            Self::Detailed => "detailed",
        }
    }
}

impl From<bool> for StatsLevel {
    /// Whether there are details beside the totals.
    fn from(detailed: bool) -> Self {
        if detailed {
            Self::Detailed
        } else {
            Self::Totals
        }
    }
}

/// What a limiter has counted since it was built, from [`Limiter::stats`](crate::Limiter::stats).
///
/// Counters never decrease; the numbers of one `Stats` may be some requests apart if requests are
/// checked at that moment. With the feature `serde` it is serialized as `docs/OBSERVABILITY.md` of
/// the repository describes.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Stats {
    /// The time since the limiter was built.
    pub since: Duration,
    /// How much is counted.
    pub level: StatsLevel,
    /// All requests that met a limit: the sum of [`endpoints`](Self::endpoints) and
    /// [`unrouted`](Self::unrouted).
    pub totals: EndpointStats,
    /// Requests by route template, such as `/items/{id}`. A request is counted once, however many
    /// policies it meets.
    pub endpoints: BTreeMap<String, EndpointStats>,
    /// Requests to no route, as under a layer around a whole service or in a fallback.
    pub unrouted: EndpointStats,
    /// The policies: one for each attribute of the program, and one for each layer of this limiter.
    pub policies: Vec<PolicyStats>,
    /// Whether the store answers.
    pub store: Health,
    /// The keys and bytes in memory. `None` for a remote store.
    pub usage: Option<Usage>,
}

/// Requests to one route, or to all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EndpointStats {
    /// Requests that met at least one policy, live or in dry run, whatever became of them. A layer
    /// that does not cover a request, by its methods, exceptions or `skip_when`, has not met it.
    pub total: u64,
    /// Requests that a policy has refused, also those that could never be admitted
    /// ([`PolicyCounts::exceeds_capacity`]) or met a store that did not answer.
    pub limited: u64,
}

/// What one policy has counted.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PolicyStats {
    /// The policy's name in headers. A second policy of the same name has the module of its handler
    /// in front, and a second layer has `#2` behind.
    pub policy: String,
    /// The handler, with its module. `None` for a layer.
    pub handler: Option<&'static str>,
    /// The limits, such as `10 per minute`, or the function as written. Empty for a policy that has
    /// only a concurrency limit.
    pub limits: String,
    /// What the limits count. `None` if a function returns them.
    pub unit: Option<Unit>,
    /// The concurrency limit as written, such as `4`. `None` without one.
    pub concurrency: Option<String>,
    /// The requests that hold a permit of the policy in this process now.
    pub in_flight: u64,
    /// The key as written. `key` for a layer with a key of its own.
    pub key: &'static str,
    /// Whether the policy is in dry run now.
    pub is_dry_run: bool,
    /// Requests to all routes.
    pub requests: PolicyCounts,
    /// What requests have reserved, and given back or charged beyond it.
    pub reservations: ReservationCounts,
    /// Requests by route template. An empty one stands for requests to no route.
    pub routes: BTreeMap<String, PolicyCounts>,
    /// How much of a limit was used after each check, in percent. With several limits: of the
    /// fullest one; of the one with the fewest units left where the policy alone admits the request
    /// in memory. `None` without [`StatsLevel::Detailed`].
    pub utilization_percent: Option<Histogram>,
    /// How long checks take, in nanoseconds, of one of 64, also in dry run. A remote store's time
    /// is included, and so is waiting for room. `None` without [`StatsLevel::Detailed`].
    pub check_time_ns: Option<Histogram>,
    /// The keys that are refused most often, at most 10. What a dry run would have refused counts
    /// as well. `None` without [`StatsLevel::Detailed`].
    pub busiest: Option<Vec<BusyKey>>,
}

/// Requests that met one policy, by what it decided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PolicyCounts {
    /// All of them.
    pub total: u64,
    /// The policy had room, at once or after waiting.
    pub allowed: u64,
    /// Those of `allowed` that waited for room.
    pub waited: u64,
    /// The policy had no room, and refused the request.
    pub limited: u64,
    /// The cost of the request exceeds the capacity of a limit. Not part of `limited`.
    pub exceeds_capacity: u64,
    /// The policy was in dry run and had no room, or could never have admitted the request. The
    /// request was let through.
    pub would_limit: u64,
    /// The policy does not limit the request.
    pub exempt: u64,
    /// The store did not answer, and the fallback is to refuse.
    pub store_errors: u64,
    /// The store did not answer, and the fallback let the request through.
    pub fallback: u64,
    /// A key, limits, scope or cost function failed.
    pub rejected: u64,
    /// The request has ended before the policy had decided: it waited for room, or for the store.
    pub abandoned: u64,
}

/// A key that was refused often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BusyKey {
    /// The digest of the key, as in logs and events.
    pub key: KeyDigest,
    /// How often it was refused, or would have been. At most `error` more or less.
    pub limited: u64,
    /// The possible error of `limited`: the keys are found by a sketch of bounded size.
    pub error: u64,
}

impl EndpointStats {
    pub(super) fn add(&mut self, other: Self) {
        self.total += other.total;
        self.limited += other.limited;
    }
}

impl PolicyCounts {
    pub(super) fn add(&mut self, other: &Self) {
        self.total += other.total;
        self.allowed += other.allowed;
        self.waited += other.waited;
        self.limited += other.limited;
        self.exceeds_capacity += other.exceeds_capacity;
        self.would_limit += other.would_limit;
        self.exempt += other.exempt;
        self.store_errors += other.store_errors;
        self.fallback += other.fallback;
        self.rejected += other.rejected;
        self.abandoned += other.abandoned;
    }
}
