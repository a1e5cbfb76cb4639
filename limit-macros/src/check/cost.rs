//! `cost = …`: a number, a function of extractors, or an expression over the handler's arguments.

use limit_core::{Limits, MAX_COUNT};
use proc_macro2::Span;
use std::fmt::Display;
use syn::{BinOp, Block, Expr, ExprLit, Lit, LitInt, Stmt, UnOp};

use crate::check::handler_args::HandlerArgs;
use crate::check::over_args;
use crate::errors::Errors;
use crate::model::{Cost, Purpose, Rule, RuleLimits, Strategy};

const NOT_A_NUMBER: &str = "this is not a cost: write a whole number, a function of extractors, \
     or an expression over the handler's arguments";

const NEGATIVE: &str = "this cost is negative, and a request cannot give budget back: \
     write a cost of at least 0";

/// Checks `cost = …`.
pub(crate) fn cost(expr: Expr, args: &HandlerArgs, errors: &mut Errors) -> Cost {
    if let Some(lit) = not_a_number(&expr) {
        errors.at_tokens(lit, NOT_A_NUMBER);
        return Cost::Fixed(1);
    }
    if let Expr::Lit(ExprLit {
        lit: Lit::Int(number),
        ..
    }) = &expr
    {
        return Cost::Fixed(literal_value(number, errors));
    }
    if let Some(negative) = negative(&expr) {
        errors.at_tokens(negative, NEGATIVE);
        return Cost::Fixed(1);
    }
    if let Some(computed) = constant(&expr) {
        // Only the literal 0 means that the handler charges.
        return Cost::Fixed(in_range(computed.max(1), &expr, errors));
    }
    match over_args::of(Purpose::Cost, &expr, args, errors) {
        Some(over) => Cost::OverArgs(over),
        None => Cost::Expr(expr),
    }
}

fn literal_value(number: &LitInt, errors: &mut Errors) -> u64 {
    match number.base10_parse::<i128>() {
        Ok(value) => in_range(value, number, errors),
        Err(_) => in_range(i128::MAX, number, errors),
    }
}

fn in_range(value: i128, written: &impl quote::ToTokens, errors: &mut Errors) -> u64 {
    match u64::try_from(value) {
        Ok(cost @ ..=MAX_COUNT) => cost,
        _ => {
            errors.at_tokens(
                written,
                "this cost is too large: write a cost of at most 999_999_999_999_999",
            );
            1
        }
    }
}

/// The literal that an expression is, with or without a sign, if it is not a whole number.
fn not_a_number(expr: &Expr) -> Option<&Lit> {
    match expr {
        Expr::Lit(ExprLit { lit, .. }) => {
            let is_whole = matches!(lit, Lit::Int(number) if !number.suffix().starts_with('f'));
            (!is_whole).then_some(lit)
        }
        Expr::Unary(unary) if matches!(unary.op, UnOp::Neg(_)) => not_a_number(&unary.expr),
        Expr::Paren(inner) => not_a_number(&inner.expr),
        Expr::Group(inner) => not_a_number(&inner.expr),
        _ => None,
    }
}

/// The value of an expression that consists of whole numbers.
fn constant(expr: &Expr) -> Option<i128> {
    match expr {
        Expr::Lit(ExprLit {
            lit: Lit::Int(number),
            ..
        }) => number.base10_parse().ok(),
        Expr::Paren(inner) => constant(&inner.expr),
        Expr::Group(inner) => constant(&inner.expr),
        Expr::Cast(cast) => constant(&cast.expr),
        Expr::Block(block) if block.label.is_none() => constant(only_value(&block.block)?),
        Expr::Const(block) => constant(only_value(&block.block)?),
        Expr::Unary(unary) => match unary.op {
            UnOp::Neg(_) => constant(&unary.expr)?.checked_neg(),
            _ => None,
        },
        Expr::Binary(binary) => {
            let (left, right) = (constant(&binary.left)?, constant(&binary.right)?);
            match binary.op {
                BinOp::Add(_) => left.checked_add(right),
                BinOp::Sub(_) => left.checked_sub(right),
                BinOp::Mul(_) => left.checked_mul(right),
                BinOp::Div(_) => left.checked_div(right),
                BinOp::Rem(_) => left.checked_rem(right),
                BinOp::Shl(_) => left.checked_mul(1_i128.checked_shl(u32::try_from(right).ok()?)?),
                BinOp::Shr(_) => left.checked_shr(u32::try_from(right).ok()?),
                _ => None,
            }
        }
        _ => None,
    }
}

/// The part of an expression that makes its value negative, such as one branch of an `if`.
fn negative(expr: &Expr) -> Option<&Expr> {
    if constant(expr).is_some_and(|value| value < 0) {
        return Some(expr);
    }
    match expr {
        Expr::Paren(inner) => negative(&inner.expr),
        Expr::Group(inner) => negative(&inner.expr),
        Expr::Closure(closure) => negative(&closure.body),
        Expr::Block(block) => negative(last_value(&block.block)?),
        Expr::Async(block) => negative(last_value(&block.block)?),
        Expr::Const(block) => negative(last_value(&block.block)?),
        Expr::Unsafe(block) => negative(last_value(&block.block)?),
        Expr::If(condition) => {
            let then = last_value(&condition.then_branch).and_then(negative);
            let otherwise = condition.else_branch.as_ref();
            then.or_else(|| otherwise.and_then(|(_, otherwise)| negative(otherwise)))
        }
        Expr::Match(arms) => arms.arms.iter().find_map(|arm| negative(&arm.body)),
        Expr::Return(value) => negative(value.expr.as_ref()?),
        _ => None,
    }
}

/// The expression of a block that contains nothing else.
fn only_value(block: &Block) -> Option<&Expr> {
    (block.stmts.len() == 1)
        .then(|| last_value(block))
        .flatten()
}

fn last_value(block: &Block) -> Option<&Expr> {
    match block.stmts.last()? {
        Stmt::Expr(expr, None) => Some(expr),
        _ => None,
    }
}

/// Reports a constant cost that is larger than a literal limit.
pub(crate) fn check_fits(rule: &Rule, cost_span: Span, errors: &mut Errors) {
    let Cost::Fixed(cost @ 2..) = rule.cost else {
        return;
    };
    let mut report = |what: &str, most: &dyn Display| {
        let message = format!(
            "a cost of {cost} exceeds the {what} of {most}, so every request would be rejected: \
             write a smaller cost or a larger {what}"
        );
        errors.at_span(cost_span, message);
    };
    // With GCRA, the burst is the most that can be consumed at once, whatever the limit is.
    if let Strategy::Gcra { burst } = rule.strategy {
        if burst.get() < cost {
            report("burst", &burst);
        }
    } else if let RuleLimits::Literal(limits, _) = &rule.limits
        && let Some(limit) = limits.iter().find(|limit| limit.count().get() < cost)
    {
        report("limit", &Limits::from(*limit).with_unit(limits.unit()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use syn::parse_quote;

    #[test]
    fn constants_are_computed() {
        assert_eq!(constant(&parse_quote!(2 * 5)), Some(10));
        assert_eq!(constant(&parse_quote!(-(3))), Some(-3));
        assert_eq!(constant(&parse_quote!((1 << 4) - 10_u32 / 3 % 2)), Some(15));
        assert_eq!(constant(&parse_quote!({ 7 } as u8)), Some(7));
        assert_eq!(constant(&parse_quote!(1 / 0)), None);
        assert_eq!(constant(&parse_quote!(N + 1)), None);
        assert_eq!(constant(&parse_quote!(1 << 200)), None);
    }

    #[test]
    fn a_negative_value_is_found_in_every_branch() {
        let is_negative = |expr: Expr| negative(&expr).is_some();
        assert!(is_negative(parse_quote!(2 - 5)));
        assert!(is_negative(parse_quote!(if urgent { 1 } else { -1 })));
        assert!(is_negative(parse_quote!(match n {
            0 => -1,
            n => n,
        })));
        assert!(is_negative(parse_quote!(|_: &HeaderMap| -1)));
        assert!(is_negative(parse_quote!(async |_: &HeaderMap| {
            f().await;
            -1
        })));
        assert!(!is_negative(parse_quote!(inputs.len() - 1)));
        assert!(!is_negative(parse_quote!(if n > -1 { 1 } else { 2 })));
    }
}
