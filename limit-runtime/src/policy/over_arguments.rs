//! Policies of handlers with rules over their arguments.

use super::argument_source::{ArgumentSource, OverArguments};
use super::config::{ConfigRef, PolicyConfig};
use super::resolution::{Resolution, UnresolvedRule};
use super::resolved_rule::SingleRule;
use super::rule::{Pass, Rule, RuleSet, Rules, Single};
use super::source::IsBuiltIn;
use crate::extract::argument_value::ArgumentValue;
use crate::extract::maybe_ready::MaybeReady;
use crate::extract::rejection::{Rejection, not_ready};
use crate::extract::role::{CostRole, KeyRole, LimitsRole};
use crate::observe::observer::may_dry_run;
use http::request::Parts;
use smallvec::SmallVec;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;

/// The limits of one handler, under the router state `S`, if a rule uses its last argument.
///
/// `All` has all arguments, as a tuple. `L` is as in [`Policy`](super::rule::Policy).
pub trait PolicyOverAllArguments<S, All, L = ()> {
    /// One rule for each attribute.
    fn rules() -> impl ArgumentRules<S, All>;
}

/// The limits of one handler, under the router state `S`, if rules use its arguments, but not the
/// last one.
///
/// `First` has the arguments up to the last one that a rule uses, `Rest` the others and `All` all
/// of them, as tuples. They are no associated types, which could not be private. `L` is as in
/// [`Policy`](super::rule::Policy).
pub trait PolicyOverFirstArguments<S, First, Rest, All, L = ()> {
    /// One rule for each attribute.
    fn rules() -> impl ArgumentRules<S, First>;

    /// All arguments, in order.
    fn join(first: First, rest: Rest) -> All;
}

/// One or more rules, of which some use the arguments `A`. Resolving them as [`Rules`] resolves
/// what needs no argument: a rule without a key or limits is then not in the resolution.
pub trait ArgumentRules<S, A>: Rules<S> {
    /// Calls the expressions over the arguments of the rules of `pass`. The first rule has the
    /// index `first`.
    fn call<'a>(
        &mut self,
        pass: ArgumentPass,
        first: u8,
        arguments: &'a A,
        values: &mut ArgumentValues<'a>,
    );
}

/// Which rules are called.
#[derive(Clone, Copy, Debug)]
pub struct ArgumentPass {
    /// Not these.
    pub(crate) except: RuleSet,
    /// The rules that are resolved but for their cost. A rule that is neither among these nor still
    /// to be resolved does not limit the request.
    pub(crate) resolved: RuleSet,
}

/// The values of rules that use the arguments.
pub(crate) type ArgumentValues<'a> = SmallVec<[RuleValues<'a>; 1]>;

/// What the arguments say about one rule.
pub enum RuleValues<'a> {
    /// The cost of the rule at this index, which is resolved otherwise.
    Cost(u8, ArgumentValue<'a, CostRole>),
    /// A rule that is not resolved otherwise.
    Rule(UnresolvedValues<'a>),
}

/// The values of a rule that needs the arguments for more than its cost.
pub struct UnresolvedValues<'a> {
    pub(crate) rule: UnresolvedRule,
    pub(crate) key: ArgumentValue<'a, KeyRole>,
    pub(crate) limits: ArgumentValue<'a, LimitsRole>,
    pub(crate) cost: ArgumentValue<'a, CostRole>,
}

impl RuleValues<'_> {
    /// Whether nothing has to be awaited.
    pub(crate) fn is_ready(&self) -> bool {
        match self {
            Self::Cost(_, cost) => matches!(cost, MaybeReady::Ready(_)),
            Self::Rule(values) => matches!(
                values,
                UnresolvedValues {
                    key: MaybeReady::Ready(_),
                    limits: MaybeReady::Ready(_),
                    cost: MaybeReady::Ready(_),
                    ..
                }
            ),
        }
    }
}

impl fmt::Debug for RuleValues<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RuleValues").finish_non_exhaustive()
    }
}

impl fmt::Debug for UnresolvedValues<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnresolvedValues").finish_non_exhaustive()
    }
}

/// A rule beside others that use the arguments: it uses none.
impl<S: Sync, A, K, L, C> ArgumentRules<S, A> for Rule<K, L, C>
where
    Self: Rules<S>,
{
    fn call<'a>(&mut self, _: ArgumentPass, _: u8, _: &'a A, _: &mut ArgumentValues<'a>) {}
}

impl<S: Sync, A, First, Others> ArgumentRules<S, A> for (First, Others)
where
    First: ArgumentRules<S, A>,
    Others: ArgumentRules<S, A>,
{
    fn call<'a>(
        &mut self,
        pass: ArgumentPass,
        first: u8,
        arguments: &'a A,
        values: &mut ArgumentValues<'a>,
    ) {
        self.0.call(pass, first, arguments, values);
        self.1.call(pass, first + First::COUNT, arguments, values);
    }
}

/// A rule of which only the cost is over the arguments. Before it is known, it is 1.
#[derive(Debug)]
pub struct WithCost<R, F> {
    rule: R,
    /// `None` once it has been called.
    cost: Option<OverArguments<F>>,
}

/// The rule with a cost over the arguments, in place of its own cost of 1.
#[inline]
pub fn with_cost<R, F>(rule: R, cost: OverArguments<F>) -> WithCost<R, F> {
    WithCost {
        rule,
        cost: Some(cost),
    }
}

impl<S: Sync, R: Rules<S>, F: Send> Rules<S> for WithCost<R, F> {
    const COUNT: u8 = R::COUNT;
    const ARE_ALWAYS_READY: bool = R::ARE_ALWAYS_READY;

    fn are_ready(&self, parts: &Parts) -> bool {
        self.rule.are_ready(parts)
    }

    fn may_dry_run(&self) -> bool {
        self.rule.may_dry_run()
    }

    fn for_each_config(&self, f: &mut dyn FnMut(&'static PolicyConfig)) {
        self.rule.for_each_config(f);
    }

    fn cheap(&self, parts: &Parts, is_built_in: IsBuiltIn) -> u8 {
        self.rule.cheap(parts, is_built_in)
    }

    fn resolve_single<T>(
        self,
        parts: &Parts,
        check: impl FnOnce(&SingleRule<'_>) -> Option<T>,
    ) -> Single<T> {
        self.rule.resolve_single(parts, check)
    }

    fn resolve_now(&mut self, pass: Pass, first: u8, parts: &Parts, resolution: &mut Resolution) {
        self.rule.resolve_now(pass, first, parts, resolution);
    }

    fn resolve(
        &mut self,
        pass: Pass,
        first: u8,
        parts: &mut Parts,
        state: &S,
        resolution: &mut Resolution,
    ) -> impl Future<Output = ()> + Send {
        self.rule.resolve(pass, first, parts, state, resolution)
    }
}

impl<S: Sync, A, R, F> ArgumentRules<S, A> for WithCost<R, F>
where
    R: Rules<S>,
    F: for<'a> FnOnce(&'a A) -> ArgumentValue<'a, CostRole> + Send,
{
    fn call<'a>(
        &mut self,
        pass: ArgumentPass,
        first: u8,
        arguments: &'a A,
        values: &mut ArgumentValues<'a>,
    ) {
        if pass.resolved.contains(first)
            && let Some(OverArguments(cost)) = self.cost.take()
        {
            values.push(RuleValues::Cost(first, cost(arguments)));
        }
    }
}

/// A rule with a key, scope or limits over the arguments `A`.
pub struct ArgumentRule<S, A, K, L, C>
where
    K: ArgumentSource<KeyRole, S, A>,
    L: ArgumentSource<LimitsRole, S, A>,
    C: ArgumentSource<CostRole, S, A>,
{
    config: &'static PolicyConfig,
    step: Step<K, L, C, K::Early, L::Early, C::Early>,
    arguments: PhantomData<fn(&S, &A)>,
}

/// How far a rule is resolved.
enum Step<K, L, C, EarlyK, EarlyL, EarlyC> {
    Unresolved((K, L, C)),
    /// Up to what needs the arguments.
    Early(Early<EarlyK, EarlyL, EarlyC>),
    /// Wholly, or it does not limit the request.
    Resolved,
}

struct Early<K, L, C> {
    is_per_route: bool,
    key: K,
    limits: L,
    cost: C,
}

/// Creates the rule of an attribute that uses the arguments for more than the cost.
#[inline]
pub fn argument_rule<S, A, K, L, C>(
    config: &'static PolicyConfig,
    key: K,
    limits: L,
    cost: C,
) -> ArgumentRule<S, A, K, L, C>
where
    K: ArgumentSource<KeyRole, S, A>,
    L: ArgumentSource<LimitsRole, S, A>,
    C: ArgumentSource<CostRole, S, A>,
{
    ArgumentRule {
        config,
        step: Step::Unresolved((key, limits, cost)),
        arguments: PhantomData,
    }
}

impl<S, A, K, L, C> fmt::Debug for ArgumentRule<S, A, K, L, C>
where
    K: ArgumentSource<KeyRole, S, A>,
    L: ArgumentSource<LimitsRole, S, A>,
    C: ArgumentSource<CostRole, S, A>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ArgumentRule").finish_non_exhaustive()
    }
}

impl<S, A, K, L, C> ArgumentRule<S, A, K, L, C>
where
    K: ArgumentSource<KeyRole, S, A>,
    L: ArgumentSource<LimitsRole, S, A>,
    C: ArgumentSource<CostRole, S, A>,
{
    fn unresolved(&self, index: u8, is_per_route: bool) -> UnresolvedRule {
        UnresolvedRule {
            index,
            config: ConfigRef::Static(self.config),
            is_per_route,
        }
    }

    fn reject_as_not_ready(&self, index: u8, resolution: &mut Resolution) {
        let config = ConfigRef::Static(self.config);
        resolution.reject((index, &config), [Some(not_ready()), None, None]);
    }

    /// Takes the sources, if the rule is one of this pass and limits the request.
    fn take(
        &mut self,
        pass: Pass,
        index: u8,
        parts: &Parts,
        resolution: &mut Resolution,
    ) -> Option<(K, L, C)> {
        if pass.is_of_cheap_rules() || pass.leaves_out(index) {
            return None;
        }
        match std::mem::replace(&mut self.step, Step::Resolved) {
            Step::Unresolved(_) if !self.config.applies_to(&parts.method) => {
                resolution.exempt(&ConfigRef::Static(self.config));
                None
            }
            Step::Unresolved(sources) => Some(sources),
            step => {
                self.step = step;
                None
            }
        }
    }

    /// Keeps what is known before the arguments are extracted, or rejects the request.
    fn keep(
        &mut self,
        rule: &UnresolvedRule,
        key: Result<K::Early, Rejection>,
        limits: Result<L::Early, Rejection>,
        cost: Result<C::Early, Rejection>,
        resolution: &mut Resolution,
    ) {
        match (key, limits, cost) {
            (_, Ok(limits), _) if L::is_exempt(&limits) => resolution.exempt(&rule.config),
            (Ok(key), Ok(limits), Ok(cost)) => {
                self.step = Step::Early(Early {
                    is_per_route: rule.is_per_route,
                    key,
                    limits,
                    cost,
                });
            }
            (key, limits, cost) => {
                resolution.reject(
                    (rule.index, &rule.config),
                    [key.err(), limits.err(), cost.err()],
                );
            }
        }
    }
}

impl<S, A, K, L, C> Rules<S> for ArgumentRule<S, A, K, L, C>
where
    S: Sync,
    K: ArgumentSource<KeyRole, S, A>,
    L: ArgumentSource<LimitsRole, S, A>,
    C: ArgumentSource<CostRole, S, A>,
{
    const COUNT: u8 = 1;
    const ARE_ALWAYS_READY: bool = false;

    fn are_ready(&self, _: &Parts) -> bool {
        false
    }

    fn may_dry_run(&self) -> bool {
        may_dry_run(self.config.is_dry_run)
    }

    fn for_each_config(&self, f: &mut dyn FnMut(&'static PolicyConfig)) {
        f(self.config);
    }

    fn cheap(&self, _: &Parts, _: IsBuiltIn) -> u8 {
        0
    }

    /// Not for a rule that is never ready.
    fn resolve_single<T>(
        self,
        _: &Parts,
        _: impl FnOnce(&SingleRule<'_>) -> Option<T>,
    ) -> Single<T> {
        let mut resolution = Resolution::default();
        self.reject_as_not_ready(0, &mut resolution);
        Single::Unchecked(Box::new(resolution))
    }

    /// Rejects the request if the rule limits it: it is never ready.
    fn resolve_now(&mut self, pass: Pass, first: u8, parts: &Parts, resolution: &mut Resolution) {
        if self.take(pass, first, parts, resolution).is_some() {
            self.reject_as_not_ready(first, resolution);
        }
    }

    async fn resolve(
        &mut self,
        pass: Pass,
        first: u8,
        parts: &mut Parts,
        state: &S,
        resolution: &mut Resolution,
    ) {
        let Some((key, limits, cost)) = self.take(pass, first, parts, resolution) else {
            return;
        };
        let rule = self.unresolved(first, key.is_per_route());
        let key = key.early(parts, state).await;
        let limits = limits.early(parts, state).await;
        let cost = cost.early(parts, state).await;
        self.keep(&rule, key, limits, cost, resolution);
    }
}

impl<S, A, K, L, C> ArgumentRules<S, A> for ArgumentRule<S, A, K, L, C>
where
    S: Sync,
    K: ArgumentSource<KeyRole, S, A>,
    L: ArgumentSource<LimitsRole, S, A>,
    C: ArgumentSource<CostRole, S, A>,
{
    fn call<'a>(
        &mut self,
        pass: ArgumentPass,
        first: u8,
        arguments: &'a A,
        values: &mut ArgumentValues<'a>,
    ) {
        if pass.except.contains(first) {
            return;
        }
        match std::mem::replace(&mut self.step, Step::Resolved) {
            Step::Early(early) => values.push(RuleValues::Rule(UnresolvedValues {
                rule: self.unresolved(first, early.is_per_route),
                key: K::late(early.key, arguments),
                limits: L::late(early.limits, arguments),
                cost: C::late(early.cost, arguments),
            })),
            step => self.step = step,
        }
    }
}
