//! The identity and the label of each rule.
//!
//! By default, a rule has a budget of its own on its handler. The rule is identified by its `name`
//! or, without one, by its key as written, never by its position. With a shared or computed scope,
//! the budget is identified by the scope, the key and the strategy.

use syn::{Expr, Path};

use crate::errors::Errors;
use crate::exprs::{as_string, without_parens};
use crate::known_paths::{is_route, key_function};
use crate::model::{Key, Model, Rule, RuleLimits, Scope, Strategy};
use crate::tokens::canonical;

/// Gives each rule its identity and its label, and reports rules that would share a budget.
pub(crate) fn assign(model: &mut Model, handler: &str, errors: &mut Errors) {
    let crate_path = model.crate_path.as_ref();
    for rule in &mut model.rules {
        rule.identity = match &rule.name {
            Some(name) => name.value(),
            None => canonical_key(&rule.key, crate_path),
        };
    }
    for (index, rule) in model.rules.iter().enumerate() {
        let mut earlier = model.rules.iter().take(index);
        if let Some(error) = earlier.find_map(|other| conflict(rule, other, crate_path)) {
            errors.push(error);
        }
    }
    assign_labels(&mut model.rules, handler);
}

/// The error at a rule that has the name or the budget of an earlier rule.
fn conflict(rule: &Rule, other: &Rule, crate_path: Option<&Path>) -> Option<syn::Error> {
    if let (Some(name), Some(other_name)) = (&rule.name, &other.name)
        && name.value() == other_name.value()
    {
        let message = format!(
            "another attribute of this handler has the name {:?}: write another name{}",
            rule.identity,
            or_in_one_string(rule, other)
        );
        return Some(syn::Error::new(name.span(), message));
    }
    if rule.dry_run != other.dry_run {
        // A rule in dry run counts in a budget of its own, such as a stricter limit on trial.
        return None;
    }
    if !have_common_counts(rule, other) {
        return None;
    }
    let identity_conflict = || {
        (rule.identity == other.identity).then(|| {
            let message = format!(
                "another attribute of this handler is identified by `{}` too, so both would share a \
                 budget: give one of them a `name`{}",
                rule.identity,
                or_in_one_string(rule, other)
            );
            syn::Error::new(rule.attribute_span, message)
        })
    };
    let budget_conflict = || {
        let is_same_budget = is_same_strategy(rule, other)
            && canonical_key(&rule.key, crate_path) == canonical_key(&other.key, crate_path);
        is_same_budget.then(|| {
            let message = if have_one_unit(rule, other) {
                SAME_BUDGET
            } else {
                SAME_BUDGET_OF_TWO_UNITS
            };
            syn::Error::new(rule.attribute_span, message)
        })
    };
    match (&rule.scope, &other.scope) {
        (Scope::Handler, Scope::Handler) => identity_conflict(),
        (Scope::Shared(scope), Scope::Shared(other)) if scope.value() == other.value() => {
            budget_conflict()
        }
        (Scope::Expr(scope), Scope::Expr(other)) => {
            match (
                is_route_expr(scope, crate_path),
                is_route_expr(other, crate_path),
            ) {
                // With `route`, the budget stays that of the rule, one for each route.
                (true, true) => identity_conflict(),
                (false, false)
                    if canonical_fn(scope, crate_path) == canonical_fn(other, crate_path) =>
                {
                    budget_conflict()
                }
                _ => None,
            }
        }
        (Scope::OverArgs(scope), Scope::OverArgs(other))
            if canonical(&scope.expr) == canonical(&other.expr) =>
        {
            budget_conflict()
        }
        _ => None,
    }
}

/// Whether both have limits, or both have a concurrency limit. Requests in flight are counted apart
/// from those of a window.
fn have_common_counts(rule: &Rule, other: &Rule) -> bool {
    let have = |has: fn(&Rule) -> bool| has(rule) && has(other);
    have(|rule| !matches!(rule.limits, RuleLimits::None)) || have(|rule| rule.concurrency.is_some())
}

const SAME_BUDGET: &str = "another attribute of this handler has the same scope, key and strategy, \
     so each request would be charged twice to one budget: write the limits of both in one string, \
     `\"10/second; 100/minute\"`, or give one of them another scope";

const SAME_BUDGET_OF_TWO_UNITS: &str = "another attribute of this handler has the same scope, key \
     and strategy, and counts another unit, so both would be counted in one budget: give one of \
     them another scope";

/// What else to do about two rules that need two names. Limits of two units cannot be in one
/// string.
fn or_in_one_string(rule: &Rule, other: &Rule) -> &'static str {
    if have_one_unit(rule, other) {
        ", or write the limits of both in one string, `\"10/second; 100/minute\"`"
    } else {
        ""
    }
}

/// Whether the limits of both count one unit, as far as the source shows.
fn have_one_unit(rule: &Rule, other: &Rule) -> bool {
    match (&rule.limits, &other.limits) {
        (RuleLimits::Literal(limits, _), RuleLimits::Literal(others, _)) => {
            limits.unit() == others.unit()
        }
        _ => true,
    }
}

/// Whether the strategies of two rules use one budget, as far as the source shows. The burst of
/// GCRA does not identify a budget, so rules with different bursts share it if they share a window.
fn is_same_strategy(rule: &Rule, other: &Rule) -> bool {
    match (rule.strategy, other.strategy) {
        (Strategy::Gcra { burst }, Strategy::Gcra { burst: other_burst }) => {
            burst == other_burst || share_a_window(&rule.limits, &other.limits)
        }
        (strategy, other) => strategy == other,
    }
}

/// Whether both have a limit with one window.
fn share_a_window(limits: &RuleLimits, others: &RuleLimits) -> bool {
    let (RuleLimits::Literal(limits, _), RuleLimits::Literal(others, _)) = (limits, others) else {
        return false;
    };
    let mut windows = limits.iter().map(|limit| limit.window());
    windows.any(|window| others.iter().any(|other| other.window() == window))
}

/// The key as canonical text. Without a key, it is `client_ip`.
fn canonical_key(key: &Key, crate_path: Option<&Path>) -> String {
    match key {
        Key::Default => "client_ip".to_owned(),
        Key::Expr(expr) => canonical_fn(expr, crate_path),
        Key::OverArgs(over) => canonical(&over.expr),
        Key::Tuple(parts) => {
            let parts = parts.iter().map(|part| canonical_key(part, crate_path));
            format!("({})", parts.collect::<Vec<_>>().join(","))
        }
    }
}

/// A function as canonical text. A function of the runtime is its name, without its path.
fn canonical_fn(expr: &Expr, crate_path: Option<&Path>) -> String {
    let runtime_name = |expr: &Expr| match expr {
        Expr::Path(path) if path.qself.is_none() => key_function(&path.path, crate_path)
            .or_else(|| is_route(&path.path, crate_path).then_some("route")),
        _ => None,
    };
    if let Some(name) = runtime_name(expr) {
        return name.to_owned();
    }
    if let Expr::Call(call) = expr
        && let Some(name) = runtime_name(&call.func)
    {
        let arguments: Vec<_> = call.args.iter().map(canonical_argument).collect();
        // `everyone()` returns what `everyone` returns.
        return if arguments.is_empty() {
            name.to_owned()
        } else {
            format!("{name}({})", arguments.join(","))
        };
    }
    canonical(expr)
}

/// The argument of a function of the runtime. It is the name of a header, so case does not matter.
fn canonical_argument(argument: &Expr) -> String {
    let argument = without_parens(argument.clone());
    match as_string(&argument) {
        Some(text) => format!("{:?}", text.value().to_ascii_lowercase()),
        None => canonical(&argument),
    }
}

fn is_route_expr(scope: &Expr, crate_path: Option<&Path>) -> bool {
    matches!(scope, Expr::Path(path) if is_route(&path.path, crate_path))
}

/// Gives each rule its label: its name, its shared scope, or the name of the handler. Labels that
/// would be equal are numbered, those of live rules first: a rule in dry run does not change the
/// headers.
fn assign_labels(rules: &mut [Rule], handler: &str) {
    let mut taken: Vec<String> = Vec::new();
    for name in rules.iter().filter_map(|rule| rule.name.as_ref()) {
        taken.push(name.value());
    }
    let (dry_run, live): (Vec<_>, Vec<_>) = rules.iter_mut().partition(|rule| rule.dry_run);
    for rule in live.into_iter().chain(dry_run) {
        if let Some(name) = &rule.name {
            rule.label = name.value();
            continue;
        }
        let base = match &rule.scope {
            Scope::Shared(scope) => scope.value(),
            Scope::Handler | Scope::Expr(_) | Scope::OverArgs(_) => handler.to_owned(),
        };
        let numbered = (2_u32..).map(|number| format!("{base}-{number}"));
        let mut candidates = std::iter::once(base.clone()).chain(numbered);
        let unused = candidates.find(|label| !taken.contains(label));
        rule.label = unused.unwrap_or(base);
        taken.push(rule.label.clone());
    }
}
