//! What a limiter has counted, and how it reports its decisions.
//!
//! [`Limiter::stats`](crate::Limiter::stats) returns [`Stats`], and
//! [`LimiterBuilder::on_decision`](crate::LimiterBuilder::on_decision) gets each [`DecisionEvent`].
//! Policies and routes come from the source code, so their number is bounded; raw keys appear
//! nowhere, only their [digests](KeyDigest).

// The registry of layers, which finds two that share a budget by mistake.
pub(crate) mod layer_registry;
// The error for a name that no policy has.
mod no_such_policy;
// What a policy has found for a request.
mod reason;
// Digests of keys.
mod key_digest;
// Sharded counters.
mod shards;
// Histograms of utilisation and of times.
mod histogram;
// The most frequent keys of a stream.
mod space_saving;
// One log line in a second.
mod sampled_log;
// Sets of counters by route.
mod routes;
// Counters of reservations.
pub(crate) mod reservations;
// What all of it is read as.
mod stats;
// All of it as JSON.
#[cfg(feature = "serde")]
mod serialize;
// The budgets of a policy, as far as they are known without a request.
#[cfg_attr(
    not(feature = "dashboard"),
    allow(
        dead_code,
        reason = "only the dashboard looks at scopes and keys, and only metrics at limits"
    )
)]
pub(crate) mod known_budget;
// How many requests may be in flight.
pub(crate) mod concurrency;
// What attributes declare.
pub(crate) mod declaration;
// The counters of one policy.
pub(crate) mod policy_record;
// The counters of all policies of a limiter.
pub(crate) mod policy_records;
// The list of all policies.
mod description;
// What the hook gets, and log lines.
pub(crate) mod event;
// What a limiter counts, and to whom it reports.
pub(crate) mod observer;

#[cfg(feature = "dashboard")]
pub(crate) use self::routes::OTHER_ROUTES;
pub use self::{
    description::{Policies, PolicyDescription},
    event::DecisionEvent,
    histogram::{Bucket, Histogram},
    key_digest::KeyDigest,
    no_such_policy::NoSuchPolicy,
    reason::Reason,
    reservations::ReservationCounts,
    stats::{BusyKey, EndpointStats, PolicyCounts, PolicyStats, Stats, StatsLevel},
};
