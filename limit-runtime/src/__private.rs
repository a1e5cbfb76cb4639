//! Items that the expansion of `#[rate_limit]` uses. Not a public API: they change without notice.

pub use crate::Strategy;
pub use crate::extract::{
    argument_value::{
        KeyByClone, KeyByReference, KeyPlace, NotAKey, cost_value, key_value, limits_value,
    },
    limits::{LiteralLimits, NO_LIMITS},
};
pub use crate::handler::{limited::Limited, respond::respond};
pub use crate::observe::{
    declaration::{HandlerDeclaration, RuleDeclaration},
    known_budget::{KnownBudget, KnownKey, KnownLimits, KnownScope, constant_limits},
};
pub use crate::policy::{
    argument_source::{cost_over, key_over, known, limits_over},
    config::{PolicyConfig, ScopeConfig},
    constants::gcra,
    last_argument::{Callable, LastInBody, LastInHead, NotCallable, try_cost, try_key, try_limits},
    over_arguments::{
        ArgumentRules, PolicyOverAllArguments, PolicyOverFirstArguments, argument_rule, with_cost,
    },
    reserve::{CostCap, OnUnknown},
    rule::{Policy, Rules, rule},
    source::{KeyTuple, cost, key, limits, scope, scoped},
};
pub use crate::request::{
    built_in::{built_in_key, is_route_function},
    default_key::DefaultKey,
};
pub use crate::response::exceeded::call_on_limited;
pub use crate::store::{Fallback, Scope};
pub use crate::{IntoKey, limits};
pub use axum::extract::{FromRequest, FromRequestParts};
pub use axum::response::Response;
pub use inventory::submit;
pub use limit_macros::rate_limit;
