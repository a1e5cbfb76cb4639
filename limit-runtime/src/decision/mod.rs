//! What a check returns: outcomes, receipts and the decision.

mod cost;
#[expect(clippy::module_inception, reason = "named after the type `Decision`")]
mod decision;
mod late_count;
mod outcome;
mod receipt;
mod rounding;
mod strictest_outcome;

pub(crate) use self::{
    cost::recorded_cost,
    decision::strictest,
    late_count::LateCount,
    outcome::{OutcomeParts, Remaining, quota},
    rounding::{whole_micros, whole_millis, whole_seconds},
    strictest_outcome::StrictestOutcome,
};
pub use self::{
    decision::Decision,
    outcome::{Outcome, Verdict},
    receipt::Receipt,
};
