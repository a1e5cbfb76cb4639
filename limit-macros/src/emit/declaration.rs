//! What the attributes say as text, for the list of all limits of a program.

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote_spanned;
use syn::LitStr;

use crate::emit::context::Context;
use crate::emit::known_budget::known_budget;
use crate::emit::rule::key_label;
use crate::exprs::name_span;
use crate::model::{ArgsExpr, Cost, Rule, RuleLimits, Scope};
use crate::spans::hygienic_span_at;
use crate::tokens::readable;

/// The static with a declaration for each rule, in the order of the attributes, and its entry in
/// the list of the program.
pub(crate) fn emit(context: &Context<'_>) -> TokenStream {
    let (runtime, span) = (&context.runtime, context.hygienic_span);
    let name = &context.declarations;
    let rule_declaration = runtime.rule_declaration();
    let handler_declaration = runtime.handler_declaration();
    let submit = runtime.submit();
    let rules = context
        .model
        .rules
        .iter()
        .enumerate()
        .map(|(index, rule)| declaration(context, rule, index));
    let count = context.model.rules.len();
    quote_spanned! {span=>
        #[allow(non_upper_case_globals)]
        static #name: [#rule_declaration; #count] = [#(#rules),*];
        #submit! { #handler_declaration(&#name) }
    }
}

fn declaration(context: &Context<'_>, rule: &Rule, index: usize) -> TokenStream {
    let (runtime, span) = (&context.runtime, context.hygienic_span);
    let rule_declaration = runtime.rule_declaration();
    let text = |text: &str| LitStr::new(text, span);
    let (name, identity) = (text(&rule.label), text(&rule.identity));
    let handler = context.handler_path();
    let limits = text(&match &rule.limits {
        RuleLimits::Literal(limits, _) => limits.to_string(),
        RuleLimits::Expr(expr) | RuleLimits::OverArgs(ArgsExpr { expr, .. }) => readable(expr),
        RuleLimits::None => String::new(),
    });
    let mut settings = TokenStream::new();
    let mut set = |method: &str, value: Option<String>| {
        if let Some(value) = value {
            let (method, value) = (Ident::new(method, span), text(&value));
            settings.extend(quote_spanned!(span=> .#method(#value)));
        }
    };
    set("key", key_label(&rule.key));
    set(
        "cost",
        match &rule.cost {
            Cost::Fixed(1) => None,
            Cost::Fixed(cost) => Some(cost.to_string()),
            Cost::Expr(expr) => Some(readable(expr)),
            Cost::OverArgs(over) => Some(readable(&over.expr)),
        },
    );
    set(
        "scope",
        match &rule.scope {
            Scope::Handler => None,
            Scope::Shared(scope) => Some(readable(scope)),
            Scope::Expr(expr) | Scope::OverArgs(ArgsExpr { expr, .. }) => Some(readable(expr)),
        },
    );
    set(
        "methods",
        (!rule.methods.is_empty()).then(|| rule.methods.join(", ")),
    );
    let budget = known_budget(context, rule);
    settings.extend(concurrency(rule, span));
    if rule.dry_run {
        settings.extend(quote_spanned!(span=> .dry_run()));
    }
    // `line!` with the hygiene of the macro is the line of the first attribute, which the compiler
    // expands. Another attribute is at its own tokens.
    let place_span = if index == 0 {
        span
    } else {
        rule.attribute_span
    };
    let place = quote_spanned!(place_span=> (::core::file!(), ::core::line!(), ::core::column!()));
    quote_spanned! {span=>
        #rule_declaration::new(
            #name,
            #identity,
            #handler,
            #place,
            #limits,
            #budget,
        ) #settings
    }
}

/// The settings of a concurrency limit. The static evaluates its constant, also of a handler that
/// is not used.
fn concurrency(rule: &Rule, span: Span) -> Option<TokenStream> {
    let max = rule.concurrency.as_ref()?;
    let written = LitStr::new(&readable(max), span);
    let at_value = hygienic_span_at(name_span(max));
    let mut settings = quote_spanned!(at_value=> .concurrency(#written, #max));
    if matches!(rule.limits, RuleLimits::None) {
        settings.extend(quote_spanned!(span=> .without_limits()));
    }
    if let Some(time) = rule.hold_at_most {
        let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        settings.extend(quote_spanned! {span=>
            .hold_at_most(::core::time::Duration::from_millis(#millis))
        });
    }
    Some(settings)
}
