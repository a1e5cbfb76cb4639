//! What the attributes on one handler mean.

use limit_core::Limits;
use proc_macro2::{Ident, Span};
use quote::ToTokens;
use std::num::NonZeroU32;
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
    pub(crate) limits: LimitsValue,
    pub(crate) key: Key,
    pub(crate) cost: Cost,
    pub(crate) scope: Scope,
    pub(crate) name: Option<LitStr>,
    pub(crate) strategy: Strategy,
    /// Empty for all.
    pub(crate) methods: Vec<String>,
    /// Milliseconds.
    pub(crate) wait: Option<u64>,
    pub(crate) count_when: Option<Expr>,
    pub(crate) on_limited: Option<Expr>,
    pub(crate) on_store_error: Option<String>,
}

impl Rule {
    /// Whether both draw on one budget, as far as the source tells.
    pub(crate) fn is_same_budget(&self, other: &Self) -> bool {
        match (&self.scope, &other.scope) {
            (Scope::Shared(scope), Scope::Shared(other_scope)) => {
                scope.value() == other_scope.value() && self.key.words() == other.key.words()
            }
            _ => false,
        }
    }
}

impl Key {
    /// In the words of the source; nothing for the limiter's own key.
    pub(crate) fn words(&self) -> Option<String> {
        match self {
            Self::Default => None,
            Self::Expr(expr) => Some(expr.to_token_stream().to_string()),
            Self::All(keys) => {
                let words: Vec<_> = keys.iter().filter_map(Self::words).collect();
                Some(format!("({})", words.join(", ")))
            }
        }
    }
}

pub(crate) enum Scope {
    /// The handler's own.
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
    Fixed(u32),
    /// A function of extractors or a constant.
    Expr(Expr),
    /// An expression over the handler's own arguments, and their patterns with only the names
    /// that it uses, bound by reference.
    Arguments {
        expr: Expr,
        patterns: Vec<Pat>,
    },
}

#[derive(Clone, Copy)]
pub(crate) enum Strategy {
    MovingWindow,
    FixedWindow,
    SlidingWindow,
    Gcra { burst: NonZeroU32 },
}

impl Model {
    /// Whether costs are known only once the arguments are there.
    pub(crate) fn charges_later(&self) -> bool {
        self.rules
            .iter()
            .any(|rule| matches!(rule.cost, Cost::Arguments { .. }))
    }
}
