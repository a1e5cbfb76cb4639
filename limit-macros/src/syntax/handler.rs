//! The annotated function. Its signature is parsed, its body stays tokens.

use proc_macro2::{Delimiter, Group, Ident, TokenStream, TokenTree};
use quote::ToTokens;
use syn::parse::{ParseStream, Parser};
use syn::{Attribute, Signature, Visibility};

/// A function as written.
pub(crate) struct Handler {
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) vis: Visibility,
    pub(crate) sig: Signature,
    pub(crate) body: Group,
}

impl Handler {
    /// Parses the item. It is an error if it is not a function with a body.
    pub(crate) fn parse(item: TokenStream) -> syn::Result<Self> {
        let first_word = match Parser::parse2(parse_function, item.clone()) {
            Ok(Ok(handler)) => return Ok(handler),
            Ok(Err(first_word)) => first_word,
            Err(error) => return Err(error),
        };
        Err(match first_word {
            Some(word) => syn::Error::new(
                word.span(),
                format!(
                    "`#[rate_limit]` is on an item that starts with `{word}`: \
                     put it on a handler, an `async fn`"
                ),
            ),
            None => syn::Error::new_spanned(
                item,
                "`#[rate_limit]` is not on a function: put it on a handler, an `async fn`",
            ),
        })
    }
}

/// The function, or the first word of another item.
fn parse_function(input: ParseStream<'_>) -> syn::Result<Result<Handler, Option<Ident>>> {
    let attrs = input.call(Attribute::parse_outer)?;
    let vis = input.parse()?;
    let first = input.cursor().ident().map(|(word, _)| word);
    if !is_function(input) {
        input.parse::<TokenStream>()?;
        return Ok(Err(first));
    }
    let sig: Signature = input.parse()?;
    let body = input.parse::<TokenTree>().ok();
    let Some(TokenTree::Group(body)) = body.filter(is_block) else {
        let message = "a handler needs a body: write `{ … }`";
        return Err(syn::Error::new_spanned(sig, message));
    };
    input.parse::<TokenStream>()?;
    Ok(Ok(Handler {
        attrs,
        vis,
        sig,
        body,
    }))
}

/// Whether a token is a block, which is an invisible group if a `macro_rules!` passed it on.
fn is_block(token: &TokenTree) -> bool {
    match token {
        TokenTree::Group(group) => matches!(group.delimiter(), Delimiter::Brace | Delimiter::None),
        _ => false,
    }
}

/// Whether a function starts here, with any qualifiers.
fn is_function(input: ParseStream<'_>) -> bool {
    let ahead = input.fork();
    loop {
        if ahead.peek(syn::Token![fn]) {
            return true;
        }
        let qualifier = ahead.peek(syn::Token![const])
            || ahead.peek(syn::Token![async])
            || ahead.peek(syn::Token![unsafe])
            || ahead.peek(syn::Token![extern])
            || ahead.peek(syn::LitStr)
            || ahead
                .cursor()
                .ident()
                .is_some_and(|(word, _)| word == "safe");
        if !qualifier || ahead.parse::<TokenTree>().is_err() {
            return false;
        }
    }
}

impl ToTokens for Handler {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        for attr in &self.attrs {
            attr.to_tokens(tokens);
        }
        self.vis.to_tokens(tokens);
        self.sig.to_tokens(tokens);
        self.body.to_tokens(tokens);
    }
}
