//! The settings of a layer with limits.

use super::scope::LayerScope;
use crate::{
    diagnostics::{self, Misconfiguration},
    extract::role::{CostRole, KeyRole, LimitsRole},
    limiter::Limiter,
    observe::{
        concurrency::Concurrency,
        known_budget::{KnownBudget, KnownKey, KnownLimits, KnownScope},
        layer_registry::LimitsIdentity,
    },
    policy::{boxed::BoxedFn, config::PolicyConfig},
    store::Scope,
};
use http::{Method, request::Parts};
use std::{borrow::Cow, fmt, num::NonZeroU64, panic::Location, sync::Arc, time::Duration};

/// The configuration of a layer.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) limiter: Limiter,
    /// Where in the source the layer is created, for warnings.
    pub(super) place: &'static Location<'static>,
    pub(super) name: &'static str,
    pub(super) limits_identity: LimitsIdentity,
    /// The settings that layers share with attributes, except the scope.
    pub(super) config: PolicyConfig,
    pub(super) scope: LayerScope,
    pub(super) limits: BoxedFn<LimitsRole>,
    /// `None` for the limiter's default key.
    pub(super) key: Option<BoxedFn<KeyRole>>,
    /// The key, if no function of the application computes it.
    pub(super) known_key: KnownKey,
    pub(super) cost: Option<BoxedFn<CostRole>>,
    /// The cost as text, for the list of limits.
    pub(super) cost_label: Cow<'static, str>,
    /// Empty for all methods.
    pub(super) methods: Vec<Method>,
    pub(super) exceptions: Vec<Box<str>>,
    pub(super) skip_when: Option<Arc<SkipWhen>>,
    /// When to end a response that holds a permit.
    pub(super) hold_at_most: Option<Duration>,
}

impl Settings {
    pub(super) fn set_concurrency(&mut self, max: u64) {
        let max = NonZeroU64::new(max).unwrap_or_else(|| {
            let (name, place) = (self.name, self.place);
            diagnostics::warn_once_with(
                Misconfiguration::NoConcurrency,
                format_args!("the layer `{name}` at {place}"),
            );
            NonZeroU64::MIN
        });
        let is_only_limit = !self.config.has_limits();
        self.config.concurrency = Some(Concurrency {
            is_only_limit,
            ..Concurrency::of(max)
        });
    }

    /// The concurrency limit.
    pub(super) fn concurrency(&self) -> Option<Concurrency> {
        let concurrency = self.config.concurrency?;
        Some(Concurrency {
            hold_at_most: self.hold_at_most,
            ..concurrency
        })
    }

    /// Removes all limits but the concurrency limit.
    pub(super) fn set_only_concurrency(&mut self) {
        if let Some(concurrency) = &mut self.config.concurrency {
            concurrency.is_only_limit = true;
        }
    }

    /// What is known of the layer's budgets without a request.
    pub(super) fn known_budget(&self) -> KnownBudget {
        let scope = match &self.scope {
            LayerScope::Own => KnownScope::Fixed(Scope::layer(self.name)),
            LayerScope::Route => KnownScope::PerRoute(Scope::layer(self.name)),
            LayerScope::Shared(name) => KnownScope::Shared(name.clone()),
            LayerScope::Computed(_) => KnownScope::Computed,
        };
        let limits = match self.limits_identity {
            _ if !self.config.has_limits() => KnownLimits::Unknown,
            LimitsIdentity::Constant(limits) => KnownLimits::Constant(limits),
            LimitsIdentity::Function { .. } => KnownLimits::Unknown,
        };
        let key = self.known_key.clone();
        KnownBudget::new(scope, self.config.strategy, limits, key)
    }
}

pub(super) type SkipWhen = dyn Fn(&Parts) -> bool + Send + Sync;

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimitLayer")
            .field("limiter", &self.limiter)
            .field("name", &self.name)
            .field("scope", &self.scope)
            .field("except", &self.exceptions)
            .finish_non_exhaustive()
    }
}
