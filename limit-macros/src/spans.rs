//! The three places a token of the expansion can have.
//!
//! A span says two things: which names a token can see (its hygiene), and which code is shown when the
//! compiler complains about it (its location). Every token of the expansion is one of these:
//!
//! | case | names | location | used for |
//! |---|---|---|---|
//! | [`hygienic`] | ours | the attribute | locals and items that the user's code must not meet |
//! | [`hygienic_at`] | ours | the user's code | calls that fail because of what the user wrote there |
//! | [`own`] | the user's | the user's code | names that the user's code, or its lints, must see |

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::spanned::Spanned;

/// Hygienic, at the attribute.
pub(crate) fn hygienic() -> Span {
    Span::mixed_site()
}

/// Hygienic, shown at the user's code.
pub(crate) fn hygienic_at(user: Span) -> Span {
    Span::mixed_site().located_at(user)
}

/// The user's own: the first token of what was written.
pub(crate) fn own(written: &impl ToTokens) -> Span {
    match written.to_token_stream().into_iter().next() {
        Some(first) => first.span(),
        None => written.span(),
    }
}

/// The same tokens at another place. `$crate` keeps the crate it names: with the other place's hygiene, it would
/// be the crate of that place's macro.
pub(crate) fn respanned(tokens: &TokenStream, span: Span) -> TokenStream {
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
