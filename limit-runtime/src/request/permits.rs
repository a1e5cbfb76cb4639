//! The concurrency limits on a request, and the permits that it holds.

use super::{
    admission::Admission, no_permit::NoPermit, refusal::Refusal, report,
    request_limits::RequestLimits,
};
use crate::{
    extract::maybe_ready::{BoxFuture, ready_or_await},
    key::Key,
    limiter::{
        permits::{self, HeldPermits, PermitRequest},
        wait_queue::WaitMode,
    },
    observe::policy_record::InFlight,
    policy::{
        config::{Concurrency, ConfigRef, PolicyConfig},
        resolved_rule::{ResolvedRule, ResolvedRules},
    },
    response::permit_view::PermitView,
    store::Scope,
};
use axum::extract::MatchedPath;
use http::request::Parts;
use smallvec::SmallVec;
use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

/// One concurrency limit, resolved for one request.
#[derive(Clone, Debug)]
pub(crate) struct PermitRule {
    /// A rule with a concurrency limit.
    config: ConfigRef,
    concurrency: Concurrency,
    is_per_route: bool,
    pub(super) key: Key,
}

impl PermitRule {
    /// Takes the concurrency limits out of resolved rules. Rules without any other limit leave the
    /// list.
    pub(super) fn take_from(rules: &mut ResolvedRules) -> Vec<Self> {
        let mut found = Vec::new();
        for rule in &*rules {
            let merged = rule.merged.iter().flat_map(|merged| merged.iter());
            let merged = merged.map(|merged| &merged.config);
            for config in std::iter::once(&rule.config).chain(merged) {
                if let Some(concurrency) = config.concurrency {
                    found.push(Self {
                        config: config.clone(),
                        concurrency,
                        is_per_route: rule.is_per_route,
                        key: rule.key.clone(),
                    });
                }
            }
        }
        if !found.is_empty() {
            rules.retain(|rule| rule.config.has_limits());
        }
        found
    }

    pub(super) fn config(&self) -> &PolicyConfig {
        &self.config
    }

    fn scope<'a>(&'a self, route: Option<&'a MatchedPath>) -> Scope<'a> {
        self.config.scope.scope(self.is_per_route, route)
    }

    fn request<'a>(&'a self, route: Option<&'a MatchedPath>) -> PermitRequest<'a> {
        PermitRequest {
            scope: self.scope(route),
            key: &self.key,
            max: self.concurrency.max,
            max_wait: self.config.wait,
            on_store_error: self.config.on_store_error,
        }
    }

    /// What responses say about the limit.
    pub(super) fn view(&self) -> PermitView {
        PermitView {
            name: self.config.name,
            key_label: self.config.key_label,
            max: self.concurrency.max,
            has_limits: self.config.has_limits(),
        }
    }
}

/// The permits of one request under the rules of one handler or layer. They are released when the
/// last clone of the reference to this is dropped: by the body of the response, and by each
/// [`Permit`](crate::Permit).
pub(crate) struct Hold {
    /// Decreased before the permits are released.
    in_flight: SmallVec<[InFlight; 1]>,
    permits: SmallVec<[HeldPermits; 1]>,
    /// When to end the body of the response.
    hold_at_most: Option<Duration>,
    /// The permits of rules in dry run, beside those of others.
    dry_run: OnceLock<Box<Self>>,
}

impl Hold {
    /// Adds the permits of rules in dry run.
    pub(super) fn set_dry_run(&self, dry_run: Self) {
        // A request is resolved once.
        let _ = self.dry_run.set(Box::new(dry_run));
    }

    pub(crate) fn hold_at_most(&self) -> Option<Duration> {
        self.hold_at_most
    }

    /// Whether a permit was granted without an answer of the remote store.
    pub(super) fn is_of_fallback(&self) -> bool {
        self.permits.iter().any(HeldPermits::is_of_fallback)
    }

    /// Whether the request has waited for a permit.
    pub(super) fn has_waited(&self) -> bool {
        self.permits.iter().any(HeldPermits::has_waited)
    }
}

impl fmt::Debug for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hold")
            .field("permits", &self.permits)
            .finish_non_exhaustive()
    }
}

impl RequestLimits {
    /// Whether the request needs permits.
    pub(super) fn needs_permits(&self) -> bool {
        !self.permits.is_empty()
    }

    /// Takes all permits that the request needs, then lets `check` decide by the limits. If that
    /// refuses the request, the permits are released.
    ///
    /// # Errors
    /// Why the request is refused.
    pub(super) fn admit_with_permits(
        self: Arc<Self>,
        check: fn(Arc<Self>) -> PendingLimits,
    ) -> BoxFuture<Result<Admission, Refusal>> {
        Box::pin(async move {
            let mut pending = PendingPermits::new(&self);
            let acquired = self.acquire_permits().await;
            pending.set_decided();
            let hold = acquired?;
            let limits = match self.rules.is_empty() {
                true => self,
                false => ready_or_await!(check(self))?,
            };
            report::admitted_by_permits(&limits, &hold);
            Ok(Admission::tracked(limits).holding(hold))
        })
    }

    /// Takes all permits that the request needs, or none.
    ///
    /// # Errors
    /// Why the request is refused.
    pub(super) async fn acquire_permits(self: &Arc<Self>) -> Result<Hold, Refusal> {
        // One permit for each budget: under the smallest of its limits.
        let route = self.route.as_ref();
        let mut requests: SmallVec<[PermitRequest<'_>; 1]> = SmallVec::new();
        let mut rules: SmallVec<[usize; 1]> = SmallVec::new();
        for (index, rule) in self.permits.iter().enumerate() {
            let request = rule.request(route);
            let same = |other: &PermitRequest<'_>| {
                (other.scope, other.key) == (request.scope, request.key)
            };
            match requests.iter().position(same) {
                None => {
                    requests.push(request);
                    rules.push(index);
                }
                Some(place) => {
                    let (other, rule) = (&mut requests[place], &mut rules[place]);
                    let max_wait = other.max_wait.min(request.max_wait);
                    if request.max < other.max {
                        (*other, *rule) = (request, index);
                    }
                    other.max_wait = max_wait;
                }
            }
        }
        let rule_of = |request: usize| rules.get(request).copied().unwrap_or_default();
        let start_wait = |request| report::start_wait_for_permit(self, rule_of(request));
        let acquired =
            permits::acquire(&self.limiter, &requests, WaitMode::Allowed, start_wait).await;
        match acquired {
            Ok(Ok(held)) => Ok(self.hold(held, &self.permits)),
            Ok(Err(request)) => Err(Refusal::NoPermit(Box::new(NoPermit {
                request_limits: self.clone(),
                rule: rule_of(request),
            }))),
            Err(error) => {
                report::failed(self);
                Err(Refusal::Store(error))
            }
        }
    }

    fn hold(&self, held: HeldPermits, rules: &[PermitRule]) -> Hold {
        let observer = self.limiter.observer();
        let of_rules = rules.iter().map(|rule| rule.concurrency.hold_at_most);
        Hold {
            in_flight: rules
                .iter()
                .filter_map(|rule| observer.start_flight(rule.config.id()))
                .collect(),
            permits: std::iter::once(held).collect(),
            hold_at_most: of_rules.flatten().min(),
            dry_run: OnceLock::new(),
        }
    }

    /// Tries to take the permit of each rule, which is in dry run: whatever it finds, the request
    /// is let through.
    pub(super) async fn acquire_dry_run_permits(&self, parts: Option<&Parts>) -> Option<Hold> {
        let mut all: Option<Hold> = None;
        for rule in &self.permits {
            let request = [rule.request(self.route.as_ref())];
            let acquired = permits::acquire(&self.limiter, &request, WaitMode::Never, |_| ()).await;
            report::permit_in_dry_run(self, rule, &acquired, parts);
            if let Ok(Ok(held)) = acquired {
                let of_rule = self.hold(held, std::slice::from_ref(rule));
                match &mut all {
                    Some(all) => {
                        all.in_flight.extend(of_rule.in_flight);
                        all.permits.extend(of_rule.permits);
                    }
                    // It ends no response.
                    None => {
                        all = Some(Hold {
                            hold_at_most: None,
                            ..of_rule
                        });
                    }
                }
            }
        }
        all
    }

    /// What responses say about the concurrency limits.
    pub(crate) fn permit_views(&self) -> impl Iterator<Item = PermitView> {
        self.permits.iter().map(PermitRule::view)
    }
}

/// The check that decides by the limits of a request that holds its permits.
pub(super) type PendingLimits =
    crate::extract::maybe_ready::MaybeReady<Result<Arc<RequestLimits>, Refusal>>;

/// An attempt to take permits. If it is dropped without a result, because the client has left or a
/// timeout has ended the request, the request is counted as abandoned.
struct PendingPermits {
    limits: Arc<RequestLimits>,
    is_decided: bool,
}

impl PendingPermits {
    fn new(limits: &Arc<RequestLimits>) -> Self {
        Self {
            limits: limits.clone(),
            is_decided: false,
        }
    }

    fn set_decided(&mut self) {
        self.is_decided = true;
    }
}

impl Drop for PendingPermits {
    fn drop(&mut self) {
        if !self.is_decided {
            report::abandoned(&self.limits);
        }
    }
}

/// All rules of this list that responses describe as rules with limits.
pub(super) fn rules_with_limits(rules: &[ResolvedRule]) -> impl Iterator<Item = &ResolvedRule> {
    rules.iter().filter(|rule| rule.config.has_limits())
}
