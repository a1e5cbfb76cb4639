//! What is known of a rule's budgets without a request, so that they can be looked at.
//!
//! A constant or a function of the runtime is recognised by its spelling, and confirmed by its type
//! when the program runs. Other expressions may depend on generics or on inference, so they are not
//! repeated here.

use limit_core::Limits;
use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::ext::IdentExt;
use syn::{Expr, ExprLit, Lit, LitStr};

use crate::emit::context::Context;
use crate::known_paths::{is_route, key_function};
use crate::model::{Key, Rule, RuleLimits, Scope};

/// The expression of a `KnownBudget`.
pub(crate) fn known_budget(context: &Context<'_>, rule: &Rule) -> TokenStream {
    let (runtime, span) = (&context.runtime, context.hygienic_span);
    let known_budget = runtime.known_budget();
    let scope = scope(context, rule);
    let strategy = runtime.strategy(rule.strategy);
    let limits = match limits(context, rule) {
        Some(limits) => {
            let expr = runtime.known_limits_expr();
            quote_spanned!(span=> #expr(|| #limits))
        }
        None => runtime.known_limits_unknown(),
    };
    let key = match key(context, &rule.key) {
        Some(key) => {
            let attribute = runtime.known_key_attribute();
            quote_spanned!(span=> #attribute(|__parts| #key))
        }
        None => runtime.known_key_default(),
    };
    quote_spanned!(span=> #known_budget::new(#scope, #strategy, #limits, #key))
}

fn scope(context: &Context<'_>, rule: &Rule) -> TokenStream {
    let (runtime, span) = (&context.runtime, context.hygienic_span);
    let (scope, fixed) = (runtime.scope(), runtime.known_scope_fixed());
    if let Scope::Shared(name) = &rule.scope {
        return quote_spanned!(span=> #fixed(#scope::shared(#name)));
    }
    let handler = context.handler_path();
    let identity = LitStr::new(&rule.identity, span);
    let of_handler = quote_spanned!(span=> #scope::handler(#handler, #identity));
    let is_route = match &rule.scope {
        Scope::Handler | Scope::Shared(_) => return quote_spanned!(span=> #fixed(#of_handler)),
        Scope::Expr(function) if is_named_route(context, function) => {
            let is_route_function = runtime.is_route_function();
            quote_spanned!(span=> #is_route_function(&#function))
        }
        Scope::Expr(_) | Scope::OverArgs(_) => quote_spanned!(span=> false),
    };
    let by_function = runtime.known_scope_function();
    quote_spanned!(span=> #by_function { scope: #of_handler, is_route: || #is_route })
}

fn is_named_route(context: &Context<'_>, function: &Expr) -> bool {
    let crate_path = context.model.crate_path.as_ref();
    matches!(function, Expr::Path(path) if is_route(&path.path, crate_path))
}

/// An expression of optional limits. `None` if they may depend on the request.
fn limits(context: &Context<'_>, rule: &Rule) -> Option<TokenStream> {
    let span = context.hygienic_span;
    let constant_limits = context.runtime.constant_limits();
    let constant = match &rule.limits {
        RuleLimits::Literal(limits, _) => {
            let limits_macro = context.runtime.limits_macro();
            let text = limits.to_string();
            // A unit that is not a known one is not in the grammar.
            let unit = Limits::parse(&text).is_err().then(|| {
                let unit = LitStr::new(limits.unit().as_str(), span);
                quote_spanned!(span=> , unit = #unit)
            });
            let text = LitStr::new(&text, span);
            quote_spanned!(span=> #limits_macro!(#text #unit))
        }
        RuleLimits::Expr(expr) if is_constant(expr) => expr.to_token_stream(),
        RuleLimits::Expr(_) | RuleLimits::OverArgs(_) | RuleLimits::None => return None,
    };
    Some(quote_spanned!(span=> #constant_limits(&#constant)))
}

/// Whether an expression is `limits!(…)`, or has the name of a constant and is outside of
/// everything that could be generic.
fn is_constant(expr: &Expr) -> bool {
    match expr {
        Expr::Macro(call) => {
            let name = call.mac.path.segments.last();
            name.is_some_and(|name| name.ident == "limits")
        }
        Expr::Path(path) if path.qself.is_none() => {
            let mut segments = path.path.segments.iter().rev();
            let name = segments.next();
            let is_upper = |text: String| !text.contains(|c: char| c.is_lowercase());
            // Modules and crates, as opposed to types.
            let is_module = |text: &str| !text.contains(|c: char| c.is_uppercase());
            name.is_some_and(|name| is_upper(name.ident.unraw().to_string()))
                && segments.all(|outer| is_module(&outer.ident.unraw().to_string()))
        }
        _ => false,
    }
}

/// An expression of `Result<Key, NoKey>` over `__parts`. `None` for the limiter's default key.
fn key(context: &Context<'_>, key: &Key) -> Option<TokenStream> {
    let (runtime, span) = (&context.runtime, context.hygienic_span);
    let crate_path = context.model.crate_path.as_ref();
    Some(match key {
        Key::Default => return None,
        Key::Expr(expr) => {
            let built_in_key = runtime.built_in_key();
            let known = |function: &dyn ToTokens, header: &LitStr| quote_spanned!(span=> #built_in_key(__parts, &#function, #header));
            let no_header = LitStr::new("", span);
            match expr {
                Expr::Path(path) if key_function(&path.path, crate_path).is_some() => {
                    known(expr, &no_header)
                }
                Expr::Call(call) if is_header(&call.func, crate_path) => match header_name(call) {
                    Some(name) => known(expr, name),
                    None => not_built_in(context, span),
                },
                _ => not_built_in(context, span),
            }
        }
        Key::OverArgs(_) => not_built_in(context, span),
        Key::Tuple(parts) => {
            let convert = runtime.convert_key();
            let parts = parts.iter().map(|part| self::key(context, part));
            let parts: Option<Vec<_>> = parts.collect();
            let parts = parts?;
            quote_spanned!(span=> ::core::result::Result::Ok(#convert((#(#parts?,)*))))
        }
    })
}

/// The result for a function of the application, which is not named here.
fn not_built_in(context: &Context<'_>, span: Span) -> TokenStream {
    let built_in_key = context.runtime.built_in_key();
    quote_spanned!(span=> #built_in_key(__parts, &(), ""))
}

fn is_header(function: &Expr, crate_path: Option<&syn::Path>) -> bool {
    matches!(function, Expr::Path(path) if key_function(&path.path, crate_path) == Some("header"))
}

fn header_name(call: &syn::ExprCall) -> Option<&LitStr> {
    match call.args.first() {
        Some(Expr::Lit(ExprLit {
            lit: Lit::Str(name),
            ..
        })) if call.args.len() == 1 => Some(name),
        _ => None,
    }
}
