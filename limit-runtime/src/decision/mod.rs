//! What a check returns: outcomes, receipts and the decision.

mod cost;
#[expect(clippy::module_inception, reason = "named after the type `Decision`")]
mod decision;
mod outcome;
mod receipt;
mod rounding;

pub(crate) use self::{
    cost::recorded_cost,
    decision::strictest,
    outcome::Remaining,
    rounding::{whole_millis, whole_seconds},
};
pub use self::{
    decision::Decision,
    outcome::{Outcome, Verdict},
    receipt::Receipt,
};
