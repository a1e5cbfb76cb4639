//! Takes the permits that a request needs.

use super::{
    admission::Admission, hold::Hold, no_permit::NoPermit, pending_check::PendingCheck,
    permit_rule::PermitRule, refusal::Refusal, report, request_limits::RequestLimits,
};
use crate::{
    extract::maybe_ready::{MaybeReady, ready_or_await},
    limiter::{
        permits::{self, HeldPermits, PermitRequest},
        wait_queue::WaitMode,
    },
    response::permit_view::PermitView,
};
use http::request::Parts;
use smallvec::SmallVec;
use std::sync::{Arc, OnceLock};

impl RequestLimits {
    /// Whether the request needs permits.
    pub(super) fn needs_permits(&self) -> bool {
        !self.permits.is_empty()
    }

    /// Takes all permits that the request needs, then consumes the resolved cost of each rule. If
    /// that is refused, the permits are released.
    ///
    /// # Errors
    /// Why the request is refused.
    pub(super) fn admit(self: Arc<Self>) -> MaybeReady<Result<Admission, Refusal>> {
        if !self.needs_permits() {
            return self.consume(Admission::tracked);
        }
        MaybeReady::Pending(Box::pin(async move {
            let mut pending = PendingCheck::new(self.clone());
            let acquired = self.acquire_permits().await;
            pending.set_decided();
            let hold = acquired?;
            let limits = match self.rules.is_empty() {
                true => self,
                false => ready_or_await!(self.consume(|limits| limits))?,
            };
            report::admitted_by_permits(&limits, &hold);
            Ok(Admission::tracked(limits).holding(hold))
        }))
    }

    /// Takes all permits that the request needs, or none.
    ///
    /// # Errors
    /// Why the request is refused.
    pub(super) async fn acquire_permits(self: &Arc<Self>) -> Result<Hold, Refusal> {
        let (requests, rules) = self.permit_requests();
        let rule_of = |request: usize| rules.get(request).copied().unwrap_or_default();
        let start_wait = |request| report::start_wait_for_permit(self, rule_of(request));
        let acquired =
            permits::acquire(&self.limiter, &requests, WaitMode::Allowed, start_wait).await;
        match acquired {
            Ok(Ok(held)) => Ok(self.hold(held, &self.permits)),
            Ok(Err(request)) => Err(self.refusal(rule_of(request))),
            Err(error) => {
                report::failed(self);
                Err(Refusal::Store(error))
            }
        }
    }

    /// The refusal of a request that needs a permit which is not free, as far as that is known
    /// without taking any.
    pub(super) fn refused_by_permits(self: &Arc<Self>) -> Option<Refusal> {
        if !self.needs_permits() {
            return None;
        }
        let (requests, rules) = self.permit_requests();
        let request = permits::refused_now(&self.limiter, &requests)?;
        Some(self.refusal(rules.get(request).copied().unwrap_or_default()))
    }

    /// The refusal by the concurrency limit at this index.
    fn refusal(self: &Arc<Self>, rule: usize) -> Refusal {
        Refusal::NoPermit(Box::new(NoPermit {
            request_limits: self.clone(),
            rule,
        }))
    }

    /// One permit for each budget, under the smallest of its limits, and the index of the rule of
    /// that limit.
    fn permit_requests(&self) -> (SmallVec<[PermitRequest<'_>; 1]>, SmallVec<[usize; 1]>) {
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
        (requests, rules)
    }

    fn hold(&self, held: HeldPermits, rules: &[PermitRule]) -> Hold {
        let observer = self.limiter.observer();
        let of_rules = rules.iter().map(|rule| rule.concurrency.hold_at_most);
        Hold {
            in_flight: rules
                .iter()
                .filter_map(|rule| observer.start_flight(rule.config().id()))
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
