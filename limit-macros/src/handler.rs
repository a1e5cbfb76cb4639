//! The annotated item, read as far as a limit needs it: the signature. The body stays tokens.

use proc_macro2::{Delimiter, Group, Ident, TokenStream, TokenTree};
use quote::ToTokens;
use syn::parse::{ParseStream, Parser};
use syn::{Attribute, Signature, Visibility};

/// A function as written.
#[derive(Clone)]
pub(crate) struct Handler {
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) vis: Visibility,
    pub(crate) sig: Signature,
    pub(crate) body: Group,
}

impl Handler {
    /// Reads the item.
    ///
    /// # Errors
    /// It is not a function with a body.
    pub(crate) fn parse(item: TokenStream) -> syn::Result<Self> {
        let head = match Parser::parse2(item_head, item.clone()) {
            Ok(Ok(handler)) => return Ok(handler),
            Ok(Err(head)) => head,
            Err(error) => return Err(error),
        };
        Err(match head {
            Some(word) => syn::Error::new(
                word.span(),
                format!("`#[rate_limit]` goes on a handler, an `async fn`: this is `{word}`"),
            ),
            None => syn::Error::new_spanned(
                item,
                "`#[rate_limit]` goes on a handler, an `async fn` with a body",
            ),
        })
    }
}

/// The function, or the first word of whatever else it is.
fn item_head(input: ParseStream<'_>) -> syn::Result<Result<Handler, Option<Ident>>> {
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
        let message = "a limited handler needs a body: `{ … }`";
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

/// Whether a token is a block, also one that a `macro_rules!` was given as such.
fn is_block(token: &TokenTree) -> bool {
    match token {
        TokenTree::Group(group) => matches!(group.delimiter(), Delimiter::Brace | Delimiter::None),
        _ => false,
    }
}

/// Whether a function begins here, whatever its qualifiers.
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
