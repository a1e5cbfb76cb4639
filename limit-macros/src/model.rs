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
    /// How many requests may be in flight.
    pub(crate) concurrency: Option<Expr>,
    pub(crate) hold_at_most: Option<Duration>,
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
    /// No limit but `concurrency`.
    None,
    /// A string literal, parsed.
    Literal(Limits, Span),
    /// A constant, or a function of extractors.
    Expr(Expr),
    /// An expression over the arguments of the handler.
    OverArgs(ArgsExpr),
}

pub(crate) enum Key {
    /// The default key of the limiter.
    Default,
    /// A constant, or a function of extractors.
    Expr(Expr),
    /// An expression over the arguments of the handler.
    OverArgs(ArgsExpr),
    Tuple(Vec<Self>),
}

impl Key {
    /// The parts that are no tuples.
    fn parts(&self) -> Vec<&Self> {
        match self {
            Self::Tuple(parts) => parts.iter().flat_map(Self::parts).collect(),
            part => vec![part],
        }
    }

    /// The expressions over the arguments.
    pub(crate) fn over_args(&self) -> impl Iterator<Item = &ArgsExpr> {
        self.parts().into_iter().filter_map(|part| match part {
            Self::OverArgs(over) => Some(over),
            Self::Default | Self::Expr(_) | Self::Tuple(_) => None,
        })
    }
}

pub(crate) enum Scope {
    /// Only this rule of this handler.
    Handler,
    /// Shared among all rules with this text.
    Shared(LitStr),
    /// Shared among all requests for which a function of extractors returns one value.
    Expr(Expr),
    /// As `Expr`, for an expression over the arguments of the handler.
    OverArgs(ArgsExpr),
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
    /// The number of arguments up to the last one that the expression uses.
    pub(crate) arg_count: usize,
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

impl Rule {
    /// The cost, if it is over the arguments.
    pub(crate) fn cost_over_args(&self) -> Option<&ArgsExpr> {
        match &self.cost {
            Cost::OverArgs(over) => Some(over),
            Cost::Fixed(_) | Cost::Expr(_) => None,
        }
    }

    /// The expressions over the arguments for more than the cost.
    pub(crate) fn budget_over_args(&self) -> impl Iterator<Item = &ArgsExpr> {
        let scope = match &self.scope {
            Scope::OverArgs(over) => Some(over),
            Scope::Handler | Scope::Shared(_) | Scope::Expr(_) => None,
        };
        let limits = match &self.limits {
            RuleLimits::OverArgs(over) => Some(over),
            RuleLimits::Literal(..) | RuleLimits::Expr(_) | RuleLimits::None => None,
        };
        scope.into_iter().chain(self.key.over_args()).chain(limits)
    }
}

impl Model {
    /// All expressions over the arguments.
    pub(crate) fn over_args(&self) -> impl Iterator<Item = &ArgsExpr> {
        let rules = self.rules.iter();
        rules.flat_map(|rule| rule.budget_over_args().chain(rule.cost_over_args()))
    }

    /// The number of arguments up to the last one that a rule uses; 0 if no rule uses one.
    pub(crate) fn arg_count(&self) -> usize {
        let counts = self.over_args().map(|over| over.arg_count);
        counts.max().unwrap_or(0)
    }

    /// All expressions that may be functions of extractors.
    pub(crate) fn extractor_fns(&self) -> Vec<&Expr> {
        let mut found = Vec::new();
        for rule in &self.rules {
            if let Scope::Expr(expr) = &rule.scope {
                found.push(expr);
            }
            found.extend(rule.key.parts().into_iter().filter_map(|part| match part {
                Key::Expr(expr) => Some(expr),
                Key::Default | Key::OverArgs(_) | Key::Tuple(_) => None,
            }));
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
