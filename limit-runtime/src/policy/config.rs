//! Settings of a policy, which are the same for all requests.

use super::reserve::{CostCap, OnUnknown};
use crate::{
    observe::{
        concurrency::Concurrency, declaration::RuleDeclaration, policy_record::PolicyRecord,
        policy_records::PolicyId,
    },
    response::exceeded::{Exceeded, OnLimited},
    store::{Fallback, Scope},
    window::Strategy,
};
use axum::{extract::MatchedPath, response::Response};
use http::Method;
use limit_core::Limits;
use std::{fmt, ops::Deref, sync::Arc, time::Duration};

/// Settings of one rule: known at compile time for an attribute, and at build time for a layer.
#[derive(Clone)]
pub struct PolicyConfig {
    pub(crate) name: &'static str,
    pub(crate) scope: ScopeConfig,
    pub(crate) strategy: Strategy,
    pub(crate) key_label: &'static str,
    pub(crate) methods: &'static [&'static str],
    pub(crate) wait: Duration,
    pub(crate) concurrency: Option<Concurrency>,
    pub(crate) on_limited: Option<fn(&Exceeded<'_>) -> Response>,
    /// `on_limited` of a layer: a closure may capture values.
    pub(crate) on_limited_of_layer: Option<Arc<OnLimited>>,
    pub(crate) count_when: Option<fn(&Response) -> bool>,
    pub(crate) on_store_error: Option<Fallback>,
    /// What an attribute says as text. It identifies the policy.
    pub(crate) declaration: Option<&'static RuleDeclaration>,
    /// The counters of a layer.
    pub(crate) layer: Option<Arc<PolicyRecord>>,
    pub(crate) is_dry_run: bool,
    pub(crate) on_unknown: OnUnknown,
    pub(crate) cap_cost: Option<CostCap>,
    /// Whether a check, or what follows it, needs the state of its request: for a wait, a
    /// `count_when`, a permit or a cap of the cost. Only valid for an attribute.
    pub(crate) needs_state: bool,
}

impl PolicyConfig {
    /// A policy with this name in headers and logs, and default settings.
    #[must_use]
    pub const fn new(name: &'static str, scope: ScopeConfig) -> Self {
        Self {
            name,
            scope,
            strategy: Strategy::MovingWindow,
            key_label: "client_ip",
            methods: &[],
            wait: Duration::ZERO,
            concurrency: None,
            on_limited: None,
            on_limited_of_layer: None,
            count_when: None,
            on_store_error: None,
            declaration: None,
            layer: None,
            is_dry_run: false,
            needs_state: false,
            on_unknown: OnUnknown::Keep,
            cap_cost: None,
        }
    }

    /// The strategy. Default: moving window.
    #[must_use]
    pub const fn strategy(mut self, strategy: Strategy) -> Self {
        self.strategy = strategy;
        self
    }

    /// The key as written in the source. Default: `client_ip`.
    #[must_use]
    pub const fn key_label(mut self, label: &'static str) -> Self {
        self.key_label = label;
        self
    }

    /// The methods that the rule applies to. Default: all.
    #[must_use]
    pub const fn methods(mut self, methods: &'static [&'static str]) -> Self {
        self.methods = methods;
        self
    }

    /// How long a request may wait for room. Default: not at all.
    #[must_use]
    pub const fn wait(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self.needs_state |= !wait.is_zero();
        self
    }

    /// The response to refused requests. Default: that of the limiter.
    #[must_use]
    pub const fn on_limited(mut self, respond: fn(&Exceeded<'_>) -> Response) -> Self {
        self.on_limited = Some(respond);
        self
    }

    /// Which responses count; for all others, the charge is refunded. Default: all count.
    #[must_use]
    pub const fn count_when(mut self, counts: fn(&Response) -> bool) -> Self {
        self.count_when = Some(counts);
        self.needs_state = true;
        self
    }

    /// What the attribute says as text, which also identifies it. Default: none, and nothing is
    /// counted for the policy.
    #[must_use]
    pub const fn declared(mut self, rule: &'static RuleDeclaration) -> Self {
        self.declaration = Some(rule);
        self.is_dry_run = rule.is_dry_run;
        self.concurrency = rule.max_in_flight;
        self.needs_state |= rule.max_in_flight.is_some();
        self
    }

    /// What to do if the store does not answer. Default: the limiter's fallback.
    #[must_use]
    pub const fn on_store_error(mut self, fallback: Fallback) -> Self {
        self.on_store_error = Some(fallback);
        self
    }

    /// What becomes of an estimate if the use is not known. Default: it is kept.
    #[must_use]
    pub const fn on_unknown(mut self, on_unknown: OnUnknown) -> Self {
        self.on_unknown = on_unknown;
        self
    }

    /// The most that a request is charged at admission. Default: its cost.
    #[must_use]
    pub const fn cap_cost(mut self, cap: CostCap) -> Self {
        self.cap_cost = Some(cap);
        self.needs_state = true;
        self
    }
}

impl PolicyConfig {
    /// The policy as the limiter's counters know it.
    #[inline]
    pub(crate) fn id(&self) -> PolicyId<'_> {
        match (self.declaration, &self.layer) {
            (Some(rule), _) => PolicyId::Attribute(rule),
            (None, Some(layer)) => PolicyId::Layer(layer),
            (None, None) => PolicyId::Unknown,
        }
    }

    /// Whether the rule has a cost, which may be an estimate.
    pub(crate) fn has_cost(&self) -> bool {
        match self.id() {
            PolicyId::Attribute(rule) => rule.cost != "1",
            PolicyId::Layer(layer) => layer.source.cost() != "1",
            PolicyId::Unknown => false,
        }
    }

    /// The cost, or less if it is capped.
    pub(crate) fn capped(&self, cost: u64, limits: &Limits) -> u64 {
        match self.cap_cost {
            None => cost,
            Some(cap) => cost.min(cap.units(limits, self.strategy)),
        }
    }

    /// Whether the rule applies to requests of this method.
    #[inline]
    pub(crate) fn applies_to(&self, method: &Method) -> bool {
        self.methods.is_empty() || self.lists(method)
    }

    /// Whether the rule has limits, and not only a concurrency limit.
    pub(crate) fn has_limits(&self) -> bool {
        !self
            .concurrency
            .is_some_and(|concurrency| concurrency.is_only_limit)
    }

    /// `on_limited` of this policy; `None` for that of the limiter.
    pub(crate) fn own_response(&self) -> Option<&OnLimited> {
        match (&self.on_limited_of_layer, &self.on_limited) {
            (Some(respond), _) => Some(&**respond),
            (None, Some(respond)) => Some(respond),
            (None, None) => None,
        }
    }

    fn lists(&self, method: &Method) -> bool {
        let mut listed = self.methods.iter();
        listed.any(|listed| is_served_as(method, listed))
    }
}

impl fmt::Debug for PolicyConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PolicyConfig")
            .field("name", &self.name)
            .field("scope", &self.scope)
            .field("strategy", &self.strategy)
            .finish_non_exhaustive()
    }
}

/// Whether a handler of the method `listed` serves requests of `method`: Axum routes `HEAD` to the
/// handler of `GET`.
pub(crate) fn is_served_as(method: &Method, listed: &str) -> bool {
    method == listed || (method == Method::HEAD && listed == Method::GET)
}

/// Which budget a rule uses.
#[derive(Clone, Debug)]
pub enum ScopeConfig {
    /// The budget of this scope.
    Fixed(Scope<'static>),
    /// A budget that a scope function determines for each request: shared by the value that it
    /// returns, which is a part of the key, or this one on one route.
    Computed(Scope<'static>),
    /// A budget shared by a name that is known at run time.
    SharedText(Arc<str>),
}

impl ScopeConfig {
    /// A budget of the handler `path` (module path and function name). `rule` is the identity of
    /// the rule within the handler: its name, or its key as written.
    #[must_use]
    pub const fn handler(path: &'static str, rule: &'static str) -> Self {
        Self::Fixed(Scope::handler(path, rule))
    }

    /// A budget shared by this name.
    #[must_use]
    pub const fn shared(name: &'static str) -> Self {
        Self::Fixed(Scope::shared(name))
    }

    /// The budget of the layer of this name.
    pub(crate) const fn layer(name: &'static str) -> Self {
        Self::Fixed(Scope::layer(name))
    }

    /// A budget that a scope function of the handler determines.
    #[must_use]
    pub const fn computed(path: &'static str, rule: &'static str) -> Self {
        Self::Computed(Scope::handler(path, rule))
    }

    /// The scope, of which the route is a part if each route has its own budget.
    #[inline(always)]
    pub(crate) fn scope<'a>(
        &'a self,
        is_per_route: bool,
        route: Option<&'a MatchedPath>,
    ) -> Scope<'a> {
        match self {
            Self::Fixed(scope) | Self::Computed(scope) if is_per_route => {
                scope.on_route(route.map_or("", MatchedPath::as_str))
            }
            Self::Fixed(scope) => *scope,
            Self::Computed(_) => const { Scope::computed() },
            Self::SharedText(name) => Scope::shared(name),
        }
    }
}

/// A reference to a [`PolicyConfig`].
#[derive(Clone, Debug)]
pub(crate) enum ConfigRef {
    /// Of an attribute.
    Static(&'static PolicyConfig),
    /// Of a layer, shared by its clones.
    Shared(Arc<PolicyConfig>),
}

impl Deref for ConfigRef {
    type Target = PolicyConfig;

    fn deref(&self) -> &PolicyConfig {
        match self {
            Self::Static(config) => config,
            Self::Shared(config) => config,
        }
    }
}
