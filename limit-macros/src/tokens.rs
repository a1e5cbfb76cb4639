//! Tokens as text, and words among tokens.

use proc_macro2::{Delimiter, Ident, TokenStream, TokenTree};
use quote::ToTokens;

/// Text that depends only on the tokens: not on white space, line breaks or the way a compiler
/// prints tokens. Keys in stores contain it, so it must never change.
pub(crate) fn canonical(tokens: &impl ToTokens) -> String {
    let mut text = String::new();
    write(tokens.to_token_stream(), &mut text);
    text
}

fn write(tokens: TokenStream, text: &mut String) {
    for token in tokens {
        match token {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    // A fragment that a `macro_rules!` passed on.
                    Delimiter::None => ("", ""),
                };
                text.push_str(open);
                write(group.stream(), text);
                text.push_str(close);
            }
            TokenTree::Punct(punct) => text.push(punct.as_char()),
            TokenTree::Ident(word) => push_word(&word.to_string(), text),
            TokenTree::Literal(literal) => push_word(&literal.to_string(), text),
        }
    }
}

/// Adds a word, with a space between it and a word before it.
fn push_word(word: &str, text: &mut String) {
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '"' || c == '\'';
    if text.ends_with(is_word) && word.starts_with(is_word) {
        text.push(' ');
    }
    text.push_str(word);
}

/// Text that is spaced as in source code, for messages and labels.
pub(crate) fn readable(tokens: &impl ToTokens) -> String {
    let words = tokens.to_token_stream().to_string();
    let spaced = [
        (" :: ", "::"),
        (":: ", "::"),
        (" ::", "::"),
        (" : ", ": "),
        (" , ", ", "),
        (" . ", "."),
        (" (", "("),
        ("( ", "("),
        (" )", ")"),
        (" < ", "<"),
        (" <", "<"),
        ("< ", "<"),
        (" >", ">"),
        ("& ", "&"),
        (" !", "!"),
    ];
    let tidy = |words: String, (from, to)| words.replace(from, to);
    spaced.into_iter().fold(words, tidy)
}

/// Whether a word occurs among the tokens.
pub(crate) fn mentions(tokens: impl ToTokens, word: &str) -> bool {
    find_word(tokens, word).is_some()
}

/// The first occurrence of a word among the tokens.
pub(crate) fn find_word(tokens: impl ToTokens, word: &str) -> Option<Ident> {
    fn find(tokens: TokenStream, word: &str) -> Option<Ident> {
        tokens.into_iter().find_map(|token| match token {
            TokenTree::Ident(ident) => (ident == word).then_some(ident),
            TokenTree::Group(group) => find(group.stream(), word),
            TokenTree::Punct(_) | TokenTree::Literal(_) => None,
        })
    }
    find(tokens.into_token_stream(), word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::quote;

    #[test]
    fn canonical_text_depends_only_on_the_tokens() {
        let parse = |text: &str| text.parse::<TokenStream>().unwrap();
        let dense = parse("|headers:&HeaderMap|headers.get(\"a b\").map_or(0,|v|v.len()as u64)");
        let loose = parse(
            "| headers : & HeaderMap |\n headers . get ( \"a b\" ) . map_or ( 0 , | v | v . len ( ) as u64 )",
        );
        assert_eq!(canonical(&dense), canonical(&loose));
        assert_eq!(
            canonical(&dense),
            "|headers:&HeaderMap|headers.get(\"a b\").map_or(0,|v|v.len()as u64)"
        );
        assert_ne!(canonical(&parse("a b")), canonical(&parse("ab")));
    }

    #[test]
    fn readable_text_is_spaced_as_in_source_code() {
        let argument: syn::FnArg = syn::parse_quote!(Path(user_id): axum::extract::Path<u64>);
        assert_eq!(
            readable(&argument),
            "Path(user_id): axum::extract::Path<u64>"
        );
        assert_eq!(readable(&quote!(user.id)), "user.id");
        assert_eq!(readable(&quote!(Keys::by::<3>)), "Keys::by::<3>");
        assert_eq!(readable(&quote!(header("x-a"))), "header(\"x-a\")");
    }
}
