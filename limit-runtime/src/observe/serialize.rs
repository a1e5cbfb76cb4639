//! [`Stats`] as JSON (feature `serde`). The form is documented in docs/OBSERVABILITY.md.

use super::{
    description::{Policies, PolicyDescription},
    histogram::{Bucket, Histogram},
    key_digest::KeyDigest,
    reason::Reason,
    reservations::ReservationCounts,
    stats::{BusyKey, EndpointStats, PolicyCounts, PolicyStats, Stats, StatsLevel},
};
use crate::clock::millis;
use serde::{Serialize, Serializer, ser::SerializeStruct};

/// Implements `Serialize` as a map of the named fields, or of an expression for a field.
macro_rules! impl_serialize {
    ($($(#[$doc:meta])* $Type:ident { $($field:ident $(: $value:expr)?),* $(,)? })*) => {$(
        $(#[$doc])*
        impl Serialize for $Type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let fields = [$(stringify!($field)),*].len();
                let mut map = serializer.serialize_struct(stringify!($Type), fields)?;
                $(impl_serialize!(@field map self $field $($value)?);)*
                map.end()
            }
        }
    )*};
    (@field $map:ident $self:ident $field:ident) => {
        $map.serialize_field(stringify!($field), &$self.$field)?;
    };
    (@field $map:ident $self:ident $field:ident $value:expr) => {{
        let value: fn(&Self) -> _ = $value;
        $map.serialize_field(stringify!($field), &value($self))?;
    }};
}

impl_serialize! {
    /// Its fields, and `since_ms`, the time since the limiter was built in milliseconds.
    Stats {
        since_ms: |stats| millis(stats.since),
        level: |stats| stats.level.as_str(),
        totals,
        endpoints,
        unrouted,
        policies,
        store,
        usage,
    }
    /// Its fields.
    EndpointStats { total, limited }
    /// Its fields.
    PolicyStats {
        policy,
        handler,
        limits,
        unit,
        concurrency,
        in_flight,
        key,
        is_dry_run,
        requests,
        reservations,
        routes,
        utilization_percent,
        check_time_ns,
        busiest,
    }
    /// Its fields.
    PolicyCounts {
        total,
        allowed,
        waited,
        limited,
        exceeds_capacity,
        would_limit,
        exempt,
        store_errors,
        fallback,
        rejected,
        abandoned,
    }
    /// Its fields.
    ReservationCounts { open, settled, reserved, used, given_back, forced }
    /// Its fields.
    BusyKey { key, limited, error }
    /// The number of values, the ends of the buckets that reach 50 and 99 percent of them, and the
    /// buckets that are not empty.
    Histogram {
        count: Histogram::count,
        p50: |histogram| histogram.quantile(50),
        p99: |histogram| histogram.quantile(99),
        buckets,
    }
    /// Its fields.
    Bucket { le, count }
    /// Its fields.
    PolicyDescription {
        policy,
        handler,
        location,
        limits,
        unit,
        concurrency,
        strategy,
        key,
        cost,
        scope,
        methods,
        is_dry_run,
        routes,
    }
}

/// A list.
impl Serialize for Policies {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self)
    }
}

/// Its 16 hexadecimal digits.
impl Serialize for KeyDigest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Its word, such as `would_limit`.
impl Serialize for Reason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// Its word: `off`, `totals` or `detailed`.
impl Serialize for StatsLevel {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
