//! The sources that are expressions over the handler's arguments.

use proc_macro2::{Ident, TokenStream};
use quote::quote_spanned;
use syn::Expr;
use syn::spanned::Spanned;

use crate::emit::context::Context;
use crate::exprs::without_parens;
use crate::model::{ArgsExpr, Purpose};
use crate::spans;

/// The type of the arguments up to the last one that a rule uses.
pub(crate) fn first_type(context: &Context<'_>) -> TokenStream {
    let types = context.arg_types.iter().take(context.model.arg_count());
    quote_spanned!(context.hygienic_span=> (#(#types,)*))
}

/// An expression over the arguments, as a source of the runtime: a closure that takes a reference
/// to the arguments. The span is that of the expression, so that the compiler reports a mistake
/// there.
pub(crate) fn source(context: &Context<'_>, purpose: Purpose, over: &ArgsExpr) -> TokenStream {
    let span = spans::hygienic_span_at(over.expr.span());
    let runtime = context.runtime.at(span);
    let constructor = runtime.source_over_args(purpose);
    let arguments = Ident::new("__arguments", span);
    let first_type = first_type(context);
    let count = context.model.arg_count();
    let reference_patterns = over.reference_patterns.iter().take(count);
    let value_patterns = over.value_patterns.iter().take(count);
    // These patterns bind with `ref`, so nothing is moved out of the arguments.
    let bind_from_values = (!over.value_patterns.is_empty()).then(|| {
        quote_spanned! {span=>
            #[allow(
                unused_variables,
                clippy::needless_borrowed_reference,
                clippy::unneeded_wildcard_pattern
            )]
            let (#(#value_patterns,)*) = *#arguments;
        }
    });
    let value = value(context, purpose, &over.expr);
    quote_spanned! {span=>
        #constructor::<#first_type, _>(|#arguments| {
            #[allow(unused_variables, clippy::unneeded_wildcard_pattern)]
            let (#(#reference_patterns,)*) = #arguments;
            #bind_from_values
            #value
        })
    }
}

/// The value of the expression. A key that is a place in the arguments must not be moved.
fn value(context: &Context<'_>, purpose: Purpose, expr: &Expr) -> TokenStream {
    let span = spans::hygienic_span_at(expr.span());
    let runtime = context.runtime.at(span);
    if matches!(purpose, Purpose::Key | Purpose::Scope)
        && let Some(reference) = place(expr)
    {
        let key_place = runtime.key_place();
        let traits = runtime.use_key_place_traits();
        return quote_spanned! {span=> {
            #traits
            (&&#key_place(#reference)).value()
        }};
    }
    let convert = runtime.value_over_args(purpose);
    quote_spanned!(span=> #convert(#expr))
}

/// A reference to the place that an expression is. A name that a pattern binds is one already.
fn place(expr: &Expr) -> Option<TokenStream> {
    let span = spans::hygienic_span_at(expr.span());
    match without_parens(expr.clone()) {
        Expr::Path(name) => Some(quote_spanned!(span=> #name)),
        Expr::Field(place) => Some(quote_spanned!(span=> &#place)),
        Expr::Index(place) => Some(quote_spanned!(span=> &#place)),
        _ => None,
    }
}
