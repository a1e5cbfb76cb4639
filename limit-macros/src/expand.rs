//! The pipeline: read, check, emit.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::{Attribute, Meta};

use crate::arguments::Bound;
use crate::attributes::{Role, role};
use crate::errors::Errors;
use crate::handler::Handler;
use crate::model::Model;
use crate::syntax::{self, Arguments, LAST};
use crate::{check, emit, signature};

/// What stands in the place of the annotated item.
pub(crate) fn rate_limit(arguments: &TokenStream, item: &TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let parsed = syntax::parse(arguments.clone(), &mut errors);
    let mut handler = match Handler::parse(item.clone()) {
        Ok(handler) => handler,
        Err(error) => {
            errors.push(error);
            let errors = errors.into_tokens();
            return quote!(#errors #item);
        }
    };
    let waits = !parsed.last && handler.attrs.iter().any(|attr| role(attr) == Role::First);
    let mut attributes = vec![(Span::call_site(), parsed)];
    let others: Vec<Attribute> = handler
        .attrs
        .iter()
        .filter(|attr| role(attr) == Role::RateLimit)
        .cloned()
        .collect();
    for attr in &others {
        attributes.push(other(attr, &mut errors));
    }
    signature::check(&handler.sig, &mut errors);
    let model = check::check(attributes, &Bound::of(&handler.sig), &mut errors);
    let Some(model) = model else {
        handler.attrs.retain(|attr| role(attr) != Role::RateLimit);
        let errors = errors.into_tokens();
        return quote!(#errors #handler);
    };
    if waits {
        return moved_last(arguments, handler, &model);
    }
    handler.attrs.retain(|attr| role(attr) != Role::RateLimit);
    emit::emit(&handler, &model)
}

/// One of the attributes below ours, taken in.
fn other(attr: &Attribute, errors: &mut Errors) -> (Span, Arguments) {
    let name = attr
        .path()
        .segments
        .last()
        .map(|segment| segment.ident.clone());
    let span = name.map_or_else(Span::call_site, |name: Ident| name.span());
    let tokens = match &attr.meta {
        Meta::List(list) => list.tokens.clone(),
        Meta::Path(_) => TokenStream::new(),
        Meta::NameValue(pair) => {
            errors.over(
                &pair.value,
                "write the limits in parentheses: `#[rate_limit(\"10/minute\")]`",
            );
            TokenStream::new()
        }
    };
    (span, syntax::parse(tokens, errors))
}

/// The item with our attribute behind those that must see it as written.
fn moved_last(arguments: &TokenStream, handler: Handler, model: &Model) -> TokenStream {
    let krate = emit::crate_path(model);
    let last = Ident::new(LAST, Span::mixed_site());
    let ours =
        quote_spanned!(Span::mixed_site()=> #[#krate::__private::rate_limit(#last, #arguments)]);
    let Handler {
        attrs,
        vis,
        sig,
        body,
    } = handler;
    let (behind, before): (Vec<_>, Vec<_>) = attrs
        .into_iter()
        .partition(|attr| matches!(role(attr), Role::Inner));
    let mut tokens = TokenStream::new();
    before.iter().for_each(|attr| attr.to_tokens(&mut tokens));
    tokens.extend(ours);
    behind.iter().for_each(|attr| attr.to_tokens(&mut tokens));
    tokens.extend(quote!(#vis #sig #body));
    tokens
}
