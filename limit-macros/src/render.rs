//! Tokens as text: for identities, which must never change, and for messages, which must read well.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use quote::ToTokens;

/// The tokens as text that depends on nothing but the tokens: not on white space, on line breaks, or on how
/// a compiler prints them. It is a part of keys in stores, so it must never change.
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
                    // What a `macro_rules!` was given.
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

/// Adds a word, apart from a word before it.
fn push_word(word: &str, text: &mut String) {
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '"' || c == '\'';
    if text.ends_with(is_word) && word.starts_with(is_word) {
        text.push(' ');
    }
    text.push_str(word);
}

/// The tokens as a person would write them, for messages and labels.
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

#[cfg(test)]
mod tests {
    use super::*;
    use quote::quote;

    #[test]
    fn canonical_text_depends_on_the_tokens_alone() {
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
    fn readable_text_is_spaced_as_code_is() {
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
