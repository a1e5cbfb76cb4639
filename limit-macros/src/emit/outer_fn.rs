//! The function that routers call. The check has run when its body starts.

use proc_macro2::{Delimiter, Group, Ident, TokenStream};
use quote::{format_ident, quote_spanned};
use syn::{Attribute, Meta};

use crate::emit::context::Context;
use crate::emit::generics;
use crate::spans;
use crate::syntax::other_attributes::{Placement, placement, with_allow_for_expect};

/// The limited handler, whose body starts with the items in `inner`.
pub(crate) fn emit(context: &Context<'_>, inner: &TokenStream) -> TokenStream {
    let span = context.hygienic_span;
    let handler = context.handler;
    let attrs = handler
        .attrs
        .iter()
        .filter(|attr| placement(attr) != Placement::InnerFunction)
        .filter(|attr| !is_plain_must_use(attr))
        .map(|attr| match context.model.direct {
            Some(_) => with_allow_for_expect(attr),
            None => attr.clone(),
        });
    let vis = &handler.vis;
    let fn_token = &handler.sig.fn_token;
    let ident = &handler.sig.ident;
    let (impl_generics, type_generics, where_clause) = handler.sig.generics.split_for_impl();
    let limited_type = context.runtime.limited_type();
    let policy_type = &context.policy_type;
    let arg_types = &context.arg_types;
    let output = output(context);
    let respond = respond(context);
    let mut block = Group::new(Delimiter::Brace, quote_spanned!(span=> #inner #respond));
    block.set_span(handler.body.span());
    quote_spanned! {span=>
        #(#attrs)*
        #vis #fn_token #ident #impl_generics (
            __limited: #limited_type<#policy_type #type_generics, (#(#arg_types,)*)>
        ) -> #output #where_clause #block
    }
}

/// `#[must_use]` without a reason. Every future is `must_use`, and Clippy reports a second one.
fn is_plain_must_use(attr: &Attribute) -> bool {
    attr.path().is_ident("must_use") && matches!(attr.meta, Meta::Path(_))
}

/// The return type, with the span of the one that the user wrote, so that rustc reports an error
/// about it once. If there are lifetimes, the span must be of this crate's edition, in which `impl`
/// captures them.
fn output(context: &Context<'_>) -> TokenStream {
    let span = match context.handler.sig.generics.lifetimes().next() {
        Some(_) => spans::hygienic_span_at(context.return_span),
        None => context.return_span,
    };
    let response_type = context.runtime.at(span).response_type();
    quote_spanned!(span=> impl ::core::future::Future<Output = #response_type>)
}

/// Calls the function as written. The span is that of the return type, because a wrong one is the
/// likely error.
fn respond(context: &Context<'_>) -> TokenStream {
    let span = context.hygienic_span;
    let return_span = context.return_span;
    let runtime = context.runtime.at(return_span);
    let args: Vec<Ident> = (0..context.handler.sig.inputs.len())
        .map(|index| format_ident!("__a{index}", span = span))
        .collect();
    let call = call(context, &args);
    let admission = Ident::new("__admission", span);
    let respond = runtime.respond();
    let response = quote_spanned!(return_span=> #respond(#admission, #call));
    quote_spanned! {span=>
        let (#admission, (#(#args,)*)) = __limited.split();
        #response
    }
}

/// The call of the function as written.
fn call(context: &Context<'_>, args: &[Ident]) -> TokenStream {
    let sig = &context.handler.sig;
    let mut name = context.model.direct.as_ref().unwrap_or(&sig.ident).clone();
    let turbofish = generics::turbofish(&sig.generics, context.hygienic_span);
    name.set_span(context.return_span);
    quote_spanned!(context.return_span=> #name #turbofish (#(#args),*))
}
