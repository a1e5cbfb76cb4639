//! Settings of a policy, which are the same for all requests.

use crate::{
    observe::{declaration::RuleDeclaration, observer::PolicyId, policy_record::PolicyRecord},
    response::exceeded::{Exceeded, OnLimited},
    store::{Fallback, Scope},
    window::Strategy,
};
use axum::{extract::MatchedPath, response::Response};
use http::Method;
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
            on_limited: None,
            on_limited_of_layer: None,
            count_when: None,
            on_store_error: None,
            declaration: None,
            layer: None,
            is_dry_run: false,
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
        self
    }

    /// What the attribute says as text, which also identifies it. Default: none, and nothing is
    /// counted for the policy.
    #[must_use]
    pub const fn declared(mut self, rule: &'static RuleDeclaration) -> Self {
        self.declaration = Some(rule);
        self.is_dry_run = rule.is_dry_run;
        self
    }

    /// What to do if the store does not answer. Default: the limiter's fallback.
    #[must_use]
    pub const fn on_store_error(mut self, fallback: Fallback) -> Self {
        self.on_store_error = Some(fallback);
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

    /// Whether the rule applies to requests of this method.
    #[inline]
    pub(crate) fn applies_to(&self, method: &Method) -> bool {
        self.methods.is_empty() || self.lists(method)
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
    /// A budget of the handler.
    Handler {
        /// Module path and function name.
        path: &'static str,
        /// The identity of the rule within the handler: its name, or its key as written.
        rule: &'static str,
    },
    /// A budget shared by this name.
    Shared(&'static str),
    /// A budget that a scope function determines for each request: shared by the value that it
    /// returns, which is a part of the key, or the handler's budget on one route.
    Computed {
        /// Module path and function name.
        path: &'static str,
        /// The identity of the rule within the handler.
        rule: &'static str,
    },
    /// A budget shared by a name that is known at run time.
    SharedText(Arc<str>),
    /// The budget of the layer of this name.
    Layer(&'static str),
}

impl ScopeConfig {
    /// The scope, of which the route is a part if each route has its own budget.
    #[inline(always)]
    pub(crate) fn scope<'a>(
        &'a self,
        is_per_route: bool,
        route: Option<&'a MatchedPath>,
    ) -> Scope<'a> {
        let template = || route.map_or("", MatchedPath::as_str);
        match self {
            Self::Handler { path, rule } => Scope::handler(path, rule),
            Self::Computed { path, rule } if is_per_route => {
                Scope::handler(path, rule).on_route(template())
            }
            Self::Shared(name) => Scope::shared(name),
            Self::Computed { .. } => Scope::computed(),
            Self::SharedText(name) => Scope::shared(name),
            Self::Layer(name) if is_per_route => Scope::layer(name).on_route(template()),
            Self::Layer(name) => Scope::layer(name),
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
