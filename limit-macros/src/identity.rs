//! Which budget a rule has: what the author wrote, never where it stands.
//!
//! By default a rule has a budget of its own on its handler, identified by its `name` or, without a name, by its key
//! as written. Under a shared or computed scope the budget is identified by the scope, the key and the strategy.

use syn::{Expr, ExprLit, Lit, Path};

use crate::errors::Errors;
use crate::model::{Key, LimitsValue, Model, Rule, Scope, Strategy};
use crate::paths::{is_route, key_function};
use crate::render::canonical;
use crate::syntax::unwrapped;

/// Gives each rule its identity and the label that clients read, and reports rules that have one budget.
pub(crate) fn assign(model: &mut Model, handler: &str, errors: &mut Errors) {
    let krate = model.krate.as_ref();
    for rule in &mut model.rules {
        rule.identity = match &rule.name {
            Some(name) => name.value(),
            None => key_words(&rule.key, krate),
        };
    }
    for (index, rule) in model.rules.iter().enumerate() {
        let mut before = model.rules.iter().take(index);
        if let Some(clash) = before.find_map(|other| Clash::of(rule, other, krate)) {
            clash.report(rule, errors);
        }
    }
    assign_labels(&mut model.rules, handler);
}

/// What two rules of one handler have in common that they must not have.
enum Clash {
    /// Both have this name.
    Name,
    /// Both are the same rule, by name or by key.
    Identity,
    /// Both draw on the same shared budget.
    Budget,
}

impl Clash {
    fn of(rule: &Rule, other: &Rule, krate: Option<&Path>) -> Option<Self> {
        if let (Some(name), Some(other)) = (&rule.name, &other.name)
            && name.value() == other.value()
        {
            return Some(Self::Name);
        }
        let same_identity = rule.identity == other.identity;
        let same_budget = || {
            is_same_strategy(rule, other)
                && key_words(&rule.key, krate) == key_words(&other.key, krate)
        };
        match (&rule.scope, &other.scope) {
            (Scope::Handler, Scope::Handler) => same_identity.then_some(Self::Identity),
            (Scope::Shared(scope), Scope::Shared(other)) if scope.value() == other.value() => {
                same_budget().then_some(Self::Budget)
            }
            (Scope::Expr(scope), Scope::Expr(other)) => {
                match (is_route_expr(scope, krate), is_route_expr(other, krate)) {
                    // One budget for each route, still the rule's own.
                    (true, true) => same_identity.then_some(Self::Identity),
                    (false, false) if words(scope, krate) == words(other, krate) => {
                        same_budget().then_some(Self::Budget)
                    }
                    _ => None,
                }
            }
            _ => None,
        }
    }

    fn report(&self, rule: &Rule, errors: &mut Errors) {
        match self {
            Self::Name => errors.at(
                rule.name.as_ref().map_or(rule.span, syn::LitStr::span),
                format!(
                    "another attribute of this handler has the name {:?} too: give each a name of its own, or write its limits in one \
                     string, `\"10/second; 100/minute\"`",
                    rule.identity
                ),
            ),
            Self::Identity => errors.at(
                rule.span,
                format!(
                    "another attribute of this handler is `{}` too, so that both would have one budget: give one a `name`, or write \
                     its limits in one string, `\"10/second; 100/minute\"`",
                    rule.identity
                ),
            ),
            Self::Budget => errors.at(
                rule.span,
                "another attribute has the same scope, key and strategy, so that each request would be charged twice to one budget: \
                 write its limits in one string, `\"10/second; 100/minute\"`, or give one of the two another scope",
            ),
        }
    }
}

/// Whether two rules count in one place, as far as the source tells. The burst of GCRA is no part of a budget: two bursts
/// under limits of one window fill one bucket.
fn is_same_strategy(rule: &Rule, other: &Rule) -> bool {
    match (rule.strategy, other.strategy) {
        (Strategy::Gcra { burst }, Strategy::Gcra { burst: other_burst }) => {
            burst == other_burst || shares_a_window(&rule.limits, &other.limits)
        }
        (strategy, other) => strategy == other,
    }
}

/// Whether both have a limit of one window.
fn shares_a_window(limits: &LimitsValue, others: &LimitsValue) -> bool {
    let (LimitsValue::Parsed(limits, _), LimitsValue::Parsed(others, _)) = (limits, others) else {
        return false;
    };
    let mut windows = limits.iter().map(|limit| limit.window());
    windows.any(|window| others.iter().any(|other| other.window() == window))
}

/// A key as written. Without one it is `client_ip`, and our own functions are known by their last word.
fn key_words(key: &Key, krate: Option<&Path>) -> String {
    match key {
        Key::Default => "client_ip".to_owned(),
        Key::Expr(expr) => words(expr, krate),
        Key::All(keys) => {
            let words: Vec<_> = keys.iter().map(|key| key_words(key, krate)).collect();
            format!("({})", words.join(","))
        }
    }
}

fn words(expr: &Expr, krate: Option<&Path>) -> String {
    let own = |expr: &Expr| match expr {
        Expr::Path(path) if path.qself.is_none() => key_function(&path.path, krate)
            .or_else(|| is_route(&path.path, krate).then_some("route")),
        _ => None,
    };
    if let Some(function) = own(expr) {
        return function.to_owned();
    }
    if let Expr::Call(call) = expr
        && let Some(function) = own(&call.func)
    {
        let arguments: Vec<_> = call.args.iter().map(argument_words).collect();
        // `everyone()` is what `everyone` returns.
        return if arguments.is_empty() {
            function.to_owned()
        } else {
            format!("{function}({})", arguments.join(","))
        };
    }
    canonical(expr)
}

/// The argument of one of our functions: a header's name, whatever its case.
fn argument_words(argument: &Expr) -> String {
    match &unwrapped(argument.clone()) {
        Expr::Lit(ExprLit {
            lit: Lit::Str(text),
            ..
        }) => format!("{:?}", text.value().to_ascii_lowercase()),
        argument => canonical(argument),
    }
}

fn is_route_expr(scope: &Expr, krate: Option<&Path>) -> bool {
    matches!(scope, Expr::Path(path) if is_route(&path.path, krate))
}

/// What clients read: the rule's name, or that of its shared scope or of the handler, with a number where the
/// handler has several of them.
fn assign_labels(rules: &mut [Rule], handler: &str) {
    let mut taken: Vec<String> = Vec::new();
    for name in rules.iter().filter_map(|rule| rule.name.as_ref()) {
        taken.push(name.value());
    }
    for rule in rules {
        if let Some(name) = &rule.name {
            rule.label = name.value();
            continue;
        }
        let base = match &rule.scope {
            Scope::Shared(scope) => scope.value(),
            Scope::Handler | Scope::Expr(_) => handler.to_owned(),
        };
        let numbered = (2_u32..).map(|number| format!("{base}-{number}"));
        let mut candidates = std::iter::once(base.clone()).chain(numbered);
        let free = candidates.find(|label| !taken.contains(label));
        rule.label = free.unwrap_or(base);
        taken.push(rule.label.clone());
    }
}
