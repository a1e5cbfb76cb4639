//! The concurrency limits on a request.

use crate::{
    key::Key,
    limiter::permits::PermitRequest,
    observe::concurrency::Concurrency,
    policy::{
        config::{ConfigRef, PolicyConfig},
        resolved_rule::{ResolvedRule, ResolvedRules},
        rule::RuleSet,
    },
    response::permit_view::PermitView,
    store::Scope,
};
use axum::extract::MatchedPath;

/// One concurrency limit, resolved for one request.
#[derive(Clone, Debug)]
pub(crate) struct PermitRule {
    /// A rule with a concurrency limit.
    config: ConfigRef,
    pub(super) concurrency: Concurrency,
    is_per_route: bool,
    pub(super) key: Key,
}

impl PermitRule {
    /// Takes the concurrency limits out of resolved rules. Rules without any other limit leave the
    /// list. Those of the rules that are `taken` have been taken before.
    pub(super) fn take_from(rules: &mut ResolvedRules, taken: RuleSet) -> Vec<Self> {
        let mut found = Vec::new();
        for rule in &*rules {
            let merged = rule.merged.iter().flat_map(|merged| merged.iter());
            let merged = merged.map(|merged| (merged.index, &merged.config));
            for (index, config) in std::iter::once((rule.index, &rule.config)).chain(merged) {
                if let Some(concurrency) = config.concurrency
                    && !taken.contains(index)
                {
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

    /// What its permits are counted by.
    pub(super) fn budget<'a>(&'a self, route: Option<&'a MatchedPath>) -> (Scope<'a>, &'a Key) {
        (self.config.scope.scope(self.is_per_route, route), &self.key)
    }

    pub(super) fn request<'a>(&'a self, route: Option<&'a MatchedPath>) -> PermitRequest<'a> {
        let (scope, key) = self.budget(route);
        PermitRequest {
            scope,
            key,
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

/// All rules of this list that responses describe as rules with limits.
pub(super) fn rules_with_limits(rules: &[ResolvedRule]) -> impl Iterator<Item = &ResolvedRule> {
    rules.iter().filter(|rule| rule.config.has_limits())
}
