//! What an expression is, once parentheses are removed.

use proc_macro2::{Ident, Span};
use syn::{Expr, ExprLit, Lit, LitStr};

use crate::spans::user_span;

/// The expression without parentheses, and without the invisible groups around fragments that a
/// `macro_rules!` passes on.
pub(crate) fn without_parens(expr: Expr) -> Expr {
    match expr {
        Expr::Paren(inner) if inner.attrs.is_empty() => without_parens(*inner.expr),
        Expr::Group(inner) if inner.attrs.is_empty() => without_parens(*inner.expr),
        expr => expr,
    }
}

/// The expression as a string literal.
pub(crate) fn as_string(expr: &Expr) -> Option<&LitStr> {
    match expr {
        Expr::Lit(ExprLit {
            lit: Lit::Str(text),
            ..
        }) => Some(text),
        _ => None,
    }
}

/// The expression as a single word.
pub(crate) fn as_word(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Path(path) => path.path.get_ident().map(Ident::to_string),
        _ => None,
    }
}

/// The span of the token that errors about an expression underline: the last word of a path, or the
/// first token of anything else.
pub(crate) fn name_span(expr: &Expr) -> Span {
    match expr {
        Expr::Path(path) => match path.path.segments.last() {
            Some(segment) => segment.ident.span(),
            None => user_span(expr),
        },
        Expr::Call(call) => name_span(&call.func),
        _ => user_span(expr),
    }
}
