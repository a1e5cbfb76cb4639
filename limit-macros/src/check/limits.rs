//! The limits of an attribute, and their `unit = …`.

use limit_core::{Limits, ParseErrorKind};
use syn::{Expr, ExprLit, Lit, LitStr};

use crate::check::handler_args::HandlerArgs;
use crate::check::{extractor_fn, over_args};
use crate::errors::Errors;
use crate::model::{Purpose, RuleLimits};
use crate::syntax::unit::NamedUnit;
use crate::tokens::readable;

/// Checks the limits. `None` after an error.
pub(super) fn check(
    expr: Expr,
    unit: Option<NamedUnit>,
    args: &HandlerArgs,
    errors: &mut Errors,
) -> Option<RuleLimits> {
    if let Expr::Lit(ExprLit { lit, .. }) = &expr {
        let Lit::Str(text) = lit else {
            errors.at_tokens(
                lit,
                "the limits are not a string: write them as in `\"10/minute\"`",
            );
            return None;
        };
        return parse(text, unit, errors);
    }
    if let Expr::Macro(call) = &expr
        && extractor_fn::is_text_macro(&call.mac.path)
    {
        let text = readable(&expr);
        errors.at_tokens(
            &expr,
            format!("the limits are a text that is not parsed: write `limits!({text})`"),
        );
        return None;
    }
    if let Some(unit) = unit {
        let name = unit.unit;
        errors.at_span(
            unit.span,
            format!(
                "`unit` is for limits in quotes, and these are an expression: give them their unit \
                 where they are made, as in `limits!(\"10/minute\", unit = \"{name}\")`, or with \
                 `Limits::with_unit`"
            ),
        );
    }
    extractor_fn::check(Purpose::Limits, &expr, errors);
    Some(match over_args::of(Purpose::Limits, &expr, args, errors) {
        Some(over) => RuleLimits::OverArgs(over),
        None => RuleLimits::Expr(expr),
    })
}

fn parse(text: &LitStr, unit: Option<NamedUnit>, errors: &mut Errors) -> Option<RuleLimits> {
    let limits = match unit {
        Some(unit) => Limits::parse_in(&text.value(), unit.unit),
        None => Limits::parse(&text.value()),
    };
    match (limits, unit) {
        (Ok(limits), _) => Some(RuleLimits::Literal(limits, text.span())),
        (Err(error), Some(unit)) if matches!(error.kind(), ParseErrorKind::OtherUnit { .. }) => {
            let named = unit.unit;
            errors.at_span(
                unit.span,
                format!(
                    "`unit` is `{named}`, and `{}` counts something else: \
                     remove `unit`, or the unit in the limits",
                    error.found()
                ),
            );
            None
        }
        (Err(error), _) => {
            errors.at_span(text.span(), error);
            None
        }
    }
}
