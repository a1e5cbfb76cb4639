//! The handler's own arguments, and expressions over them.

use proc_macro2::{Delimiter, Ident, Spacing, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::{Expr, FieldPat, Pat, Signature};

/// What the handler's patterns bind.
pub(crate) struct Bound {
    pub(crate) handler: Ident,
    patterns: Vec<Pat>,
    names: Vec<Ident>,
}

impl Bound {
    pub(crate) fn of(sig: &Signature) -> Self {
        let patterns: Vec<Pat> = sig
            .inputs
            .iter()
            .filter_map(|argument| match argument {
                syn::FnArg::Typed(argument) => Some((*argument.pat).clone()),
                syn::FnArg::Receiver(_) => None,
            })
            .collect();
        let mut names = Vec::new();
        for pattern in &patterns {
            collect(pattern, &mut names);
        }
        Self {
            handler: sig.ident.clone(),
            patterns,
            names,
        }
    }

    /// Whether an expression is over the handler's arguments. A closure never is: it has its own.
    pub(crate) fn is_used_in(&self, expr: &Expr) -> bool {
        self.first_used_in(expr).is_some()
    }

    /// The first name in an expression that is an argument.
    pub(crate) fn first_used_in(&self, expr: &Expr) -> Option<Ident> {
        if matches!(expr, Expr::Closure(_)) {
            return None;
        }
        values(expr.to_token_stream())
            .into_iter()
            .find(|name| self.names.contains(name))
    }

    /// The patterns, of which only the names that `expr` uses are left, bound by reference.
    pub(crate) fn patterns(&self, expr: &Expr) -> Vec<Pat> {
        let used = values(expr.to_token_stream());
        let keep = |name: &Ident| used.contains(name);
        self.patterns
            .iter()
            .map(|pattern| borrowed(pattern, &keep))
            .collect()
    }
}

/// The names in `tokens` that can be values: no fields, functions, macros or path segments.
fn values(tokens: TokenStream) -> Vec<Ident> {
    let mut found = Vec::new();
    collect_values(tokens, &mut found);
    found
}

fn collect_values(tokens: TokenStream, found: &mut Vec<Ident>) {
    let mut tokens = tokens.into_iter().peekable();
    // The punctuation right before, a pair such as `::` or `..` as its second half.
    let mut before = None;
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Ident(ident) => {
                let mut called = false;
                let after = match tokens.peek() {
                    Some(TokenTree::Punct(punct)) => Some((punct.as_char(), punct.spacing())),
                    Some(TokenTree::Group(group)) => {
                        called = group.delimiter() == Delimiter::Parenthesis;
                        None
                    }
                    _ => None,
                };
                let selected = matches!(before, Some(Before::Dot | Before::Path | Before::Quote));
                let named = match after {
                    Some((':', _)) => true,
                    Some(('!', spacing)) => spacing == Spacing::Alone,
                    _ => false,
                };
                if !selected && !named && !called {
                    found.push(ident);
                }
                before = None;
            }
            TokenTree::Punct(punct) => {
                before = match (before, punct.as_char(), punct.spacing()) {
                    (Some(Before::Colon), ':', _) => Some(Before::Path),
                    (_, ':', Spacing::Joint) => Some(Before::Colon),
                    (Some(Before::Dots), '.', _) => None,
                    (_, '.', Spacing::Joint) => Some(Before::Dots),
                    (_, '.', Spacing::Alone) => Some(Before::Dot),
                    (_, '\'', _) => Some(Before::Quote),
                    _ => None,
                };
            }
            TokenTree::Group(group) => {
                collect_values(group.stream(), found);
                before = None;
            }
            TokenTree::Literal(_) => before = None,
        }
    }
}

/// What stands before a word, as far as it says what the word is.
enum Before {
    /// `.`: a field or method follows.
    Dot,
    /// The first half of `..`.
    Dots,
    /// The first half of `::`.
    Colon,
    /// `::`: the rest of a path follows.
    Path,
    /// `'`: a label follows.
    Quote,
}

/// The names that a pattern binds.
fn collect(pattern: &Pat, names: &mut Vec<Ident>) {
    match pattern {
        Pat::Ident(pattern) => {
            names.push(pattern.ident.clone());
            if let Some((_, inner)) = &pattern.subpat {
                collect(inner, names);
            }
        }
        Pat::Paren(pattern) => collect(&pattern.pat, names),
        Pat::Reference(pattern) => collect(&pattern.pat, names),
        Pat::Type(pattern) => collect(&pattern.pat, names),
        Pat::Tuple(pattern) => pattern.elems.iter().for_each(|inner| collect(inner, names)),
        Pat::TupleStruct(pattern) => pattern.elems.iter().for_each(|inner| collect(inner, names)),
        Pat::Slice(pattern) => pattern.elems.iter().for_each(|inner| collect(inner, names)),
        Pat::Or(pattern) => pattern.cases.iter().for_each(|inner| collect(inner, names)),
        Pat::Struct(pattern) => pattern
            .fields
            .iter()
            .for_each(|field| collect(&field.pat, names)),
        _ => {}
    }
}

/// The pattern with only the names to keep, bound by the reference that it is matched against.
fn borrowed(pattern: &Pat, keep: &impl Fn(&Ident) -> bool) -> Pat {
    let mut pattern = pattern.clone();
    match &mut pattern {
        Pat::Ident(name) => {
            let inner = name.subpat.take().map(|(_, inner)| inner);
            if !keep(&name.ident) {
                return match inner {
                    Some(inner) => borrowed(&inner, keep),
                    None => Pat::Verbatim(quote!(_)),
                };
            }
            name.attrs.clear();
            name.by_ref = None;
            name.mutability = None;
        }
        Pat::Paren(outer) => *outer.pat = borrowed(&outer.pat, keep),
        Pat::Reference(outer) => *outer.pat = borrowed(&outer.pat, keep),
        Pat::Type(outer) => *outer.pat = borrowed(&outer.pat, keep),
        Pat::Tuple(outer) => outer
            .elems
            .iter_mut()
            .for_each(|inner| *inner = borrowed(inner, keep)),
        Pat::TupleStruct(outer) => {
            outer
                .elems
                .iter_mut()
                .for_each(|inner| *inner = borrowed(inner, keep));
        }
        Pat::Slice(outer) => outer
            .elems
            .iter_mut()
            .for_each(|inner| *inner = borrowed(inner, keep)),
        Pat::Struct(outer) => outer
            .fields
            .iter_mut()
            .for_each(|field| field_borrowed(field, keep)),
        _ => {}
    }
    pattern
}

fn field_borrowed(field: &mut FieldPat, keep: &impl Fn(&Ident) -> bool) {
    let inner = borrowed(&field.pat, keep);
    if matches!(inner, Pat::Verbatim(_)) {
        field.colon_token.get_or_insert_with(Default::default);
    }
    *field.pat = inner;
}

/// Whether a word occurs among some tokens.
pub(crate) fn mentions(tokens: impl ToTokens, word: &str) -> bool {
    first(tokens, word).is_some()
}

/// Where a word first occurs among some tokens.
pub(crate) fn first(tokens: impl ToTokens, word: &str) -> Option<Ident> {
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

    fn bound() -> Bound {
        Bound::of(&syn::parse_quote!(async fn handler(
            State(db): State<Db>,
            Json(Input { inputs, mut name }): Json<Input>,
            (a, ref b @ _): Pair,
        )))
    }

    fn used(expr: &Expr) -> Vec<String> {
        let bound = bound();
        let values = values(expr.to_token_stream());
        values
            .iter()
            .filter(|name| bound.names.contains(name))
            .map(Ident::to_string)
            .collect()
    }

    #[test]
    fn only_values_count_as_uses() {
        assert_eq!(used(&syn::parse_quote!(inputs.len() + 1)), ["inputs"]);
        assert_eq!(used(&syn::parse_quote!(other.inputs.len())), [""; 0]);
        assert_eq!(used(&syn::parse_quote!(inputs::len)), [""; 0]);
        assert_eq!(used(&syn::parse_quote!(crate::inputs)), [""; 0]);
        assert_eq!(used(&syn::parse_quote!(max(0..a, &[b]))), ["a", "b"]);
        assert_eq!(used(&syn::parse_quote!(name!(db))), ["db"]);
        assert_eq!(used(&syn::parse_quote!(name(db))), ["db"]);
        assert_eq!(
            used(&syn::parse_quote!(if name != a { 1 } else { 2 })),
            ["name", "a"]
        );
    }

    #[test]
    fn a_closure_has_its_own_arguments() {
        assert!(!bound().is_used_in(&syn::parse_quote!(|inputs: HeaderMap| inputs.len())));
    }

    #[test]
    fn patterns_keep_only_what_is_used() {
        let patterns = bound().patterns(&syn::parse_quote!(name.len() + a));
        let written = quote!(#(#patterns),*).to_string();
        let expected = quote!(State(_), Json(Input { inputs: _, name }), (a, _)).to_string();
        assert_eq!(written, expected);
    }
}
