//! One all-or-nothing check of a request to a handler with rules over its arguments.
//!
//! Before any argument is extracted, [`look`] resolves what needs none, and refuses a request that
//! a rule without arguments denies; nothing is consumed. Once the arguments that rules use are
//! known, [`Looked::resolve`] resolves the rest, and [`Looked::consume`] consumes under all rules.

use super::{
    admission::Admission,
    built_in::is_built_in,
    check::{count_and_reject, resolve, resolve_live, resolve_live_now, start_tracking},
    dry_run::{DryRunRules, charge_dry_run},
    early_refusal::refuse_by_cheap_rules,
    early_response::EarlyResponse,
    late_body::{LateRefusal, drain_if_refused},
    ledger::PerRule,
    refusal::Refusal,
    report,
    request_limits::RequestLimits,
};
use crate::{
    extract::{
        argument_value::ArgumentValue,
        maybe_ready::{BoxFuture, MaybeReady, ready_or_await},
        rejection::{Rejection, not_ready},
        role::{CostRole, KeyRole, LimitsRole, Resolved, Role},
    },
    limiter::Limiter,
    observe::Reason,
    policy::{
        config::PolicyConfig,
        over_arguments::{
            ArgumentPass, ArgumentRules, ArgumentValues, RuleValues, UnresolvedValues,
        },
        resolution::Resolution,
        resolved_rule::ResolvedRule,
        rule::{Pass, RuleSet, Rules},
    },
};
use axum::{body::Body, response::Response};
use http::request::Parts;
use std::{fmt, future::Future, mem, pin::Pin, sync::Arc};

/// Which arguments rules use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Uses {
    /// Not the last one: the head of the request is at hand for the charge.
    Head,
    /// The last one, which takes the request.
    Last,
}

/// A request that the rules without arguments admit.
pub(crate) struct Looked {
    /// The live rules that are resolved so far.
    limits: Arc<RequestLimits>,
    dry_run: Option<Box<DryRun>>,
}

/// The rules that were resolved before the arguments were known.
struct Places {
    /// The index of each among those of the handler.
    places: PerRule<u8>,
    /// These, and those that were merged into them.
    known: RuleSet,
}

/// The rules in dry run.
struct DryRun {
    indices: RuleSet,
    /// Those that are resolved so far.
    resolution: Resolution,
}

/// The result of [`look`]: `None` if no rule applies to the request.
type Look = Result<Option<Looked>, EarlyResponse>;

/// A boxed future, which may borrow the request or its arguments.
type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Resolves what needs no argument, and looks whether the rules resolved so far have room; consumes
/// nothing.
///
/// # Errors
/// The response to a request that is refused or rejected.
pub(crate) fn look<'a, S: Sync, R: Rules<S>>(
    rules: &'a mut R,
    parts: &'a mut Parts,
    state: &'a S,
    uses: Uses,
) -> MaybeReady<Look, Boxed<'a, Look>> {
    let is_ready = R::ARE_ALWAYS_READY || rules.are_ready(parts);
    if !is_ready || rules.may_dry_run() {
        return MaybeReady::Pending(Box::pin(look_later(rules, parts, state, uses)));
    }
    let limiter = Limiter::of(parts).clone();
    if limiter.skips(parts) {
        report::skipped(&limiter, parts, rules);
        return MaybeReady::Ready(Ok(None));
    }
    let mut resolution = Resolution::default();
    resolve_live_now(&limiter, rules, parts, &mut resolution);
    if let Some(rejection) = resolution.take_response() {
        return MaybeReady::Pending(Box::pin(async move {
            let response = count_and_reject(limiter, parts, &mut resolution, rejection).await;
            Err(response.into())
        }));
    }
    let looked = Looked::new(limiter, rules, parts, &mut resolution, uses, None);
    match looked.peek() {
        MaybeReady::Ready(Ok(())) => MaybeReady::Ready(Ok(Some(looked))),
        MaybeReady::Ready(Err(refusal)) => {
            MaybeReady::Ready(Err(refusal.into_response(parts).into()))
        }
        MaybeReady::Pending(peek) => MaybeReady::Pending(Box::pin(async move {
            match peek.await {
                Ok(()) => Ok(Some(looked)),
                Err(refusal) => Err(refusal.into_response(parts).into()),
            }
        })),
    }
}

/// [`look`] with functions that have to be awaited, or with rules in dry run.
async fn look_later<S: Sync, R: Rules<S>>(
    rules: &mut R,
    parts: &mut Parts,
    state: &S,
    uses: Uses,
) -> Look {
    let limiter = Limiter::of(parts).clone();
    if limiter.skips(parts) {
        report::skipped(&limiter, parts, rules);
        return Ok(None);
    }
    let dry_run = DryRunRules::of(&limiter, rules);
    let dry = dry_run.indices();
    let mut resolution = Resolution::default();
    resolve_live!(limiter, rules, dry, parts, state, &mut resolution);
    if let Some(rejection) = resolution.take_response() {
        let response = count_and_reject(limiter, parts, &mut resolution, rejection).await;
        return Err(response.into());
    }
    let mut looked = Looked::new(
        limiter,
        rules,
        parts,
        &mut resolution,
        uses,
        (!dry.is_empty()).then_some(&dry_run),
    );
    if let Err(refusal) = ready_or_await!(looked.peek()) {
        return Err(refusal.into_response(parts).into());
    }
    if !dry.is_empty() {
        let mut resolution = Resolution::default();
        resolve!(rules, Pass::REST, parts, state, &mut resolution);
        looked.dry_run = Some(Box::new(DryRun {
            indices: dry,
            resolution,
        }));
    }
    Ok(Some(looked))
}

impl Looked {
    fn new<S, R: Rules<S>>(
        limiter: Limiter,
        rules: &R,
        parts: &mut Parts,
        resolution: &mut Resolution,
        uses: Uses,
        dry_run: Option<&DryRunRules>,
    ) -> Self {
        let mut limits = start_tracking(limiter, parts, resolution);
        limits
            .exempt
            .extend(dry_run.into_iter().flat_map(DryRunRules::names));
        let mut has_own_response = false;
        let mut unresolved: Vec<&'static PolicyConfig> = Vec::new();
        rules.for_each_config(&mut |config| {
            has_own_response |= config.own_response().is_some();
            let is_named = |other: &PolicyConfig| other.name == config.name;
            let mut resolved = limits.rules.iter().flat_map(ResolvedRule::configs);
            let mut permits = limits.permit_views();
            if !resolved.any(is_named)
                && !permits.any(|permit| permit.name == config.name)
                && !limits.exempt.contains(&config.name)
            {
                unresolved.push(config);
            }
        });
        limits.unresolved = unresolved;
        if uses == Uses::Last {
            limits.keep_head(parts);
            if has_own_response && limits.head.is_none() {
                limits.head = Some(Arc::new(parts.clone()));
            }
        } else if limits.limiter.observer().has_hook() {
            limits.keep_head(parts);
        }
        Self {
            limits: Arc::new(limits),
            dry_run: None,
        }
    }

    /// Asks whether the rules that are resolved so far have room; consumes nothing.
    ///
    /// # Errors
    /// Why the request is refused.
    fn peek(&self) -> MaybeReady<Result<(), Refusal>> {
        if let Some(refusal) = self.limits.refused_by_permits() {
            return MaybeReady::Ready(Err(refusal));
        }
        match self.limits.rules.is_empty() {
            true => MaybeReady::Ready(Ok(())),
            false => self.limits.clone().peek(drop),
        }
    }

    /// The state of the request, for the extractors.
    pub(crate) fn limits(&self) -> &Arc<RequestLimits> {
        &self.limits
    }

    /// The head of the request, if it was kept for a refusal after the extraction of the body.
    pub(crate) fn head(&self) -> Option<Arc<Parts>> {
        self.limits.head.clone()
    }

    /// The body for extraction: if the request is refused afterwards, its unread rest is drained.
    pub(crate) fn wrap_body(&self, parts: &Parts, body: Body) -> (Body, LateRefusal) {
        drain_if_refused(parts, body, &self.limits.limiter)
    }

    /// Calls the expressions over the arguments of live rules.
    pub(crate) fn call<'a, S, A, R: ArgumentRules<S, A>>(
        &self,
        rules: &mut R,
        arguments: &'a A,
    ) -> ArgumentValues<'a> {
        let resolved = self.limits.rules.iter().flat_map(ResolvedRule::indices);
        let pass = ArgumentPass {
            except: match &self.dry_run {
                Some(dry_run) => dry_run.indices,
                None => RuleSet::EMPTY,
            },
            resolved: RuleSet::of(resolved),
        };
        let mut values = ArgumentValues::new();
        rules.call(pass, 0, arguments, &mut values);
        values
    }

    /// Resolves the live rules with what the arguments say about them. Returns the response of the
    /// first expression that has failed.
    pub(crate) fn resolve<'s, 'a: 's>(
        &'s mut self,
        values: ArgumentValues<'a>,
    ) -> MaybeReady<Option<Rejection>, Boxed<'s, Option<Rejection>>> {
        let (mut resolution, places) = self.take_rules();
        if !values.iter().all(RuleValues::is_ready) {
            return MaybeReady::Pending(Box::pin(async move {
                add_later(values, &mut resolution).await;
                self.set_rules(resolution, &places)
            }));
        }
        for values in values {
            add_ready(values, &mut resolution);
        }
        MaybeReady::Ready(self.set_rules(resolution, &places))
    }

    /// The rules that are resolved so far, and the index of each among those of the handler.
    fn take_rules(&mut self) -> (Resolution, Places) {
        let places = self.limits.rules.iter().map(|rule| rule.index).collect();
        let rules = match Arc::get_mut(&mut self.limits) {
            Some(limits) => mem::take(&mut limits.rules),
            None => self.limits.rules.clone(),
        };
        let known = RuleSet::of(rules.iter().flat_map(ResolvedRule::indices));
        (Resolution::of_rules(rules), Places { places, known })
    }

    /// Sets the rules of the request. If an extractor holds its state, another one replaces that.
    fn set_rules(&mut self, mut resolution: Resolution, before: &Places) -> Option<Rejection> {
        resolution.merge_same_budgets(self.limits.route.as_ref());
        let report = |config, reason| {
            let head = self.limits.head.as_deref();
            report::unchecked_in(&self.limits, head, config, reason, false);
        };
        for config in resolution.exempt_rules() {
            report(config, Reason::Exempt);
        }
        if let Some(config) = resolution.rejecting_rule() {
            report(config, Reason::Rejected);
        }
        let set = |limits: &mut RequestLimits, resolution: &mut Resolution| {
            limits.unresolved.clear();
            limits.set_rules(resolution, before.known);
            let ledger = limits.ledger.get_mut();
            ledger.decision = None;
            ledger.move_rules(|place| {
                let index = usize::from(*before.places.get(place)?);
                let mut rules = limits.rules.iter();
                rules.position(|rule| rule.indices().any(|other| other == index))
            });
        };
        match Arc::get_mut(&mut self.limits) {
            Some(limits) => set(limits, &mut resolution),
            None => {
                let mut next = self.limits.copy();
                set(&mut next, &mut resolution);
                let next = Arc::new(next);
                self.limits.set_next(next.clone());
                self.limits = next;
            }
        }
        self.limits.warn_of_double_charge();
        resolution.take_response()
    }

    /// Takes the permits and consumes under all live rules.
    ///
    /// # Errors
    /// Why the request is refused; nothing has been consumed then.
    pub(crate) fn consume(&self) -> MaybeReady<Result<Admission, Refusal>> {
        if self.limits.rules.is_empty() && !self.limits.needs_permits() {
            report::without_live_rules(&self.limits);
            return MaybeReady::Ready(Ok(Admission::tracked(self.limits.clone())));
        }
        self.limits.clone().admit()
    }

    /// The response to a request that an argument, or an expression over the arguments, has
    /// rejected. It counts on the rules that are resolved, without waiting for room.
    ///
    /// # Errors
    /// If one of these rules refuses the request.
    #[cold]
    pub(crate) fn reject(self, rejection: Response) -> BoxFuture<Result<Response, Refusal>> {
        Box::pin(async move {
            if self.limits.rules.is_empty() {
                report::without_live_rules(&self.limits);
            } else {
                let counted = self.limits.clone().consume_without_waiting(drop);
                ready_or_await!(counted)?;
            }
            let admission = Admission::tracked(self.limits.clone());
            let admission = ready_or_await!(self.admit(admission, ArgumentValues::new()));
            Ok(ready_or_await!(admission.complete(rejection)))
        })
    }

    /// Calls the expressions over the arguments of rules in dry run.
    pub(crate) fn call_dry_run<'a, S, A, R: ArgumentRules<S, A>>(
        &self,
        rules: &mut R,
        arguments: &'a A,
    ) -> ArgumentValues<'a> {
        let mut values = ArgumentValues::new();
        if let Some(dry_run) = &self.dry_run {
            let resolved = dry_run.resolution.rules().iter();
            let pass = ArgumentPass {
                except: RuleSet::EMPTY,
                resolved: RuleSet::of(resolved.flat_map(ResolvedRule::indices)),
            };
            rules.call(pass, 0, arguments, &mut values);
        }
        values
    }

    /// Charges the rules in dry run of a request that has been admitted.
    pub(crate) fn admit<'a>(
        self,
        admission: Admission,
        values: ArgumentValues<'a>,
    ) -> MaybeReady<Admission, Boxed<'a, Admission>> {
        let Self {
            limits, dry_run, ..
        } = self;
        let Some(dry_run) = dry_run else {
            return MaybeReady::Ready(admission);
        };
        MaybeReady::Pending(Box::pin(async move {
            let mut resolution = dry_run.resolution;
            add_later(values, &mut resolution).await;
            charge_dry_run(admission, limits.head.as_deref(), &mut resolution).await
        }))
    }
}

/// Adds what the arguments say about a rule, which is ready.
fn add_ready(values: RuleValues<'_>, resolution: &mut Resolution) {
    match values {
        RuleValues::Cost(index, cost) => resolution.set_cost(index, ready::<CostRole>(cost)),
        RuleValues::Rule(UnresolvedValues {
            rule,
            key,
            limits,
            cost,
        }) => {
            let (key, limits) = (ready::<KeyRole>(key), ready::<LimitsRole>(limits));
            resolution.add(rule, key, limits, ready::<CostRole>(cost));
        }
    }
}

fn ready<R: Role>(value: ArgumentValue<'_, R>) -> Resolved<R> {
    match value {
        MaybeReady::Ready(value) => value,
        MaybeReady::Pending(_) => Err(not_ready()),
    }
}

/// Adds what the arguments say about rules. All of it is awaited, whatever rejects.
async fn add_later(values: ArgumentValues<'_>, resolution: &mut Resolution) {
    for values in values {
        match values {
            RuleValues::Cost(index, cost) => resolution.set_cost(index, ready_or_await!(cost)),
            RuleValues::Rule(UnresolvedValues {
                rule,
                key,
                limits,
                cost,
            }) => {
                let key = ready_or_await!(key);
                let limits = ready_or_await!(limits);
                let cost = ready_or_await!(cost);
                resolution.add(rule, key, limits, cost);
            }
        }
    }
}

impl fmt::Debug for Looked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Looked").finish_non_exhaustive()
    }
}
