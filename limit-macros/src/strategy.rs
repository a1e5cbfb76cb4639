//! `strategy = …`: a word, and for GCRA its burst.

use proc_macro2::Ident;
use std::num::NonZeroU64;
use syn::punctuated::Punctuated;
use syn::{Expr, ExprAssign, ExprCall, ExprLit, Lit, Token};

use crate::errors::Errors;
use crate::model::Strategy;
use crate::nearest::{did_you_mean, hinted, nearest};
use crate::syntax::unwrapped;

pub(crate) const ALL: [&str; 4] = ["moving_window", "fixed_window", "sliding_window", "gcra"];

/// The strategy that an expression names; `None` after an error.
pub(crate) fn check(expr: &Expr, errors: &mut Errors) -> Option<Strategy> {
    match expr {
        Expr::Lit(ExprLit {
            lit: Lit::Str(text),
            ..
        }) if ALL.contains(&text.value().as_str()) => {
            let word = text.value();
            errors.over(
                expr,
                format!("write it without quotes: `strategy = {word}`"),
            );
            None
        }
        Expr::Call(ExprCall { func, args, .. }) => match word(func).as_deref() {
            Some("gcra") => gcra(expr, args, errors),
            Some(word) if ALL.contains(&word) => {
                errors.over(
                    expr,
                    format!("`{word}` takes no arguments: write `strategy = {word}`"),
                );
                None
            }
            word => unknown(expr, word, errors),
        },
        _ => match word(expr).as_deref() {
            Some("moving_window") => Some(Strategy::MovingWindow),
            Some("fixed_window") => Some(Strategy::FixedWindow),
            Some("sliding_window") => Some(Strategy::SlidingWindow),
            Some("gcra") => {
                errors.over(expr, GCRA);
                None
            }
            word => unknown(expr, word, errors),
        },
    }
}

const GCRA: &str =
    "`gcra` needs to know how much may be taken at once: write `strategy = gcra(burst = 10)`";

const NO_BURST: &str =
    "the burst is zero, so that every request would be refused: it is at least 1";

fn gcra(expr: &Expr, args: &Punctuated<Expr, Token![,]>, errors: &mut Errors) -> Option<Strategy> {
    let burst = match (args.first(), args.len()) {
        (Some(Expr::Assign(ExprAssign { left, right, .. })), 1) => {
            match (word(left).as_deref(), &unwrapped((**right).clone())) {
                (
                    Some("burst"),
                    Expr::Lit(ExprLit {
                        lit: Lit::Int(burst),
                        ..
                    }),
                ) => match burst.base10_parse().map(NonZeroU64::new) {
                    Ok(None) => {
                        errors.over(burst, NO_BURST);
                        return None;
                    }
                    parsed => parsed.ok().flatten(),
                },
                _ => None,
            }
        }
        _ => None,
    };
    match burst {
        Some(burst) => Some(Strategy::Gcra { burst }),
        None => {
            errors.over(expr, GCRA);
            None
        }
    }
}

pub(crate) fn word(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Path(path) => path.path.get_ident().map(Ident::to_string),
        _ => None,
    }
}

fn unknown(expr: &Expr, word: Option<&str>, errors: &mut Errors) -> Option<Strategy> {
    let near = nearest(word.unwrap_or_default(), ALL.into_iter());
    let hint = hinted(did_you_mean(near));
    errors.over(
        expr,
        format!(
            "unknown strategy{hint} There are `moving_window` (the default), `fixed_window`, `sliding_window`, `gcra(burst = 10)`"
        ),
    );
    None
}
