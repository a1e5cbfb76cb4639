//! The settings of a policy that are known before there is a request.

use crate::{
    response::exceeded::{Exceeded, OnLimited},
    store::Fallback,
    window::Strategy,
};
use axum::response::Response;
use http::Method;
use std::{fmt, ops::Deref, sync::Arc, time::Duration};

/// What an attribute knows at compile time, and a layer when it is built.
#[derive(Clone)]
pub struct PolicyConfig {
    pub(crate) name: &'static str,
    pub(crate) scope: ScopeConfig,
    pub(crate) strategy: Strategy,
    pub(crate) key_label: &'static str,
    pub(crate) methods: &'static [&'static str],
    pub(crate) wait: Duration,
    pub(crate) on_limited: Option<fn(&Exceeded<'_>) -> Response>,
    pub(crate) on_limited_of_layer: Option<Arc<OnLimited>>,
    pub(crate) count_when: Option<fn(&Response) -> bool>,
    pub(crate) on_store_error: Option<Fallback>,
}

impl PolicyConfig {
    /// A policy that clients read as `name`.
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
        }
    }

    /// How hits are counted.
    #[must_use]
    pub const fn strategy(mut self, strategy: Strategy) -> Self {
        self.strategy = strategy;
        self
    }

    /// What is counted by, in the words of the source.
    #[must_use]
    pub const fn key_label(mut self, label: &'static str) -> Self {
        self.key_label = label;
        self
    }

    /// Which methods it applies to; all by default.
    #[must_use]
    pub const fn methods(mut self, methods: &'static [&'static str]) -> Self {
        self.methods = methods;
        self
    }

    /// How long a request may wait for room.
    #[must_use]
    pub const fn wait(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }

    /// What a refused client is answered.
    #[must_use]
    pub const fn on_limited(mut self, answer: fn(&Exceeded<'_>) -> Response) -> Self {
        self.on_limited = Some(answer);
        self
    }

    /// Which answers count: the charge is given back for others.
    #[must_use]
    pub const fn count_when(mut self, counts: fn(&Response) -> bool) -> Self {
        self.count_when = Some(counts);
        self
    }

    /// What to do if the store does not answer.
    #[must_use]
    pub const fn on_store_error(mut self, fallback: Fallback) -> Self {
        self.on_store_error = Some(fallback);
        self
    }
}

impl PolicyConfig {
    /// Whether it applies to requests of this method.
    #[inline]
    pub(crate) fn applies_to(&self, method: &Method) -> bool {
        self.methods.is_empty() || self.lists(method)
    }

    /// The response of the policy's own to requests that it refuses.
    pub(crate) fn own_response(&self) -> Option<&OnLimited> {
        match (&self.on_limited_of_layer, &self.on_limited) {
            (Some(answer), _) => Some(&**answer),
            (None, Some(answer)) => Some(answer),
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

/// Whether a handler for `listed` answers requests of `method`: Axum answers `HEAD` where there is `GET`.
pub(crate) fn is_served_as(method: &Method, listed: &str) -> bool {
    method == listed || (method == Method::HEAD && listed == Method::GET)
}

/// Which budget a policy draws on.
#[derive(Clone, Debug)]
pub enum ScopeConfig {
    /// The handler's own.
    Handler {
        /// Module path and function name.
        path: &'static str,
        /// The identity of the rule within the handler: its name, or its key as written.
        rule: &'static str,
    },
    /// One that is shared by name.
    Shared(&'static str),
    /// Computed for each request: shared by what a function returns, which is a part of the key,
    /// or the handler's own on one route.
    Computed {
        /// Module path and function name.
        path: &'static str,
        /// The identity of the rule within the handler.
        rule: &'static str,
    },
    /// The same for a text that is known only at run time.
    SharedText(Arc<str>),
    /// The layer's own, by the layer's name.
    Layer(&'static str),
}

/// A [`PolicyConfig`]: an attribute's is static, a layer's is shared by its clones.
#[derive(Clone, Debug)]
pub(crate) enum ConfigRef {
    /// An attribute's.
    Static(&'static PolicyConfig),
    /// A layer's.
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
