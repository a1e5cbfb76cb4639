//! Expressions over the handler's arguments as written: mistakes in them that the source shows.

use proc_macro2::Ident;
use syn::visit::{self, Visit};
use syn::{Expr, ExprField, ExprMethodCall};

use crate::check::free_names::free_names;
use crate::check::handler_args::HandlerArgs;
use crate::did_you_mean::closest;
use crate::errors::Errors;
use crate::exprs::without_parens;
use crate::known_paths::{is_route, key_function};
use crate::model::{ArgsExpr, Purpose};

/// The expression, if it uses the arguments. Otherwise it is a constant, or a function of
/// extractors.
pub(crate) fn of(
    purpose: Purpose,
    expr: &Expr,
    args: &HandlerArgs,
    errors: &mut Errors,
) -> Option<ArgsExpr> {
    check_receivers(expr, args, errors);
    let over = args.args_expr(expr)?;
    if matches!(purpose, Purpose::Key | Purpose::Scope) {
        check_known_name(expr, errors);
    }
    Some(over)
}

/// Reports an argument with the name of one of the runtime's functions, if that name alone is the
/// key or the scope: it could mean either.
fn check_known_name(expr: &Expr, errors: &mut Errors) {
    let Expr::Path(path) = without_parens(expr.clone()) else {
        return;
    };
    let known = if key_function(&path.path, None).is_some() {
        "a key function"
    } else if is_route(&path.path, None) {
        "the scope function"
    } else {
        return;
    };
    if let Some(name) = path.path.get_ident() {
        errors.at_span(
            name.span(),
            format!(
                "`{name}` is an argument of this handler, and {known}: rename the argument, or \
                 write `limit_runtime::{name}` if you mean the function"
            ),
        );
    }
}

/// Reports names of which a field or a method is used, and that are nearly the name of an argument.
fn check_receivers(expr: &Expr, args: &HandlerArgs, errors: &mut Errors) {
    // A closure has arguments of its own.
    if matches!(expr, Expr::Closure(_)) {
        return;
    }
    let mut receivers = Receivers::default();
    receivers.visit_expr(expr);
    let is_value = |name: &&Ident| {
        let is_bound = args.names().any(|bound| bound == *name);
        !is_bound
            && name
                .to_string()
                .starts_with(|first: char| first.is_lowercase())
    };
    let free = free_names(expr);
    for name in receivers.0.iter().filter(is_value) {
        let names: Vec<_> = args.names().map(Ident::to_string).collect();
        if free.contains(name)
            && let Some(meant) = closest(&name.to_string(), names.iter().map(String::as_str))
        {
            errors.at_span(
                name.span(),
                format!("`{name}` is no argument of this handler: did you mean `{meant}`?"),
            );
        }
    }
}

/// The single words of which a field or a method is used.
#[derive(Default)]
struct Receivers(Vec<Ident>);

impl Receivers {
    fn add(&mut self, receiver: &Expr) {
        if let Expr::Path(path) = receiver {
            self.0.extend(path.path.get_ident().cloned());
        }
    }
}

impl<'ast> Visit<'ast> for Receivers {
    fn visit_expr_field(&mut self, field: &'ast ExprField) {
        self.add(&field.base);
        visit::visit_expr_field(self, field);
    }

    fn visit_expr_method_call(&mut self, call: &'ast ExprMethodCall) {
        self.add(&call.receiver);
        visit::visit_expr_method_call(self, call);
    }
}
