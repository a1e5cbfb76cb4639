//! The budgets of a policy, as far as they are known without a request.
//!
//! With it, a budget can be looked at that no request is asking for.

use crate::{key::Key, store::Scope, window::Strategy};
use http::request::Parts;
use limit_core::Limits;
use std::{any::Any, fmt, sync::Arc};

/// What is known of the budgets of a policy.
#[derive(Clone, Debug)]
pub struct KnownBudget {
    pub(crate) scope: KnownScope,
    pub(crate) strategy: Strategy,
    pub(crate) limits: KnownLimits,
    pub(crate) key: KnownKey,
}

/// Which scope the budgets are in.
#[derive(Clone, Debug)]
pub enum KnownScope {
    /// This one.
    Fixed(Scope<'static>),
    /// The one that is shared by this name.
    Shared(Arc<str>),
    /// This one, on each route.
    PerRoute(Scope<'static>),
    /// A scope function of an attribute: `is_route` finds out whether it is
    /// [`route`](crate::route()), and `scope` is the handler's.
    Function {
        /// The scope of the handler.
        scope: Scope<'static>,
        /// Whether the function is `route`.
        is_route: fn() -> bool,
    },
    /// A scope function: what it returns is the first part of the key.
    Computed,
}

/// The limits, if they do not depend on the request.
#[derive(Clone, Copy, Debug)]
pub enum KnownLimits {
    /// They depend on the request.
    Unknown,
    /// These.
    Constant(Limits),
    /// What this function returns.
    Expr(fn() -> Option<Limits>),
}

/// The key of a request, if no function of the application computes it.
#[derive(Clone)]
pub enum KnownKey {
    /// A function of the application computes it.
    Unknown,
    /// The default key of the limiter.
    Default,
    /// The key functions of an attribute, which are those of this crate if they have their types.
    Attribute(fn(&Parts) -> Result<Key, NoKey>),
    /// A key function of a layer.
    Layer(Arc<KeyOfLayer>),
}

type KeyOfLayer = dyn Fn(&Parts) -> Result<Key, NoKey> + Send + Sync;

/// Why there is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoKey {
    /// A function of the application computes it.
    NotBuiltIn,
    /// The request has none: it has no bearer token, for example.
    Rejected,
}

impl KnownBudget {
    /// Its parts.
    #[must_use]
    pub const fn new(
        scope: KnownScope,
        strategy: Strategy,
        limits: KnownLimits,
        key: KnownKey,
    ) -> Self {
        Self {
            scope,
            strategy,
            limits,
            key,
        }
    }

    /// The limits, unless they depend on the request.
    pub(crate) fn constant_limits(&self) -> Option<Limits> {
        match self.limits {
            KnownLimits::Unknown => None,
            KnownLimits::Constant(limits) => Some(limits),
            KnownLimits::Expr(limits) => limits(),
        }
    }

    /// Whether each route has a budget of its own.
    pub(crate) fn is_per_route(&self) -> bool {
        match &self.scope {
            KnownScope::PerRoute(_) => true,
            KnownScope::Function { is_route, .. } => is_route(),
            KnownScope::Fixed(_) | KnownScope::Shared(_) | KnownScope::Computed => false,
        }
    }

    /// Whether the first part of the key is what a scope function returns.
    pub(crate) fn has_computed_scope(&self) -> bool {
        match &self.scope {
            KnownScope::Computed => true,
            KnownScope::Function { is_route, .. } => !is_route(),
            KnownScope::Fixed(_) | KnownScope::Shared(_) | KnownScope::PerRoute(_) => false,
        }
    }

    /// The scope of the budget on a route, which matters only if each route has its own.
    pub(crate) fn scope<'a>(&'a self, route: &'a str) -> Scope<'a> {
        match &self.scope {
            KnownScope::Fixed(scope) => *scope,
            KnownScope::Shared(name) => Scope::shared(name),
            KnownScope::PerRoute(scope) => scope.on_route(route),
            KnownScope::Function { scope, is_route } if is_route() => scope.on_route(route),
            KnownScope::Function { .. } | KnownScope::Computed => Scope::computed(),
        }
    }
}

/// Limits that are a constant expression; `None` for a function.
#[must_use]
pub fn constant_limits<T: 'static>(limits: &T) -> Option<Limits> {
    let any: &dyn Any = limits;
    let constant = any.downcast_ref::<Limits>();
    let constant = constant.or_else(|| any.downcast_ref::<&'static Limits>().copied());
    constant.copied()
}

impl fmt::Debug for KnownKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "Unknown",
            Self::Default => "Default",
            Self::Attribute(_) => "Attribute",
            Self::Layer(_) => "Layer",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use limit_core::limits;

    #[test]
    fn limits_are_constant_whether_by_value_or_by_reference() {
        static FIVE: Limits = limits!("5/minute");
        fn tier() -> Limits {
            FIVE
        }
        assert_eq!(constant_limits(&FIVE), Some(FIVE));
        assert_eq!(constant_limits(&&FIVE), Some(FIVE));
        assert_eq!(constant_limits(&tier), None);
    }

    #[test]
    fn a_scope_function_is_a_part_of_the_key_unless_it_is_route() {
        let scope = Scope::handler("app::predict", "client_ip");
        let budget = |is_route| {
            let scope = KnownScope::Function { scope, is_route };
            let (limits, key) = (KnownLimits::Unknown, KnownKey::Default);
            KnownBudget::new(scope, Strategy::MovingWindow, limits, key)
        };
        let (by_route, by_function) = (budget(|| true), budget(|| false));
        assert_eq!(by_route.scope("/a"), scope.on_route("/a"));
        assert!(by_route.is_per_route() && !by_route.has_computed_scope());
        assert_eq!(by_function.scope("/a"), Scope::computed());
        assert!(!by_function.is_per_route() && by_function.has_computed_scope());
    }
}
