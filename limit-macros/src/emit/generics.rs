//! The generics of the policy: those of the handler, and the state of the router.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::spanned::Spanned;
use syn::{Expr, GenericParam, Generics, Pat, Type, WherePredicate, parse_quote_spanned};

use crate::emit::context::Context;
use crate::known_paths::is_key_function;
use crate::known_types::{body_extractor, is_state, is_stateless_extractor};
use crate::spans;
use crate::tokens::mentions;

/// The type of the router's state: the one in `state = …`, or a generic parameter.
pub(crate) fn state(context: &Context<'_>) -> TokenStream {
    if let Some(state) = &context.model.state {
        return state.to_token_stream();
    }
    let mut name = "__S".to_owned();
    // Its span may have the user's hygiene, so it must differ from the user's names.
    while mentions(&context.handler.sig, &name) {
        name.push('_');
    }
    Ident::new(&name, context.error_span).into_token_stream()
}

/// What an implementation of the policy assumes about the last argument of the handler. Axum allows
/// an extractor of the body only as the last argument.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum LastArg {
    /// Nothing.
    Any,
    /// It is an extractor of the request head, so functions may take it as well.
    InHead,
    /// It is an extractor of the body, so functions cannot take it.
    InBody,
}

/// The implementations of the policy to write: one for each case if a function may take the last
/// argument, and the argument may be an extractor of the head or of the body.
pub(crate) fn last_arg_cases(context: &Context<'_>) -> &'static [LastArg] {
    let is_ambiguous = context.model.state.is_none()
        && context.arg_types.last().is_some_and(|last| {
            !is_state(last)
                && body_extractor(last).is_none()
                && !is_stateless_extractor(last)
                && !is_generic(last, &context.handler.sig.generics)
        })
        && context
            .model
            .extractor_fns()
            .into_iter()
            .any(|function| may_take_last_arg(context, function));
    if is_ambiguous {
        &[LastArg::InHead, LastArg::InBody]
    } else {
        &[LastArg::Any]
    }
}

/// Whether a function may take the last argument. A closure declares what it takes, and the runtime
/// declares the arguments of its functions.
pub(crate) fn may_take_last_arg(context: &Context<'_>, function: &Expr) -> bool {
    !matches!(function, Expr::Closure(_))
        && !is_key_function(function, context.model.crate_path.as_ref())
}

/// Whether a type contains a generic parameter of the handler, or `_`.
fn is_generic(ty: &Type, generics: &Generics) -> bool {
    let mut params = generics.params.iter();
    mentions(ty, "_")
        || params.any(|param| match param {
            GenericParam::Lifetime(lifetime) => mentions(ty, &lifetime.lifetime.ident.to_string()),
            GenericParam::Type(param) => mentions(ty, &param.ident.to_string()),
            GenericParam::Const(param) => mentions(ty, &param.ident.to_string()),
        })
}

/// The generics of the handler, with the state, and with bounds for the extractors that functions
/// may take.
pub(crate) fn with_state(context: &Context<'_>, state: &TokenStream, last: LastArg) -> Generics {
    let mut generics = context.handler.sig.generics.clone();
    if context.model.state.is_some() {
        return generics;
    }
    let span = context.hygienic_span;
    generics.params.push(parse_quote_spanned!(span=> #state));
    let bounds = extractor_bounds(context, state, last);
    let clause = generics.make_where_clause();
    clause.predicates.push(parse_quote_spanned! {span=>
        #state: ::core::marker::Send + ::core::marker::Sync
    });
    clause.predicates.extend(bounds);
    generics
}

/// A function may take what the handler extracts from the request head. A closure may take other
/// extractors as well, because it declares their types.
fn extractor_bounds(
    context: &Context<'_>,
    state: &TokenStream,
    last: LastArg,
) -> Vec<WherePredicate> {
    let functions = context.model.extractor_fns();
    if functions.is_empty() {
        return Vec::new();
    }
    let (last_type, others) = match context.arg_types.split_last() {
        Some((last, others)) => (Some(last), others),
        None => (None, [].as_slice()),
    };
    let closure_types = functions
        .iter()
        .flat_map(|function| closure_types(function));
    let is_in_head = |ty: &&Type| is_state(ty) || last == LastArg::InHead;
    let head_types = others
        .iter()
        .chain(last_type.filter(is_in_head))
        .chain(closure_types);
    let mut bounds: Vec<WherePredicate> = head_types
        .filter(|ty| !mentions(ty, "_"))
        .map(|ty| {
            let span = spans::hygienic_span_at(ty.span());
            let extractor_trait = context.runtime.at(span).parts_extractor_trait();
            parse_quote_spanned!(span=> #ty: #extractor_trait<#state>)
        })
        .collect();
    if last == LastArg::InBody {
        bounds.extend(last_type.map(|ty| -> WherePredicate {
            let span = spans::hygienic_span_at(ty.span());
            let extractor_trait = context.runtime.at(span).request_extractor_trait();
            parse_quote_spanned!(span=> #ty: #extractor_trait<#state>)
        }));
    }
    bounds
}

/// The types that a closure declares to take by value.
fn closure_types(expr: &Expr) -> Vec<&Type> {
    let Expr::Closure(closure) = expr else {
        return Vec::new();
    };
    closure
        .inputs
        .iter()
        .filter_map(|input| match input {
            Pat::Type(input) if !matches!(*input.ty, Type::Reference(_)) => Some(&*input.ty),
            _ => None,
        })
        .collect()
}

/// Fields that use every generic parameter. Empty if there is none.
pub(crate) fn phantom_fields(generics: &Generics, span: Span) -> TokenStream {
    let uses: Vec<_> = generics
        .params
        .iter()
        .filter_map(|param| match param {
            GenericParam::Lifetime(lifetime) => {
                let lifetime = &lifetime.lifetime;
                Some(quote_spanned!(span=> & #lifetime ()))
            }
            GenericParam::Type(ty) => Some(ty.ident.to_token_stream()),
            GenericParam::Const(_) => None,
        })
        .collect();
    if uses.is_empty() {
        return TokenStream::new();
    }
    quote_spanned!(span=> (#(::core::marker::PhantomData<#uses>),*))
}

/// The generic parameters as arguments of a call. The compiler infers lifetimes.
pub(crate) fn turbofish(generics: &Generics, span: Span) -> Option<TokenStream> {
    let arguments: Vec<_> = generics
        .params
        .iter()
        .filter_map(|param| match param {
            GenericParam::Lifetime(_) => None,
            GenericParam::Type(ty) => Some(ty.ident.to_token_stream()),
            GenericParam::Const(value) => Some(value.ident.to_token_stream()),
        })
        .collect();
    (!arguments.is_empty()).then(|| quote_spanned!(span=> ::<#(#arguments),*>))
}
