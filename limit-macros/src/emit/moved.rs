//! The handler with `#[rate_limit]` moved below the attribute macros that must see the handler as
//! written. The compiler expands them first, then this macro again.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote, quote_spanned};

use crate::emit::runtime::Runtime;
use crate::model::Model;
use crate::spans;
use crate::syntax::arguments::MOVED_MARKER;
use crate::syntax::handler::Handler;
use crate::syntax::other_attributes::{Placement, placement};
use crate::syntax::stacked_attributes::{StackedAttribute, StackedAttributes};

/// Moves the attributes, and keeps the order of those of this macro.
pub(crate) fn emit(
    arguments: &TokenStream,
    handler: Handler,
    stacked: &StackedAttributes,
    model: &Model,
) -> TokenStream {
    let hygienic_span = spans::hygienic_span();
    let rate_limit = Runtime::new(model).rate_limit();
    let marker = Ident::new(MOVED_MARKER, hygienic_span);
    let first = quote_spanned!(hygienic_span=> #[#rate_limit(#marker, #arguments)]);
    let Handler {
        attrs,
        vis,
        sig,
        body,
    } = handler;
    let (inner, before): (Vec<_>, Vec<_>) = attrs
        .into_iter()
        .partition(|attr| placement(attr) == Placement::InnerFunction);
    let mut tokens = TokenStream::new();
    before.iter().for_each(|attr| attr.to_tokens(&mut tokens));
    let (moved, others): (Vec<_>, Vec<_>) = stacked.all.iter().partition(|other| other.is_moved());
    moved
        .iter()
        .for_each(|other| other.attr.to_tokens(&mut tokens));
    tokens.extend(first);
    for other in others {
        if Some(other.others_above) < stacked.expands_first_until {
            StackedAttribute::marked_as_moved(other).to_tokens(&mut tokens);
        } else {
            other.attr.to_tokens(&mut tokens);
        }
    }
    inner.iter().for_each(|attr| attr.to_tokens(&mut tokens));
    tokens.extend(quote!(#vis #sig #body));
    tokens
}
