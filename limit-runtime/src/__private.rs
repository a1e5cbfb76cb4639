//! What the attribute's expansion names.

pub use crate::Strategy;
pub use crate::http::{
    Admit, Limited, ScopeSpec, Spec,
    answer::IntoCost,
    exceeded::answer,
    policy::{
        All, DefaultKey, LastInBody, LastInHead, Policy, Rules, TryFn, cost, gcra, key, limits,
        parsed, rule, scope, scoped, try_cost, try_key, try_limits,
    },
    respond::{charge_and_respond, respond},
};
pub use crate::store::Fallback;
pub use axum::extract::{FromRequest, FromRequestParts};
pub use axum::response::Response;
pub use limit_macros::rate_limit;
