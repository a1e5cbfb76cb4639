//! Hygiene and location of generated tokens.
//!
//! A span has two parts: its hygiene decides which names a token can see, and its location decides
//! which code a compiler message shows. Every generated token has one of three spans:
//!
//! | function | hygiene | location | used for |
//! |---|---|---|---|
//! | [`hygienic_span`] | the macro | the attribute | locals and items that user code must not see |
//! | [`hygienic_span_at`] | the macro | user code | calls that fail because of that user code |
//! | [`user_span`] | user code | user code | names that user code, or its lints, must see |

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::spanned::Spanned;

/// Hygiene of the macro, at the attribute.
pub(crate) fn hygienic_span() -> Span {
    Span::mixed_site()
}

/// Hygiene of the macro, at user code.
pub(crate) fn hygienic_span_at(user: Span) -> Span {
    Span::mixed_site().located_at(user)
}

/// Hygiene of user code, at the first of some tokens of it.
pub(crate) fn user_span(written: &impl ToTokens) -> Span {
    match written.to_token_stream().into_iter().next() {
        Some(first) => first.span(),
        None => written.span(),
    }
}

/// Copies the tokens with another span. `$crate` changes only its location: with another hygiene it
/// would name the crate of another macro.
pub(crate) fn respan(tokens: &TokenStream, span: Span) -> TokenStream {
    let tokens = tokens.clone().into_iter();
    tokens
        .map(|mut token| {
            token.set_span(match &token {
                TokenTree::Ident(word) if word == "$crate" => word.span().located_at(span),
                _ => span,
            });
            token
        })
        .collect()
}
