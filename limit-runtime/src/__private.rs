//! What the attribute's expansion names.

pub use crate::Strategy;
pub use crate::http::{
    Admit, Limited, ScopeSpec, Spec,
    answer::IntoCost,
    exceeded::answer,
    limited::handled,
    policy::{All, DefaultKey, Policy, Rules, cost, gcra, key, limits, parsed, rule},
};
pub use crate::store::Fallback;
pub use axum::extract::FromRequestParts;
pub use axum::response::{IntoResponse, Response};
pub use limit_macros::rate_limit;
