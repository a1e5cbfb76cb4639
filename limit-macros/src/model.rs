//! What the attributes on a handler mean.

use limit_core::Limits;
use proc_macro2::{Ident, Span};
use std::num::NonZeroU64;
use std::time::Duration;
use syn::{Expr, LitStr, Pat, Path, Type};

/// All `#[rate_limit]` attributes on one handler.
pub(crate) struct Model {
    /// In the order of the attributes; never empty.
    pub(crate) rules: Vec<Rule>,
    pub(crate) crate_path: Option<Path>,
    pub(crate) state: Option<Type>,
    /// The name of the function without a limit, from `direct = …`.
    pub(crate) direct: Option<Ident>,
}

/// One attribute.
pub(crate) struct Rule {
    pub(crate) attribute_span: Span,
    pub(crate) limits: RuleLimits,
    pub(crate) key: Key,
    pub(crate) cost: Cost,
    pub(crate) scope: Scope,
    pub(crate) name: Option<LitStr>,
    pub(crate) strategy: Strategy,
    /// Empty: all methods.
    pub(crate) methods: Vec<String>,
    pub(crate) wait: Option<Duration>,
    pub(crate) count_when: Option<Expr>,
    pub(crate) on_limited: Option<Expr>,
    pub(crate) on_store_error: Option<Fallback>,
    pub(crate) dry_run: bool,
    pub(crate) cap_cost: Option<CostCap>,
    pub(crate) on_unknown: OnUnknown,
    /// Identifies the rule among those of the handler: its name, or its key as written. Budgets in
    /// stores depend on it.
    pub(crate) identity: String,
    /// The name in response headers.
    pub(crate) label: String,
}

pub(crate) enum RuleLimits {
    /// A string literal, parsed.
    Literal(Limits, Span),
    /// A constant, or a function of extractors.
    Expr(Expr),
}

pub(crate) enum Key {
    /// The default key of the limiter.
    Default,
    /// A constant, or a function of extractors.
    Expr(Expr),
    Tuple(Vec<Self>),
}

pub(crate) enum Scope {
    /// Only this rule of this handler.
    Handler,
    /// Shared among all rules with this text.
    Shared(LitStr),
    /// Shared among all requests for which a function of extractors returns one value.
    Expr(Expr),
}

pub(crate) enum Cost {
    /// A number. With 0, nothing is charged at admission, and the handler charges.
    Fixed(u64),
    /// A constant, or a function of extractors.
    Expr(Expr),
    /// An expression over the arguments of the handler.
    OverArgs(ArgsExpr),
}

/// An expression over the arguments of the handler, with patterns that bind the arguments it uses.
/// Both lists of patterns have one pattern for each argument.
pub(crate) struct ArgsExpr {
    pub(crate) expr: Expr,
    /// Matched against a reference to the arguments.
    pub(crate) reference_patterns: Vec<Pat>,
    /// Matched against the arguments themselves: those patterns that contain `&`, whose names are
    /// bound with `ref`. Empty if there is none.
    pub(crate) value_patterns: Vec<Pat>,
    /// The names that the expression uses, with the spans of the handler's patterns.
    pub(crate) used_names: Vec<Ident>,
}

/// What a function of extractors computes.
#[derive(Clone, Copy)]
pub(crate) enum Purpose {
    Key,
    Limits,
    Scope,
    Cost,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strategy {
    MovingWindow,
    FixedWindow,
    SlidingWindow,
    Gcra { burst: NonZeroU64 },
}

/// The most that a request is charged at admission.
#[derive(Clone, Copy)]
pub(crate) enum CostCap {
    Units(u64),
    /// From 1 to 100.
    Percent(u8),
}

/// What becomes of an estimate if the use is not known.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnUnknown {
    Keep,
    Release,
}

/// How a request is decided if the store fails.
#[derive(Clone, Copy)]
pub(crate) enum Fallback {
    Local,
    Allow,
    Deny,
}

impl Model {
    pub(crate) fn costs_over_args(&self) -> impl Iterator<Item = &ArgsExpr> {
        self.rules.iter().filter_map(|rule| match &rule.cost {
            Cost::OverArgs(over) => Some(over),
            Cost::Fixed(_) | Cost::Expr(_) => None,
        })
    }

    /// Whether a cost is known only after the arguments have been extracted.
    pub(crate) fn charges_after_extraction(&self) -> bool {
        self.costs_over_args().next().is_some()
    }

    /// All expressions that may be functions of extractors.
    pub(crate) fn extractor_fns(&self) -> Vec<&Expr> {
        fn add_key<'a>(key: &'a Key, found: &mut Vec<&'a Expr>) {
            match key {
                Key::Default => {}
                Key::Expr(expr) => found.push(expr),
                Key::Tuple(parts) => parts.iter().for_each(|part| add_key(part, found)),
            }
        }
        let mut found = Vec::new();
        for rule in &self.rules {
            if let Scope::Expr(expr) = &rule.scope {
                found.push(expr);
            }
            add_key(&rule.key, &mut found);
            if let RuleLimits::Expr(expr) = &rule.limits {
                found.push(expr);
            }
            if let Cost::Expr(expr) = &rule.cost {
                found.push(expr);
            }
        }
        found
    }
}
