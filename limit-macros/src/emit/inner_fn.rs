//! The function as written: inside the limited handler, or beside it under its `direct` name.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use quote::{quote, quote_spanned};
use syn::{Attribute, FnArg};

use crate::check::free_names::bound_names;
use crate::emit::context::Context;
use crate::syntax::other_attributes::{Placement, is_lint, placement, with_allow_for_expect};
use crate::tokens::mentions;

pub(crate) fn emit(context: &Context<'_>) -> TokenStream {
    let handler = context.handler;
    let (vis, sig) = (&handler.vis, &handler.sig);
    let body = body(context);
    let attrs = handler
        .attrs
        .iter()
        .filter(|attr| placement(attr) == Placement::InnerFunction);
    let Some(direct) = &context.model.direct else {
        return quote!(#(#attrs)* #sig #body);
    };
    let mut sig = sig.clone();
    sig.ident = direct.clone();
    let is_copied = |attr: &&Attribute| is_lint(attr) || attr.path().is_ident("doc");
    let copied = handler
        .attrs
        .iter()
        .filter(is_copied)
        .map(with_allow_for_expect);
    quote!(#(#copied)* #(#attrs)* #vis #sig #body)
}

/// The body of the function, with two additions where they are needed:
/// - uses of the arguments that only a rule uses, so that the compiler does not call them unused;
/// - an import that lets a direct function call itself by the name of the handler.
fn body(context: &Context<'_>) -> Group {
    let body = &context.handler.body;
    let span = context.hygienic_span;
    let over_args = context.model.over_args();
    let names = over_args.flat_map(|over| &over.used_names);
    let uses = quote_spanned!(span=> #(let _ = &#names;)*);
    let import = import_for_recursion(context);
    if uses.is_empty() && import.is_none() {
        return body.clone();
    }
    let (inner_attributes, rest) = split_inner_attributes(body);
    let content = match import {
        None => quote_spanned!(span=> #inner_attributes #uses #rest),
        Some(import) => {
            // In a block of its own, the user's code may declare an item with the handler's name.
            let block = with_span_of(body, rest);
            quote_spanned!(span=> #inner_attributes #import #uses #block)
        }
    };
    with_span_of(body, content)
}

/// `use direct as handler;`, if a direct function may call itself by the name of the handler.
fn import_for_recursion(context: &Context<'_>) -> Option<TokenStream> {
    let sig = &context.handler.sig;
    let name = &sig.ident;
    let direct = context.model.direct.as_ref()?;
    let is_argument = sig.inputs.iter().any(|arg| match arg {
        FnArg::Typed(arg) => bound_names(&arg.pat).contains(name),
        FnArg::Receiver(_) => false,
    });
    if is_argument || !mentions(context.handler.body.stream(), &name.to_string()) {
        return None;
    }
    let span = context.hygienic_span;
    Some(quote_spanned! {span=>
        #[allow(unused_imports)]
        use #direct as #name;
    })
}

fn with_span_of(body: &Group, content: TokenStream) -> Group {
    let mut block = Group::new(Delimiter::Brace, content);
    block.set_span(body.span());
    block
}

/// Splits a block into its inner attributes, which come first, and the rest.
fn split_inner_attributes(body: &Group) -> (TokenStream, TokenStream) {
    let mut attributes = TokenStream::new();
    let mut rest = body.stream();
    // A block that a `macro_rules!` passed on is within an invisible group.
    if body.delimiter() == Delimiter::None
        && let Some(TokenTree::Group(block)) = rest.clone().into_iter().next()
    {
        rest = block.stream();
    }
    loop {
        let mut tokens = rest.clone().into_iter();
        match (tokens.next(), tokens.next(), tokens.next()) {
            (
                Some(TokenTree::Punct(hash)),
                Some(TokenTree::Punct(bang)),
                Some(TokenTree::Group(group)),
            ) if hash.as_char() == '#'
                && bang.as_char() == '!'
                && group.delimiter() == Delimiter::Bracket =>
            {
                attributes.extend([
                    TokenTree::Punct(hash),
                    TokenTree::Punct(bang),
                    TokenTree::Group(group),
                ]);
                rest = tokens.collect();
            }
            _ => return (attributes, rest),
        }
    }
}
