//! What the attributes on one handler mean.

use limit_core::Limits;
use proc_macro2::{Ident, Span};
use std::num::NonZeroU64;
use syn::{Expr, LitStr, Pat, Path, Type};

/// All the attributes on one handler.
pub(crate) struct Model {
    /// In the order in which they are written; never empty.
    pub(crate) rules: Vec<Rule>,
    pub(crate) krate: Option<Path>,
    pub(crate) state: Option<Type>,
    pub(crate) direct: Option<Ident>,
}

/// One attribute.
pub(crate) struct Rule {
    /// The attribute.
    pub(crate) span: Span,
    pub(crate) limits: LimitsValue,
    pub(crate) key: Key,
    pub(crate) cost: Cost,
    pub(crate) scope: Scope,
    pub(crate) name: Option<LitStr>,
    pub(crate) strategy: Strategy,
    /// Empty for all.
    pub(crate) methods: Vec<String>,
    pub(crate) wait: Option<Millis>,
    pub(crate) count_when: Option<Expr>,
    pub(crate) on_limited: Option<Expr>,
    pub(crate) on_store_error: Option<Fallback>,
    /// Which of the handler's rules it is, whatever stands beside it: its name, or its key as written.
    pub(crate) identity: String,
    /// What clients read.
    pub(crate) label: String,
}

/// A length of time.
#[derive(Clone, Copy)]
pub(crate) struct Millis(pub(crate) u64);

pub(crate) enum Scope {
    /// The rule's own, on this handler.
    Handler,
    /// Shared by name.
    Shared(LitStr),
    /// Shared by what a function of extractors returns.
    Expr(Expr),
}

pub(crate) enum LimitsValue {
    /// A literal, parsed.
    Parsed(Limits, Span),
    /// Anything else.
    Expr(Expr),
}

pub(crate) enum Key {
    /// The limiter's.
    Default,
    /// A function of extractors or a constant.
    Expr(Expr),
    /// A tuple of them.
    All(Vec<Self>),
}

pub(crate) enum Cost {
    /// A number. 0: nothing is charged at admission, the handler charges.
    Fixed(u64),
    /// A function of extractors or a constant.
    Expr(Expr),
    /// An expression over the handler's own arguments.
    Arguments(OverArguments),
}

/// An expression over the handler's own arguments, and how to bind those that it uses.
pub(crate) struct OverArguments {
    pub(crate) expr: Expr,
    /// One pattern for each argument, to be matched against a reference to them.
    pub(crate) by_reference: Vec<Pat>,
    /// One pattern for each argument, to be matched against the arguments themselves: patterns with `&`, whose
    /// names say `ref`. Empty when there is none.
    pub(crate) in_place: Vec<Pat>,
    /// The names that it uses, as the handler's patterns have them.
    pub(crate) uses: Vec<Ident>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strategy {
    MovingWindow,
    FixedWindow,
    SlidingWindow,
    Gcra { burst: NonZeroU64 },
}

/// What to do if the store does not answer.
#[derive(Clone, Copy)]
pub(crate) enum Fallback {
    Local,
    Allow,
    Deny,
}

impl Model {
    /// The expressions over the handler's arguments.
    pub(crate) fn over_arguments(&self) -> impl Iterator<Item = &OverArguments> {
        self.rules.iter().filter_map(|rule| match &rule.cost {
            Cost::Arguments(over) => Some(over),
            Cost::Fixed(_) | Cost::Expr(_) => None,
        })
    }

    /// Whether costs are known only once the arguments are there.
    pub(crate) fn charges_later(&self) -> bool {
        self.over_arguments().next().is_some()
    }
}
