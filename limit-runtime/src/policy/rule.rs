//! What `#[rate_limit]` expands to: a policy of rules, resolved for each request.

use super::{
    config::{ConfigRef, PolicyConfig},
    resolution::{Resolution, UnresolvedRule},
    resolved_rule::SingleRule,
    source::{IsBuiltIn, Source},
};
use crate::{
    extract::{
        maybe_ready::ready_or_await,
        role::{CostRole, KeyRole, LimitsRole},
    },
    observe::observer::may_dry_run,
};
use http::request::Parts;
use std::future::Future;

/// The limits of one handler, under the router state `S`.
///
/// `L` says from where the handler's last argument is extracted, if functions of extractors may
/// take it too: the head of the request (`LastInHead`) or its body (`LastInBody`). It is always
/// inferred.
pub trait Policy<S, L = ()> {
    /// One rule for each attribute.
    fn rules() -> impl Rules<S>;
}

/// Which rules are resolved.
#[derive(Clone, Copy, Debug)]
pub struct Pass {
    /// Only rules that need no function of the application. `None`: all that have not been resolved
    /// yet.
    cheap: Option<IsBuiltIn>,
    /// Not these rules.
    except: RuleSet,
}

impl Pass {
    /// All rules that have not been resolved yet.
    pub(crate) const REST: Self = Self {
        cheap: None,
        except: RuleSet::EMPTY,
    };

    /// Rules that need no function of the application.
    #[inline]
    pub(crate) fn cheap(is_built_in: IsBuiltIn) -> Self {
        Self {
            cheap: Some(is_built_in),
            ..Self::REST
        }
    }

    /// Whether only cheap rules are resolved.
    pub(crate) fn is_of_cheap_rules(self) -> bool {
        self.cheap.is_some()
    }

    /// Whether a rule is not resolved.
    #[inline]
    pub(crate) fn leaves_out(self, rule: u8) -> bool {
        self.except.contains(rule)
    }

    #[inline]
    pub(crate) fn except(self, except: RuleSet) -> Self {
        Self { except, ..self }
    }
}

/// A set of the rules of a handler, by their index. A handler has at most eight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RuleSet(u8);

impl RuleSet {
    pub(crate) const EMPTY: Self = Self(0);

    #[inline]
    pub(crate) fn insert(&mut self, rule: u8) {
        self.0 |= 1_u8.checked_shl(rule.into()).unwrap_or(0);
    }

    /// The rules at these indices.
    pub(crate) fn of(rules: impl IntoIterator<Item = usize>) -> Self {
        let mut set = Self::EMPTY;
        let rules = rules.into_iter().filter_map(|rule| u8::try_from(rule).ok());
        rules.for_each(|rule| set.insert(rule));
        set
    }

    #[inline]
    pub(crate) fn contains(self, rule: u8) -> bool {
        self.0.checked_shr(rule.into()).unwrap_or(0) & 1 == 1
    }

    /// [`contains`](Self::contains) of the rule at this index.
    pub(crate) fn contains_index(self, index: usize) -> bool {
        u8::try_from(index).is_ok_and(|rule| self.contains(rule))
    }

    #[inline]
    pub(crate) fn is_empty(self) -> bool {
        self == Self::EMPTY
    }
}

/// The result of [`Rules::resolve_single`].
#[derive(Debug)]
pub enum Single<T> {
    /// The rule does not limit the request. `None` if there is not a single rule.
    Exempt(Option<&'static PolicyConfig>),
    /// The rule has been checked.
    Checked(T),
    /// The rule has been resolved, or has rejected the request. Boxed, because it is large to move,
    /// and rare.
    Unchecked(Box<Resolution>),
}

/// One or more rules, to be resolved for a request.
pub trait Rules<S>: Send {
    /// The number of rules, at most eight.
    const COUNT: u8;

    /// Whether [`are_ready`](Self::are_ready) holds for every request. Then no asynchronous code is
    /// compiled for these rules.
    const ARE_ALWAYS_READY: bool;

    /// Whether all rules can be resolved without awaiting anything.
    fn are_ready(&self, parts: &Parts) -> bool;

    /// Whether a rule may be in dry run, for any limiter of the process.
    fn may_dry_run(&self) -> bool;

    /// Calls `f` with the settings of each rule.
    fn for_each_config(&self, f: &mut dyn FnMut(&'static PolicyConfig));

    /// The number of rules that need no function of the application.
    fn cheap(&self, parts: &Parts, is_built_in: IsBuiltIn) -> u8;

    /// Resolves a single rule that is ready, and checks it where it is: a key is large to move.
    /// What `check` returns is the result; if that is `None`, the resolved rule is. Several rules
    /// are exempt.
    fn resolve_single<T>(
        self,
        parts: &Parts,
        check: impl FnOnce(&SingleRule<'_>) -> Option<T>,
    ) -> Single<T>;

    /// [`resolve`](Self::resolve) for rules that are ready.
    fn resolve_now(&mut self, pass: Pass, first: u8, parts: &Parts, resolution: &mut Resolution);

    /// Resolves the rules of this pass. The first of them has the index `first`.
    ///
    /// After a rejection, the functions of the other rules are still called, so the order of rules
    /// makes no difference.
    fn resolve(
        &mut self,
        pass: Pass,
        first: u8,
        parts: &mut Parts,
        state: &S,
        resolution: &mut Resolution,
    ) -> impl Future<Output = ()> + Send;
}

/// One attribute: its settings, and the sources of key, limits and cost.
#[derive(Debug)]
pub struct Rule<K, L, C> {
    config: &'static PolicyConfig,
    /// `None` once the rule has been resolved.
    sources: Option<(K, L, C)>,
}

/// Creates the rule of one attribute.
#[inline]
pub fn rule<K, L, C>(config: &'static PolicyConfig, key: K, limits: L, cost: C) -> Rule<K, L, C> {
    Rule {
        config,
        sources: Some((key, limits, cost)),
    }
}

impl<S, K, L, C> Rules<S> for Rule<K, L, C>
where
    S: Sync,
    K: Source<KeyRole, S>,
    L: Source<LimitsRole, S>,
    C: Source<CostRole, S>,
{
    const COUNT: u8 = 1;
    const ARE_ALWAYS_READY: bool = K::IS_ALWAYS_READY && L::IS_ALWAYS_READY && C::IS_ALWAYS_READY;

    #[inline]
    fn are_ready(&self, parts: &Parts) -> bool {
        let are_ready = |(key, limits, cost): &(K, L, C)| {
            key.is_ready(parts) && limits.is_ready(parts) && cost.is_ready(parts)
        };
        self.sources.as_ref().is_none_or(are_ready)
    }

    #[inline(always)]
    fn resolve_single<T>(
        self,
        parts: &Parts,
        check: impl FnOnce(&SingleRule<'_>) -> Option<T>,
    ) -> Single<T> {
        let config = self.config;
        let Some((key, limits, cost)) = self.sources else {
            return Single::Exempt(None);
        };
        if !config.applies_to(&parts.method) {
            return Single::Exempt(Some(config));
        }
        let is_per_route = key.is_per_route();
        let key = key.resolve_now(parts);
        let limits = limits.resolve_now(parts);
        let cost = cost.resolve_now(parts);
        if let (Ok(key), Ok(Some(limits)), &Ok(cost)) = (&key, &limits, &cost) {
            let rule = SingleRule {
                config,
                is_per_route,
                key,
                limits,
                cost,
            };
            if let Some(checked) = check(&rule) {
                return Single::Checked(checked);
            }
        }
        let rule = UnresolvedRule {
            index: 0,
            config: ConfigRef::Static(config),
            is_per_route,
        };
        let mut resolution = Resolution::default();
        resolution.add(rule, key, limits, cost);
        Single::Unchecked(Box::new(resolution))
    }

    #[inline]
    fn resolve_now(&mut self, pass: Pass, first: u8, parts: &Parts, resolution: &mut Resolution) {
        let Some((key, limits, cost)) = self.take::<S>(pass, first, parts, resolution) else {
            return;
        };
        let rule = UnresolvedRule {
            index: first,
            config: ConfigRef::Static(self.config),
            is_per_route: key.is_per_route(),
        };
        let key = key.resolve_now(parts);
        let limits = limits.resolve_now(parts);
        let cost = cost.resolve_now(parts);
        resolution.add(rule, key, limits, cost);
    }

    #[inline]
    fn may_dry_run(&self) -> bool {
        may_dry_run(self.config.is_dry_run)
    }

    fn for_each_config(&self, f: &mut dyn FnMut(&'static PolicyConfig)) {
        f(self.config);
    }

    #[inline]
    fn cheap(&self, parts: &Parts, is_built_in: IsBuiltIn) -> u8 {
        let is_cheap = |(key, limits, cost): &(K, L, C)| {
            key.is_cheap(parts, is_built_in)
                && limits.is_cheap(parts, is_built_in)
                && cost.is_cheap(parts, is_built_in)
        };
        u8::from(self.sources.as_ref().is_some_and(is_cheap))
    }

    #[inline]
    #[expect(
        clippy::manual_async_fn,
        reason = "an `async fn` holds its arguments twice"
    )]
    fn resolve(
        &mut self,
        pass: Pass,
        first: u8,
        parts: &mut Parts,
        state: &S,
        resolution: &mut Resolution,
    ) -> impl Future<Output = ()> + Send {
        async move {
            let Some((key, limits, cost)) = self.take::<S>(pass, first, parts, resolution) else {
                return;
            };
            let is_per_route = key.is_per_route();
            let key = ready_or_await!(key.resolve(parts, state));
            let limits = ready_or_await!(limits.resolve(parts, state));
            let cost = ready_or_await!(cost.resolve(parts, state));
            let rule = UnresolvedRule {
                index: first,
                config: ConfigRef::Static(self.config),
                is_per_route,
            };
            resolution.add(rule, key, limits, cost);
        }
    }
}

impl<K, L, C> Rule<K, L, C> {
    /// Takes the sources, if the rule is one of this pass and limits the request.
    #[inline]
    fn take<S>(
        &mut self,
        pass: Pass,
        index: u8,
        parts: &Parts,
        resolution: &mut Resolution,
    ) -> Option<(K, L, C)>
    where
        Self: Rules<S>,
    {
        if pass.leaves_out(index) {
            return None;
        }
        if let Some(is_built_in) = pass.cheap
            && self.cheap(parts, is_built_in) == 0
        {
            return None;
        }
        let sources = self.sources.take()?;
        if !self.config.applies_to(&parts.method) {
            resolution.exempt(&ConfigRef::Static(self.config));
            return None;
        }
        Some(sources)
    }
}

impl<S: Sync, First: Rules<S>, Others: Rules<S>> Rules<S> for (First, Others) {
    const COUNT: u8 = First::COUNT + Others::COUNT;
    const ARE_ALWAYS_READY: bool = First::ARE_ALWAYS_READY && Others::ARE_ALWAYS_READY;

    #[inline]
    fn are_ready(&self, parts: &Parts) -> bool {
        self.0.are_ready(parts) && self.1.are_ready(parts)
    }

    #[inline]
    fn resolve_single<T>(
        self,
        _: &Parts,
        _: impl FnOnce(&SingleRule<'_>) -> Option<T>,
    ) -> Single<T> {
        Single::Exempt(None)
    }

    #[inline]
    fn resolve_now(&mut self, pass: Pass, first: u8, parts: &Parts, resolution: &mut Resolution) {
        self.0.resolve_now(pass, first, parts, resolution);
        let next = first + First::COUNT;
        self.1.resolve_now(pass, next, parts, resolution);
    }

    #[inline]
    fn may_dry_run(&self) -> bool {
        self.0.may_dry_run() || self.1.may_dry_run()
    }

    fn for_each_config(&self, f: &mut dyn FnMut(&'static PolicyConfig)) {
        self.0.for_each_config(f);
        self.1.for_each_config(f);
    }

    #[inline]
    fn cheap(&self, parts: &Parts, is_built_in: IsBuiltIn) -> u8 {
        self.0.cheap(parts, is_built_in) + self.1.cheap(parts, is_built_in)
    }

    #[inline]
    async fn resolve(
        &mut self,
        pass: Pass,
        first: u8,
        parts: &mut Parts,
        state: &S,
        resolution: &mut Resolution,
    ) {
        self.0.resolve(pass, first, parts, state, resolution).await;
        let next = first + First::COUNT;
        self.1.resolve(pass, next, parts, state, resolution).await;
    }
}
