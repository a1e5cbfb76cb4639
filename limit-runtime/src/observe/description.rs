//! The list of all policies, as text.

use super::policy_record::{PolicyRecord, PolicySource};
use limit_core::Unit;
use std::{fmt, ops::Deref, slice, vec};

/// All policies of a limiter, from [`Limiter::policies`](crate::Limiter::policies).
///
/// `Display` writes them as a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policies(Vec<PolicyDescription>);

/// What one policy says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PolicyDescription {
    /// The policy's name in headers. A second policy of the same name has the module of its handler
    /// in front.
    pub policy: String,
    /// The handler, with its module. `None` for a layer.
    pub handler: Option<&'static str>,
    /// The source file that declares it, and the line.
    pub location: String,
    /// The limits, such as `10 per minute`, or the function as written. Empty for a policy that has
    /// only a concurrency limit.
    pub limits: String,
    /// What the limits count. `None` if a function returns them.
    pub unit: Option<Unit>,
    /// The concurrency limit as written, such as `4`. Empty without one.
    pub concurrency: String,
    /// The strategy, such as `moving_window`.
    pub strategy: String,
    /// The key as written. `key` for a layer with a key of its own.
    pub key: &'static str,
    /// The cost as written.
    pub cost: String,
    /// The scope as written. Empty for the policy's own budget.
    pub scope: String,
    /// The methods, separated by commas. Empty for all.
    pub methods: String,
    /// Whether it is in dry run now.
    pub is_dry_run: bool,
    /// The routes on which requests have met it so far, sorted.
    pub routes: Vec<String>,
}

impl PolicyDescription {
    pub(super) fn new(record: &PolicyRecord, is_dry_run: bool) -> Self {
        let source = &record.source;
        let ((file, line), [cost, scope, methods]) = match source {
            PolicySource::Attribute(rule) => (
                (rule.file, rule.line),
                [rule.cost, rule.scope, rule.methods],
            ),
            PolicySource::Layer(layer) => (
                (layer.location.file(), layer.location.line()),
                [&*layer.cost, &*layer.scope, &*layer.methods],
            ),
        };
        Self {
            policy: String::from(&*record.label),
            handler: source.handler(),
            location: format!("{file}:{line}"),
            limits: source.limits().to_owned(),
            unit: source.unit(),
            concurrency: source.concurrency().unwrap_or_default().to_owned(),
            strategy: source.budget().strategy.to_string(),
            key: source.key(),
            cost: cost.to_owned(),
            scope: scope.to_owned(),
            methods: methods.to_owned(),
            is_dry_run,
            routes: record.routes(),
        }
    }

    /// `10 per minute; 4 concurrent`.
    fn limits_and_concurrency(&self) -> String {
        match (&*self.limits, &*self.concurrency) {
            (limits, "") => limits.to_owned(),
            ("", concurrency) => format!("{concurrency} concurrent"),
            (limits, concurrency) => format!("{limits}; {concurrency} concurrent"),
        }
    }

    /// The cells of its row in a table.
    fn cells(&self) -> [String; 8] {
        let state = if self.is_dry_run { " (dry run)" } else { "" };
        let or_dash = |text: &str| match text.is_empty() {
            true => "-".to_owned(),
            false => text.to_owned(),
        };
        [
            format!("{}{state}", self.policy),
            self.limits_and_concurrency(),
            self.strategy.clone(),
            self.key.to_owned(),
            self.cost.clone(),
            or_dash(&self.scope),
            or_dash(&self.methods),
            format!("{} ({})", self.handler.unwrap_or("layer"), self.location),
        ]
    }
}

impl Policies {
    pub(super) fn new(policies: Vec<PolicyDescription>) -> Self {
        Self(policies)
    }
}

impl Deref for Policies {
    type Target = [PolicyDescription];

    fn deref(&self) -> &[PolicyDescription] {
        &self.0
    }
}

impl IntoIterator for Policies {
    type Item = PolicyDescription;
    type IntoIter = vec::IntoIter<PolicyDescription>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Policies {
    type Item = &'a PolicyDescription;
    type IntoIter = slice::Iter<'a, PolicyDescription>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl fmt::Display for Policies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const TITLES: [&str; 8] = [
            "policy", "limits", "strategy", "key", "cost", "scope", "methods", "handler",
        ];
        let rows = self.0.iter().map(PolicyDescription::cells);
        let rows: Vec<_> = std::iter::once(TITLES.map(str::to_owned))
            .chain(rows)
            .collect();
        let mut widths = [0; TITLES.len()];
        for row in &rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = cell.chars().count().max(*width);
            }
        }
        for row in &rows {
            let padded = row.iter().zip(widths);
            let padded: Vec<_> = padded
                .map(|(cell, width)| format!("{cell:<width$}"))
                .collect();
            writeln!(f, "{}", padded.join("  ").trim_end())?;
        }
        Ok(())
    }
}
