//! `strategy = …`: the name of a strategy, with a burst for GCRA.

use limit_core::MAX_COUNT;
use std::num::NonZeroU64;
use syn::punctuated::Punctuated;
use syn::{Expr, ExprAssign, ExprCall, ExprLit, Lit, LitStr, Token};

use crate::did_you_mean::{closest, did_you_mean, with_hint};
use crate::errors::Errors;
use crate::exprs::{as_string, as_word, without_parens};
use crate::model::Strategy;

pub(crate) const STRATEGIES: [&str; 4] =
    ["moving_window", "fixed_window", "sliding_window", "gcra"];

/// Reads the strategy; `None` after an error.
pub(crate) fn parse(expr: &Expr, errors: &mut Errors) -> Option<Strategy> {
    if let Some(text) = as_string(expr).map(LitStr::value)
        && STRATEGIES.contains(&text.as_str())
    {
        let message = format!("this strategy is in quotes: write `strategy = {text}`");
        errors.at_tokens(expr, message);
        return None;
    }
    match expr {
        Expr::Call(ExprCall { func, args, .. }) => match as_word(func).as_deref() {
            Some("gcra") => gcra(expr, args, errors),
            Some(word) if STRATEGIES.contains(&word) => {
                errors.at_tokens(
                    expr,
                    format!("`{word}` takes no arguments: write `strategy = {word}`"),
                );
                None
            }
            word => unknown_strategy(expr, word, errors),
        },
        _ => match as_word(expr).as_deref() {
            Some("moving_window") => Some(Strategy::MovingWindow),
            Some("fixed_window") => Some(Strategy::FixedWindow),
            Some("sliding_window") => Some(Strategy::SlidingWindow),
            Some("gcra") => {
                errors.at_tokens(expr, MISSING_BURST);
                None
            }
            word => unknown_strategy(expr, word, errors),
        },
    }
}

const MISSING_BURST: &str = "`gcra` needs a burst, the most units that can be consumed at once: \
     write `strategy = gcra(burst = 10)`";

const ZERO_BURST: &str = "the burst is 0, so every request would be rejected: \
     write a burst of at least 1";

const LARGE_BURST: &str = "this burst is too large: write a burst of at most 999_999_999_999_999";

fn gcra(expr: &Expr, args: &Punctuated<Expr, Token![,]>, errors: &mut Errors) -> Option<Strategy> {
    let burst = match (args.first(), args.len()) {
        (Some(Expr::Assign(ExprAssign { left, right, .. })), 1) => {
            match (as_word(left).as_deref(), &without_parens((**right).clone())) {
                (
                    Some("burst"),
                    Expr::Lit(ExprLit {
                        lit: Lit::Int(burst),
                        ..
                    }),
                ) => match burst.base10_parse().map(NonZeroU64::new) {
                    Ok(None) => {
                        errors.at_tokens(burst, ZERO_BURST);
                        return None;
                    }
                    Ok(Some(value)) if value.get() > MAX_COUNT => {
                        errors.at_tokens(burst, LARGE_BURST);
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
            errors.at_tokens(expr, MISSING_BURST);
            None
        }
    }
}

fn unknown_strategy(expr: &Expr, word: Option<&str>, errors: &mut Errors) -> Option<Strategy> {
    let misspelled = closest(word.unwrap_or_default(), STRATEGIES.into_iter());
    let hint = with_hint(did_you_mean(misspelled));
    errors.at_tokens(
        expr,
        format!(
            "unknown strategy{hint} The strategies are `moving_window` (the default), \
             `fixed_window`, `sliding_window`, `gcra(burst = 10)`"
        ),
    );
    None
}
