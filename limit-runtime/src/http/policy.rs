//! What `#[rate_limit]` expands to: a policy of rules, resolved for each request.

use super::admit::{Admit, admit};
use super::answer::{CostAnswer, KeyAnswer, LimitsAnswer};
use super::extract_fn::ExtractFn;
use super::guard::Guard;
use super::handle::RateLimit;
use super::spec::{Demand, Demands, Spec};
use crate::key::{IntoKey, Key};
use crate::limiter::Limiter;
use crate::window::Strategy;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use limit_core::{Limit, Limits};
use smallvec::SmallVec;
use std::future::{Future, ready};
use std::marker::PhantomData;
use std::num::NonZeroU32;
use std::time::Duration;

/// The limits of one handler, under the router state `S`.
pub trait Policy<S> {
    /// Whether the check consumes at once; it does not when a cost depends on the body.
    const HOW: Admit = Admit::Consume;

    /// One rule for each attribute.
    fn rules() -> impl Rules<S>;
}

/// One or more rules, resolved for a request.
pub trait Rules<S>: Send {
    /// Adds what this request demands.
    fn resolve(
        self,
        parts: &mut Parts,
        state: &S,
        wanted: &mut Wanted,
    ) -> impl Future<Output = Result<(), Response>> + Send;
}

/// Runs the check of policy `P` for one request.
///
/// # Errors
/// The response that takes the handler's place.
pub(super) async fn run<P: Policy<S>, S: Sync>(
    parts: &mut Parts,
    state: &S,
) -> Result<Admission, Response> {
    let mut wanted = Wanted::default();
    P::rules().resolve(parts, state, &mut wanted).await?;
    let Wanted { demands, costs } = wanted;
    let guard = admit(parts, demands, P::HOW).await?;
    Ok(Admission { guard, costs })
}

/// What the rules resolved so far come to.
#[derive(Debug, Default)]
pub struct Wanted {
    demands: Demands,
    costs: Costs,
}

/// For each rule, in order, what the request costs; `None` when it is exempt.
type Costs = SmallVec<[Option<u32>; 4]>;

impl Wanted {
    fn exempt(&mut self) {
        self.costs.push(None);
    }

    fn demand(&mut self, demand: Demand) {
        self.costs.push(Some(demand.cost));
        self.demands.push(demand);
    }
}

/// A request that the check let through.
#[derive(Debug)]
pub struct Admission {
    guard: Guard,
    costs: Costs,
}

impl Admission {
    pub(super) fn unlimited() -> Self {
        Self {
            guard: Guard::unlimited(),
            costs: Costs::new(),
        }
    }

    /// The handle for a handler that asks for it.
    pub(super) fn handle(&mut self) -> RateLimit {
        self.guard.handle()
    }

    /// Consumes the costs of all rules, now that those which depend on the arguments are `known`.
    ///
    /// # Errors
    /// The response for a request whose cost does not fit.
    pub async fn charge<const N: usize>(
        &mut self,
        known: [Option<u32>; N],
    ) -> Result<(), Response> {
        let costs: SmallVec<[u32; 4]> = known
            .into_iter()
            .zip(&self.costs)
            .filter_map(|(known, resolved)| resolved.map(|cost| known.unwrap_or(cost)))
            .collect();
        self.guard.charge(&costs).await
    }

    /// The handler's answer, with the headers of the limits on it.
    pub fn finish(
        self,
        response: impl IntoResponse,
    ) -> impl Future<Output = Response> + Send + 'static {
        self.guard.finish(response)
    }
}

/// One attribute: what is known at compile time, and what each request is asked for.
#[derive(Debug)]
pub struct Rule<K, L, C> {
    spec: &'static Spec,
    key: K,
    limits: L,
    cost: C,
}

/// One attribute as a rule.
#[inline]
pub fn rule<K, L, C>(spec: &'static Spec, key: K, limits: L, cost: C) -> Rule<K, L, C> {
    Rule {
        spec,
        key,
        limits,
        cost,
    }
}

impl<S, K, L, C> Rules<S> for Rule<K, L, C>
where
    S: Sync,
    K: KeySource<S>,
    L: LimitsSource<S>,
    C: CostSource<S>,
{
    #[inline]
    async fn resolve(
        self,
        parts: &mut Parts,
        state: &S,
        wanted: &mut Wanted,
    ) -> Result<(), Response> {
        if !self.spec.applies_to(&parts.method) {
            wanted.exempt();
            return Ok(());
        }
        let Some(key) = self.key.key(parts, state).await? else {
            wanted.exempt();
            return Ok(());
        };
        let Some(limits) = self.limits.limits(parts, state).await? else {
            wanted.exempt();
            return Ok(());
        };
        let cost = self.cost.cost(parts, state).await?;
        wanted.demand(Demand {
            spec: self.spec.into(),
            key,
            limits,
            cost,
        });
        Ok(())
    }
}

impl<S: Sync, First: Rules<S>, Others: Rules<S>> Rules<S> for (First, Others) {
    #[inline]
    async fn resolve(
        self,
        parts: &mut Parts,
        state: &S,
        wanted: &mut Wanted,
    ) -> Result<(), Response> {
        self.0.resolve(parts, state, wanted).await?;
        self.1.resolve(parts, state, wanted).await
    }
}

/// Where the key of a rule comes from.
pub trait KeySource<S>: Send {
    /// The key of this request; `None` exempts it.
    fn key(
        self,
        parts: &mut Parts,
        state: &S,
    ) -> impl Future<Output = Result<Option<Key>, Response>> + Send;
}

/// Where the limits of a rule come from.
pub trait LimitsSource<S>: Send {
    /// The limits of this request; `None` exempts it.
    fn limits(
        self,
        parts: &mut Parts,
        state: &S,
    ) -> impl Future<Output = Result<Option<Limits>, Response>> + Send;
}

/// Where the cost of a rule comes from.
pub trait CostSource<S>: Send {
    /// What this request costs.
    fn cost(
        self,
        parts: &mut Parts,
        state: &S,
    ) -> impl Future<Output = Result<u32, Response>> + Send;
}

/// A function of extractors, and the shapes that inference found for it.
struct Called<F, M> {
    function: F,
    shape: PhantomData<fn() -> M>,
}

impl<F, M> Called<F, M> {
    #[inline]
    fn new(function: F) -> Self {
        let shape = PhantomData;
        Self { function, shape }
    }
}

/// A key function of extractors, or a constant in its place.
///
/// A trait of its own, so that `M` stands for two shapes and one bound says what is missing.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is neither a key function of extractors nor a key",
    label = "cannot be called with what a request holds",
    note = "write a sync or async function of 0 to 8 arguments; each is an extractor (`FromRequestParts`), and one of them may be `&Parts` or `&HeaderMap`",
    note = "an extractor of application state (`State<T>`) must also be an argument of the handler, unless the attribute says `state = AppState`",
    note = "a closure says the types of its arguments: `|headers: HeaderMap| …`"
)]
pub trait KeyFn<S, M>: Send {
    /// Extracts, calls, and awaits the answer.
    fn ask(
        self,
        parts: &mut Parts,
        state: &S,
    ) -> impl Future<Output = Result<Option<Key>, Response>> + Send;
}

/// A rule's key function. The result is opaque, so that what is wrong with the function is said here.
#[inline]
pub fn key<S: Sync, F: KeyFn<S, M>, M>(function: F) -> impl KeySource<S> {
    Called::new(function)
}

/// A limits function of extractors, or a constant in its place.
///
/// A trait of its own, so that `M` stands for two shapes and one bound says what is missing.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is neither a limits function of extractors nor limits",
    label = "cannot be called with what a request holds",
    note = "write a sync or async function of 0 to 8 arguments; each is an extractor (`FromRequestParts`), and one of them may be `&Parts` or `&HeaderMap`",
    note = "an extractor of application state (`State<T>`) must also be an argument of the handler, unless the attribute says `state = AppState`",
    note = "a closure says the types of its arguments: `|headers: HeaderMap| …`"
)]
pub trait LimitsFn<S, M>: Send {
    /// Extracts, calls, and awaits the answer.
    fn ask(
        self,
        parts: &mut Parts,
        state: &S,
    ) -> impl Future<Output = Result<Option<Limits>, Response>> + Send;
}

/// A rule's limits function. The result is opaque, so that what is wrong with the function is said here.
#[inline]
pub fn limits<S: Sync, F: LimitsFn<S, M>, M>(function: F) -> impl LimitsSource<S> {
    Called::new(function)
}

/// A cost function of extractors, or a constant in its place.
///
/// A trait of its own, so that `M` stands for two shapes and one bound says what is missing.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is neither a cost function of extractors nor a cost",
    label = "cannot be called with what a request holds",
    note = "write a sync or async function of 0 to 8 arguments; each is an extractor (`FromRequestParts`), and one of them may be `&Parts` or `&HeaderMap`",
    note = "an extractor of application state (`State<T>`) must also be an argument of the handler, unless the attribute says `state = AppState`",
    note = "a closure says the types of its arguments: `|headers: HeaderMap| …`"
)]
pub trait CostFn<S, M>: Send {
    /// Extracts, calls, and awaits the answer.
    fn ask(
        self,
        parts: &mut Parts,
        state: &S,
    ) -> impl Future<Output = Result<u32, Response>> + Send;
}

/// A rule's cost function. The result is opaque, so that what is wrong with the function is said here.
#[inline]
pub fn cost<S: Sync, F: CostFn<S, M>, M>(function: F) -> impl CostSource<S> {
    Called::new(function)
}

macro_rules! called {
    ($Source:ident::$method:ident, $Fn:ident: $Answer:ident => $Value:ty) => {
        impl<S, F, M, W> $Fn<S, (M, W)> for F
        where
            S: Sync,
            F: ExtractFn<S, M> + Send,
            for<'a> F::Output<'a>: $Answer<W>,
        {
            #[inline]
            async fn ask(self, parts: &mut Parts, state: &S) -> Result<$Value, Response> {
                let arguments = F::extract(parts, state).await?;
                let answer = self.call(parts, arguments).answer();
                answer.await
            }
        }

        impl<S: Sync, F: $Fn<S, M>, M> $Source<S> for Called<F, M> {
            #[inline]
            async fn $method(self, parts: &mut Parts, state: &S) -> Result<$Value, Response> {
                self.function.ask(parts, state).await
            }
        }
    };
}

called!(KeySource::key, KeyFn: KeyAnswer => Option<Key>);
called!(LimitsSource::limits, LimitsFn: LimitsAnswer => Option<Limits>);
called!(CostSource::cost, CostFn: CostAnswer => u32);

/// The key when the attribute names none: the limiter's.
#[derive(Debug)]
pub struct DefaultKey;

impl<S: Sync> KeySource<S> for DefaultKey {
    #[inline]
    fn key(
        self,
        parts: &mut Parts,
        _: &S,
    ) -> impl Future<Output = Result<Option<Key>, Response>> + Send {
        Limiter::default_key(parts)
    }
}

/// Several key functions, whose keys are one key together. Any `None` exempts.
#[derive(Debug)]
pub struct All<T>(pub T);

macro_rules! all {
    ($($K:ident)+) => {
        impl<S: Sync, $($K: KeySource<S>),+> KeySource<S> for All<($($K,)+)> {
            #[inline]
            #[allow(non_snake_case)]
            async fn key(
                self,
                parts: &mut Parts,
                state: &S,
            ) -> Result<Option<Key>, Response> {
                    let Self(($($K,)+)) = self;
                    $(let Some($K) = $K.key(parts, state).await? else { return Ok(None) };)+
                    Ok(Some(($($K,)+).into_key()))
                }
        }
    };
}

all!(A);
all!(A B);
all!(A B C);
all!(A B C D);
all!(A B C D E);
all!(A B C D E F);
all!(A B C D E F G);
all!(A B C D E F G H);

impl<S: Sync> LimitsSource<S> for &'static Limits {
    #[inline]
    fn limits(
        self,
        _: &mut Parts,
        _: &S,
    ) -> impl Future<Output = Result<Option<Limits>, Response>> + Send {
        ready(Ok(Some(*self)))
    }
}

impl<S: Sync> CostSource<S> for u32 {
    #[inline]
    fn cost(self, _: &mut Parts, _: &S) -> impl Future<Output = Result<u32, Response>> + Send {
        ready(Ok(self))
    }
}

/// Limits that the attribute has parsed: pairs of a count and a window in milliseconds.
#[must_use]
#[expect(clippy::panic, reason = "a panic in a constant is a compile error")]
pub const fn parsed<const N: usize>(limits: [(u32, u64); N]) -> Limits {
    let mut parsed = [Limit::per_second(NonZeroU32::MIN); N];
    let mut i = 0;
    while i < N {
        let (count, millis) = limits[i];
        match NonZeroU32::new(count) {
            Some(count) => match Limit::new(count, Duration::from_millis(millis)) {
                Ok(limit) => parsed[i] = limit,
                Err(_) => panic!("the attribute parsed a window that the runtime refuses"),
            },
            None => panic!("the attribute parsed a count of zero"),
        }
        i += 1;
    }
    match Limits::new(&parsed) {
        Ok(limits) => limits,
        Err(_) => panic!("the attribute parsed limits that the runtime refuses"),
    }
}

/// GCRA as the attribute says it, where the burst is not zero.
#[must_use]
#[expect(clippy::panic, reason = "a panic in a constant is a compile error")]
pub const fn gcra(burst: u32) -> Strategy {
    match NonZeroU32::new(burst) {
        Some(burst) => Strategy::Gcra { burst },
        None => panic!("the attribute parsed a burst of zero"),
    }
}
