//! The pipeline: read, check, emit.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::{Attribute, Meta, Path};

use crate::arguments::Bound;
use crate::attributes::{Role, role};
use crate::errors::Errors;
use crate::handler::Handler;
use crate::model::Model;
use crate::paths::is_rate_limit;
use crate::spans;
use crate::syntax::{self, Arguments, LAST};
use crate::{check, emit, signature, surroundings};

/// What stands in the place of the annotated item. `source` is the text around the item, where it may be in an `impl`.
pub(crate) fn rate_limit(
    arguments: &TokenStream,
    item: &TokenStream,
    source: Option<&str>,
) -> TokenStream {
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
    let is_member = source.is_some_and(|source| surroundings::is_in_impl(source, &handler));
    let is_last = parsed.last;
    let others = Others::take(&mut handler.attrs, parsed.krate(), &mut errors);
    let waits = !is_last && others.first_ends.is_some();
    signature::check(&handler.sig, is_member, &mut errors);
    // Those that have been moved behind the others were written above them.
    let (mut attributes, mut below): (Vec<_>, Vec<_>) = (Vec::new(), Vec::new());
    for other in &others.all {
        let (span, arguments) = other.parse(&mut errors);
        if arguments.last && !is_last {
            attributes.push((span, arguments));
        } else {
            below.push((span, arguments));
        }
    }
    attributes.push((Span::call_site(), parsed));
    attributes.append(&mut below);
    let model = check::check(attributes, &Bound::of(&handler.sig), &mut errors);
    let Some(model) = model else {
        let errors = errors.into_tokens();
        return quote!(#errors #handler);
    };
    if waits {
        return moved_last(arguments, handler, &others, &model);
    }
    emit::emit(&handler, &model)
}

/// One of the other attributes of ours on the handler.
struct Other {
    attr: Attribute,
    /// How many attributes of others stand above it.
    below: usize,
}

/// The other attributes of ours.
struct Others {
    all: Vec<Other>,
    /// How many attributes of others there are down to the last of those that come first; `None` without such.
    first_ends: Option<usize>,
}

impl Others {
    /// Takes ours out of the attributes on a handler.
    fn take(attrs: &mut Vec<Attribute>, krate: Option<&Path>, errors: &mut Errors) -> Self {
        let mut others = Self {
            all: Vec::new(),
            first_ends: None,
        };
        let mut rest = Vec::new();
        for attr in attrs.drain(..) {
            if is_ours(&attr, krate) {
                let below = rest.len();
                others.all.push(Other { attr, below });
            } else {
                if role(&attr) == Role::First {
                    others.first_ends = Some(rest.len() + 1);
                }
                rest.push(attr);
            }
        }
        *attrs = rest;
        for other in &others.all {
            if let Meta::NameValue(pair) = &other.attr.meta {
                errors.over(
                    &pair.value,
                    "write the limits in parentheses: `#[rate_limit(\"10/minute\")]`",
                );
            }
        }
        others
    }
}

impl Other {
    fn parse(&self, errors: &mut Errors) -> (Span, Arguments) {
        let name = self.attr.path().segments.last();
        let span = name.map_or_else(Span::call_site, |name| name.ident.span());
        let tokens = match &self.attr.meta {
            Meta::List(list) => list.tokens.clone(),
            Meta::Path(_) | Meta::NameValue(_) => TokenStream::new(),
        };
        (span, syntax::parse(tokens, errors))
    }

    /// The attribute as it is written behind others that stood below it.
    fn moved(&self) -> Attribute {
        let mut attr = self.attr.clone();
        if let Meta::List(list) = &mut attr.meta {
            let is_moved = syntax::parse(list.tokens.clone(), &mut Errors::default()).last;
            if !is_moved {
                let last = Ident::new(LAST, spans::hygienic());
                let tokens = &list.tokens;
                list.tokens = quote!(#last, #tokens);
            }
        }
        attr
    }
}

/// Whether an attribute is this one, under the crate's name or a path that `crate = …` gives, here or there.
fn is_ours(attr: &Attribute, krate: Option<&Path>) -> bool {
    if is_rate_limit(attr.path(), krate) {
        return true;
    }
    let segments = &attr.path().segments;
    if segments
        .last()
        .is_none_or(|last| last.ident != "rate_limit")
    {
        return false;
    }
    let Meta::List(list) = &attr.meta else {
        return false;
    };
    let arguments = syntax::parse(list.tokens.clone(), &mut Errors::default());
    is_rate_limit(attr.path(), arguments.krate())
}

/// The item with our attributes behind those that must see it as written, in the order in which they are written.
fn moved_last(
    arguments: &TokenStream,
    handler: Handler,
    others: &Others,
    model: &Model,
) -> TokenStream {
    let krate = emit::crate_path(model);
    let site = spans::hygienic();
    let last = Ident::new(LAST, site);
    let ours = quote_spanned!(site=> #[#krate::__private::rate_limit(#last, #arguments)]);
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
    let is_moved = |other: &&Other| {
        let mut ignored = Errors::default();
        other.parse(&mut ignored).1.last
    };
    let moved = others.all.iter().filter(is_moved);
    moved.for_each(|other| other.attr.to_tokens(&mut tokens));
    tokens.extend(ours);
    for other in others.all.iter().filter(|other| !is_moved(other)) {
        if Some(other.below) < others.first_ends {
            other.moved().to_tokens(&mut tokens);
        } else {
            other.attr.to_tokens(&mut tokens);
        }
    }
    behind.iter().for_each(|attr| attr.to_tokens(&mut tokens));
    tokens.extend(quote!(#vis #sig #body));
    tokens
}
