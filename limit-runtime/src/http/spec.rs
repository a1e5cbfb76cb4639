//! What is asked of the limiter for one request: what an attribute or a layer said, resolved.

use super::exceeded::Exceeded;
use crate::{
    key::Key,
    store::{Charge, Fallback, Scope},
    window::Strategy,
};
use axum::{extract::MatchedPath, response::Response};
use http::Method;
use limit_core::Limits;
use smallvec::SmallVec;
use std::{fmt, ops::Deref, sync::Arc, time::Duration};

/// What an attribute knows at compile time, and a layer when it is made.
#[derive(Clone)]
pub struct Spec {
    pub(super) name: &'static str,
    pub(super) scope: ScopeSpec,
    pub(super) strategy: Strategy,
    pub(super) key_label: &'static str,
    pub(super) methods: &'static [&'static str],
    pub(super) wait: Duration,
    pub(super) on_limited: Option<OnLimited>,
    pub(super) on_limited_of_layer: Option<Arc<OnLimitedOfLayer>>,
    pub(super) count_when: Option<fn(&Response) -> bool>,
    pub(super) on_store_error: Option<Fallback>,
}

/// What a refused client is answered.
pub(super) type OnLimited = fn(&Exceeded<'_>) -> Response;
/// The same of a layer: a function that may capture values.
pub(super) type OnLimitedOfLayer = dyn Fn(&Exceeded<'_>) -> Response + Send + Sync;

impl Spec {
    /// A policy that clients read as `name`.
    #[must_use]
    pub const fn new(name: &'static str, scope: ScopeSpec) -> Self {
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

impl Spec {
    /// Whether it applies to requests of this method.
    #[inline]
    pub(super) fn applies_to(&self, method: &Method) -> bool {
        self.methods.is_empty() || self.lists(method)
    }

    /// The response of the policy's own to requests that it refuses.
    pub(super) fn own_response(&self) -> Option<&OnLimitedOfLayer> {
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

impl fmt::Debug for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spec")
            .field("name", &self.name)
            .field("scope", &self.scope)
            .field("strategy", &self.strategy)
            .finish_non_exhaustive()
    }
}

/// Whether a handler for `listed` answers requests of `method`: Axum answers `HEAD` where there is `GET`.
pub(super) fn is_served_as(method: &Method, listed: &str) -> bool {
    method == listed || (method == Method::HEAD && listed == Method::GET)
}

/// Which budget a policy draws on.
#[derive(Clone, Debug)]
pub enum ScopeSpec {
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

/// A [`Spec`]: an attribute's is static, a layer's is shared by its clones.
#[derive(Clone, Debug)]
pub(super) enum SpecRef {
    /// An attribute's.
    Static(&'static Spec),
    /// A layer's.
    Shared(Arc<Spec>),
}

impl Deref for SpecRef {
    type Target = Spec;

    fn deref(&self) -> &Spec {
        match self {
            Self::Static(spec) => spec,
            Self::Shared(spec) => spec,
        }
    }
}

/// Limits as a rule gives them. They are large, and go from hand to hand as a pointer.
#[derive(Clone, Debug)]
pub enum GivenLimits {
    /// An attribute's.
    Static(&'static Limits),
    /// Those of this request.
    Own(Box<Limits>),
}

impl From<Limits> for GivenLimits {
    fn from(limits: Limits) -> Self {
        Self::Own(Box::new(limits))
    }
}

impl Deref for GivenLimits {
    type Target = Limits;

    #[inline]
    fn deref(&self) -> &Limits {
        match self {
            Self::Static(limits) => limits,
            Self::Own(limits) => limits,
        }
    }
}

/// One policy, resolved for one request.
#[derive(Clone, Debug)]
pub(super) struct Demand {
    /// The place of its rule among those of the handler.
    pub(super) rule: u8,
    /// What the policy is.
    pub(super) spec: SpecRef,
    /// Whether each route has a budget of its own.
    pub(super) is_per_route: bool,
    /// Who is counted.
    pub(super) key: Key,
    /// All of these must have room.
    pub(super) limits: GivenLimits,
    /// How much the request takes.
    pub(super) cost: u64,
    /// Rules that turned out to draw on the same budget, and are charged by this one.
    #[expect(
        clippy::box_collection,
        reason = "demands are moved with each request, and hardly any has others"
    )]
    pub(super) absorbed: Option<Box<Vec<Absorbed>>>,
}

/// A rule that draws on the budget of another one.
#[derive(Clone, Debug)]
pub(super) struct Absorbed {
    /// The place of the rule among those of the handler.
    pub(super) rule: u8,
    pub(super) spec: SpecRef,
}

/// All the policies on a handler, resolved for one request.
pub(super) type Demands = SmallVec<[Demand; 1]>;

impl Demand {
    /// Whether both draw on one budget.
    pub(super) fn is_same_budget(&self, other: &Self, route: Option<&MatchedPath>) -> bool {
        draw_on_same_budget(&self.charge(route), &other.charge(route))
    }

    /// The rules that it is charged for.
    pub(super) fn specs(&self) -> impl Iterator<Item = &Spec> {
        let absorbed = self.absorbed.iter().flat_map(|absorbed| absorbed.iter());
        let absorbed = absorbed.map(|absorbed| &*absorbed.spec);
        std::iter::once(&*self.spec).chain(absorbed)
    }

    /// How long the request may wait for room in the budget: as long as each of the rules allows.
    pub(super) fn max_wait(&self) -> Duration {
        let waits = self.specs().map(|spec| spec.wait);
        waits.min().unwrap_or_default()
    }

    /// The places of the rules that it is charged for.
    pub(super) fn rules(&self) -> impl Iterator<Item = usize> {
        let absorbed = self.absorbed.iter().flat_map(|absorbed| absorbed.iter());
        std::iter::once(self.rule)
            .chain(absorbed.map(|absorbed| absorbed.rule))
            .map(usize::from)
    }

    #[inline(always)]
    pub(super) fn charge<'a>(&'a self, route: Option<&'a MatchedPath>) -> Charge<'a> {
        let template = route.map_or("", MatchedPath::as_str);
        Charge {
            scope: match &self.spec.scope {
                ScopeSpec::Computed { path, rule } if self.is_per_route => {
                    Scope::handler(path, rule).on_route(template)
                }
                ScopeSpec::Handler { path, rule } => Scope::handler(path, rule),
                ScopeSpec::Shared(name) => Scope::shared(name),
                ScopeSpec::Computed { .. } => Scope::computed(),
                ScopeSpec::SharedText(name) => Scope::shared(name),
                ScopeSpec::Layer(name) if self.is_per_route => {
                    Scope::layer(name).on_route(template)
                }
                ScopeSpec::Layer(name) => Scope::layer(name),
            },
            key: &self.key,
            limits: &self.limits,
            cost: self.cost,
            strategy: match self.absorbed {
                None => self.spec.strategy,
                Some(_) => self.strictest_strategy(),
            },
            on_store_error: match self.absorbed {
                None => self.spec.on_store_error,
                Some(_) => self.strictest_fallback(),
            },
        }
    }

    /// That of the rules that it is charged for: of several bursts, the smallest.
    #[cold]
    fn strictest_strategy(&self) -> Strategy {
        let strategies = self.specs().map(|spec| spec.strategy);
        let strictest = strategies.min_by_key(|strategy| strategy.burst());
        strictest.unwrap_or(self.spec.strategy)
    }

    /// What the rules that it is charged for say of an outage. `None`, which is what the limiter
    /// says, may be any of the others, so that only a refusal is certainly stricter.
    #[cold]
    fn strictest_fallback(&self) -> Option<Fallback> {
        let fallbacks = self.specs().map(|spec| spec.on_store_error);
        let strictest = fallbacks.max_by_key(|fallback| match fallback {
            Some(Fallback::Allow) => 0,
            Some(Fallback::Local) => 1,
            None => 2,
            Some(Fallback::Deny) => 3,
        });
        strictest.flatten()
    }
}

/// Whether both would be counted in one place. The burst of GCRA is no part of a budget: two bursts
/// under limits of one window fill one bucket.
pub(super) fn draw_on_same_budget(charge: &Charge<'_>, other: &Charge<'_>) -> bool {
    if (charge.scope, charge.key) != (other.scope, other.key) {
        return false;
    }
    let mut limits = charge.limits.iter();
    charge.strategy == other.strategy
        || (charge.strategy.number() == other.strategy.number()
            && limits.any(|limit| {
                let mut others = other.limits.iter();
                others.any(|other| other.window() == limit.window())
            }))
}
