//! Counters, histograms and gauges for the recorder of the crate `metrics` (feature `metrics`).
//!
//! Without the feature, the types hold nothing and their methods do nothing. Handles are registered
//! when the first value is recorded, and kept beside the policy, route or store that they belong
//! to: a request looks nothing up by name. Labels come from the source code, so their number is
//! bounded.

// Labels of outcomes and units.
mod labels;
// How they are registered and recorded.
#[cfg(feature = "metrics")]
mod enabled;
// Names and descriptions.
#[cfg(feature = "metrics")]
pub(crate) mod metric;
// The same types without the feature.
#[cfg(not(feature = "metrics"))]
mod disabled;

#[cfg(not(feature = "metrics"))]
pub(crate) use self::disabled::{
    MemoryInstruments, PolicyInstruments, RequestCounters, StoreInstruments,
};
#[cfg(feature = "metrics")]
pub(crate) use self::enabled::{
    MemoryInstruments, PolicyInstruments, RequestCounters, StoreInstruments, Waiting, set_gauge,
};
pub(crate) use self::labels::{RequestOutcome, UnitsKind};

/// Whether anything is recorded.
pub(crate) const IS_ENABLED: bool = cfg!(feature = "metrics");
