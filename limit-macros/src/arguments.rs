//! The handler's own arguments, and expressions over them.

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::{Expr, FieldPat, FnArg, Pat, Signature, Token, Type};

use crate::free::{bound_names, free_names};
use crate::model::OverArguments;
use crate::render::readable;

/// What the handler's patterns bind.
pub(crate) struct Bound {
    pub(crate) handler: Ident,
    arguments: Vec<Argument>,
}

/// One argument of the handler.
pub(crate) struct Argument {
    pattern: Pat,
    pub(crate) ty: Type,
    names: Vec<Ident>,
}

impl Argument {
    /// `pattern: Type`, as in a closure that takes the same.
    pub(crate) fn written(&self) -> String {
        format!("{}: {}", readable(&self.pattern), readable(&self.ty))
    }
}

impl Bound {
    pub(crate) fn of(sig: &Signature) -> Self {
        let arguments = sig.inputs.iter().filter_map(|argument| match argument {
            FnArg::Typed(argument) => Some(Argument {
                pattern: (*argument.pat).clone(),
                ty: (*argument.ty).clone(),
                names: bound_names(&argument.pat),
            }),
            FnArg::Receiver(_) => None,
        });
        Self {
            handler: sig.ident.clone(),
            arguments: arguments.collect(),
        }
    }

    /// The first name in an expression that is an argument. A closure has arguments of its own.
    pub(crate) fn first_used_in(&self, expr: &Expr) -> Option<Ident> {
        if matches!(expr, Expr::Closure(_)) {
            return None;
        }
        let is_bound = |name: &Ident| {
            self.arguments
                .iter()
                .any(|argument| argument.names.contains(name))
        };
        free_names(expr).into_iter().find(is_bound)
    }

    /// The arguments that an expression uses.
    pub(crate) fn used_in(&self, expr: &Expr) -> Vec<&Argument> {
        let used = free_names(expr);
        let is_used = |argument: &&Argument| argument.names.iter().any(|name| used.contains(name));
        self.arguments.iter().filter(is_used).collect()
    }

    /// How to bind the arguments that an expression uses; `None` if it uses none.
    pub(crate) fn over(&self, expr: &Expr) -> Option<OverArguments> {
        self.first_used_in(expr)?;
        let used = free_names(expr);
        let keep = |name: &Ident| used.contains(name);
        let patterns = |in_place: bool| -> Vec<Pat> {
            let each = self.arguments.iter().map(|argument| {
                if has_reference(&argument.pattern) == in_place {
                    bind(&argument.pattern, &keep, in_place)
                } else {
                    wild()
                }
            });
            each.collect()
        };
        let in_place = patterns(true);
        let binds = |pattern: &Pat| !bound_names(pattern).is_empty();
        let names = self.arguments.iter().flat_map(|argument| &argument.names);
        Some(OverArguments {
            expr: expr.clone(),
            by_reference: patterns(false),
            in_place: if in_place.iter().any(binds) {
                in_place
            } else {
                Vec::new()
            },
            uses: names.filter(|name| keep(name)).cloned().collect(),
        })
    }
}

fn wild() -> Pat {
    Pat::Verbatim(quote!(_))
}

/// Whether there is an `&` in a pattern. Below one, names cannot be bound by reference without `ref`; elsewhere,
/// `ref` is not allowed where the pattern goes through a reference without an `&`.
fn has_reference(pattern: &Pat) -> bool {
    match pattern {
        Pat::Reference(_) => true,
        Pat::Ident(pattern) => match &pattern.subpat {
            Some((_, inner)) => has_reference(inner),
            None => false,
        },
        Pat::Paren(pattern) => has_reference(&pattern.pat),
        Pat::Type(pattern) => has_reference(&pattern.pat),
        Pat::Tuple(pattern) => pattern.elems.iter().any(has_reference),
        Pat::TupleStruct(pattern) => pattern.elems.iter().any(has_reference),
        Pat::Slice(pattern) => pattern.elems.iter().any(has_reference),
        Pat::Or(pattern) => pattern.cases.iter().any(has_reference),
        Pat::Struct(pattern) => {
            let mut fields = pattern.fields.iter();
            fields.any(|field| has_reference(&field.pat))
        }
        _ => false,
    }
}

/// The pattern with only the names to keep, bound by reference: by the one that the pattern is matched against, or
/// with `ref`.
fn bind(pattern: &Pat, keep: &impl Fn(&Ident) -> bool, with_ref: bool) -> Pat {
    let inner_bound = |inner: &mut Pat| *inner = bind(inner, keep, with_ref);
    let mut pattern = pattern.clone();
    match &mut pattern {
        Pat::Ident(name) => {
            let inner = name.subpat.take().map(|(at, inner)| {
                let inner = match *inner {
                    // `rest @ ..` is all that is left of a slice.
                    Pat::Rest(rest) => Pat::Rest(rest),
                    inner => bind(&inner, keep, with_ref),
                };
                (at, Box::new(inner))
            });
            if !keep(&name.ident) {
                return inner.map_or_else(wild, |(_, inner)| *inner);
            }
            name.attrs.clear();
            name.by_ref = with_ref.then(|| Token![ref](name.ident.span()));
            name.mutability = None;
            name.subpat = inner.filter(|(_, inner)| !is_wild(inner));
        }
        Pat::Paren(outer) => inner_bound(&mut outer.pat),
        Pat::Reference(outer) => inner_bound(&mut outer.pat),
        Pat::Type(outer) => inner_bound(&mut outer.pat),
        Pat::Tuple(outer) => outer.elems.iter_mut().for_each(inner_bound),
        Pat::TupleStruct(outer) => outer.elems.iter_mut().for_each(inner_bound),
        Pat::Slice(outer) => outer.elems.iter_mut().for_each(inner_bound),
        Pat::Or(outer) => outer.cases.iter_mut().for_each(inner_bound),
        Pat::Struct(outer) => {
            let fields = outer.fields.iter_mut();
            fields.for_each(|field| bind_field(field, keep, with_ref));
        }
        _ => {}
    }
    pattern
}

fn bind_field(field: &mut FieldPat, keep: &impl Fn(&Ident) -> bool, with_ref: bool) {
    let inner = bind(&field.pat, keep, with_ref);
    if is_wild(&inner) {
        field.colon_token.get_or_insert_with(Default::default);
    }
    *field.pat = inner;
}

fn is_wild(pattern: &Pat) -> bool {
    matches!(pattern, Pat::Wild(_))
        || matches!(pattern, Pat::Verbatim(tokens) if tokens.to_string() == "_")
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
    use syn::parse_quote;

    fn bound() -> Bound {
        Bound::of(&parse_quote!(async fn handler(
            State(db): State<Db>,
            Json(Input { inputs, mut name }): Json<Input>,
            (a, ref b @ _): Pair,
            Json([first, rest @ ..]): Json<[u8; 4]>,
            State(&n): State<&'static u8>,
            all @ Batch { size, .. }: Batch,
        )))
    }

    fn patterns(expr: &Expr) -> [String; 2] {
        let over = bound().over(expr).unwrap();
        [over.by_reference, over.in_place].map(|patterns| quote!(#(#patterns),*).to_string())
    }

    #[test]
    fn a_closure_has_its_own_arguments() {
        let closure = parse_quote!(|inputs: HeaderMap| inputs.len());
        assert!(bound().over(&closure).is_none());
        let inner = parse_quote!(names().map(|name| name.len()).sum());
        assert!(bound().over(&inner).is_none());
    }

    #[test]
    fn patterns_keep_only_what_is_used() {
        let [by_reference, in_place] = patterns(&parse_quote!(name.len() + a));
        let expected = quote!(
            State(_),
            Json(Input { inputs: _, name }),
            (a, _),
            Json([_, ..]),
            _,
            Batch { size: _, .. }
        );
        assert_eq!(by_reference, expected.to_string());
        assert_eq!(in_place, "");
    }

    #[test]
    fn the_rest_of_a_slice_stays_the_rest() {
        let [by_reference, _] = patterns(&parse_quote!(rest.len()));
        assert!(by_reference.contains(&quote!(Json([_, rest @ ..])).to_string()));
        let [by_reference, _] = patterns(&parse_quote!(first + all.len() + size));
        assert!(by_reference.contains(&quote!(Json([first, ..])).to_string()));
        assert!(by_reference.contains(&quote!(all @ Batch { size, .. }).to_string()));
    }

    #[test]
    fn a_pattern_with_a_reference_binds_with_ref() {
        let [by_reference, in_place] = patterns(&parse_quote!(n + a));
        assert!(by_reference.contains(&quote!((a, _)).to_string()));
        let expected = quote!(_, _, _, _, State(&ref n), _);
        assert_eq!(in_place, expected.to_string());
    }
}
