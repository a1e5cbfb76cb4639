//! The arguments of the handler, and expressions over them.

use proc_macro2::Ident;
use quote::quote;
use syn::{Expr, FieldPat, FnArg, Pat, Signature, Token, Type};

use crate::check::free_names::{bound_names, free_names};
use crate::model::ArgsExpr;

/// The arguments of the handler.
pub(crate) struct HandlerArgs {
    pub(crate) handler: Ident,
    args: Vec<HandlerArg>,
}

struct HandlerArg {
    pattern: Pat,
    ty: Type,
    /// The names that the pattern binds.
    names: Vec<Ident>,
}

impl HandlerArgs {
    pub(crate) fn of(sig: &Signature) -> Self {
        let args = sig.inputs.iter().filter_map(|arg| match arg {
            FnArg::Typed(arg) => Some(HandlerArg {
                pattern: (*arg.pat).clone(),
                ty: (*arg.ty).clone(),
                names: bound_names(&arg.pat),
            }),
            FnArg::Receiver(_) => None,
        });
        Self {
            handler: sig.ident.clone(),
            args: args.collect(),
        }
    }

    /// The types of the arguments.
    pub(crate) fn types(&self) -> impl Iterator<Item = &Type> {
        self.args.iter().map(|arg| &arg.ty)
    }

    /// The first name in an expression that is an argument of the handler. A closure has arguments
    /// of its own, so it uses none.
    pub(crate) fn first_used_in(&self, expr: &Expr) -> Option<Ident> {
        if matches!(expr, Expr::Closure(_)) {
            return None;
        }
        let is_bound = |name: &Ident| self.names().any(|bound| bound == name);
        free_names(expr).into_iter().find(is_bound)
    }

    /// The names that the patterns of the arguments bind.
    pub(crate) fn names(&self) -> impl Iterator<Item = &Ident> {
        self.args.iter().flat_map(|arg| &arg.names)
    }

    /// The expression with patterns for the arguments that it uses. `None` if it uses none.
    pub(crate) fn args_expr(&self, expr: &Expr) -> Option<ArgsExpr> {
        self.first_used_in(expr)?;
        let used = free_names(expr);
        let keep = |name: &Ident| used.contains(name);
        let patterns = |with_ref: bool| -> Vec<Pat> {
            let each = self.args.iter().map(|arg| {
                if has_reference(&arg.pattern) == with_ref {
                    bind(&arg.pattern, &keep, with_ref)
                } else {
                    wildcard()
                }
            });
            each.collect()
        };
        let value_patterns = patterns(true);
        let binds_a_name = |pattern: &Pat| !bound_names(pattern).is_empty();
        let names = self.names();
        Some(ArgsExpr {
            expr: expr.clone(),
            reference_patterns: patterns(false),
            value_patterns: if value_patterns.iter().any(binds_a_name) {
                value_patterns
            } else {
                Vec::new()
            },
            used_names: names.filter(|name| keep(name)).cloned().collect(),
            arg_count: {
                let uses = |arg: &HandlerArg| arg.names.iter().any(keep);
                self.args.iter().rposition(uses).map_or(0, |last| last + 1)
            },
        })
    }
}

fn wildcard() -> Pat {
    Pat::Verbatim(quote!(_))
}

/// Whether a pattern contains `&`. Below an `&`, a name needs `ref` to be bound by reference.
/// Elsewhere, `ref` is not allowed if the pattern is matched against a reference.
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

/// The pattern with only the names to keep, bound by reference: with `ref`, or because the pattern
/// is matched against a reference.
fn bind(pattern: &Pat, keep: &impl Fn(&Ident) -> bool, with_ref: bool) -> Pat {
    let bind_inner = |inner: &mut Pat| *inner = bind(inner, keep, with_ref);
    let mut pattern = pattern.clone();
    match &mut pattern {
        Pat::Ident(name) => {
            let inner = name.subpat.take().map(|(at, inner)| {
                let inner = match *inner {
                    // In a slice, `rest @ ..` must keep its `..`.
                    Pat::Rest(rest) => Pat::Rest(rest),
                    inner => bind(&inner, keep, with_ref),
                };
                (at, Box::new(inner))
            });
            if !keep(&name.ident) {
                return inner.map_or_else(wildcard, |(_, inner)| *inner);
            }
            name.attrs.clear();
            name.by_ref = with_ref.then(|| Token![ref](name.ident.span()));
            name.mutability = None;
            name.subpat = inner.filter(|(_, inner)| !is_wildcard(inner));
        }
        Pat::Paren(outer) => bind_inner(&mut outer.pat),
        Pat::Reference(outer) => bind_inner(&mut outer.pat),
        Pat::Type(outer) => bind_inner(&mut outer.pat),
        Pat::Tuple(outer) => outer.elems.iter_mut().for_each(bind_inner),
        Pat::TupleStruct(outer) => outer.elems.iter_mut().for_each(bind_inner),
        Pat::Slice(outer) => outer.elems.iter_mut().for_each(bind_inner),
        Pat::Or(outer) => outer.cases.iter_mut().for_each(bind_inner),
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
    if is_wildcard(&inner) {
        field.colon_token.get_or_insert_with(Default::default);
    }
    *field.pat = inner;
}

fn is_wildcard(pattern: &Pat) -> bool {
    matches!(pattern, Pat::Wild(_))
        || matches!(pattern, Pat::Verbatim(tokens) if tokens.to_string() == "_")
}

#[cfg(test)]
mod tests {
    use super::*;
    use syn::parse_quote;

    fn args() -> HandlerArgs {
        HandlerArgs::of(&parse_quote!(async fn handler(
            State(db): State<Db>,
            Json(Input { inputs, mut name }): Json<Input>,
            (a, ref b @ _): Pair,
            Json([first, rest @ ..]): Json<[u8; 4]>,
            State(&n): State<&'static u8>,
            all @ Batch { size, .. }: Batch,
        )))
    }

    fn patterns(expr: &Expr) -> [String; 2] {
        let over = args().args_expr(expr).unwrap();
        [over.reference_patterns, over.value_patterns]
            .map(|patterns| quote!(#(#patterns),*).to_string())
    }

    #[test]
    fn a_closure_has_its_own_arguments() {
        let closure = parse_quote!(|inputs: HeaderMap| inputs.len());
        assert!(args().args_expr(&closure).is_none());
        let inner = parse_quote!(names().map(|name| name.len()).sum());
        assert!(args().args_expr(&inner).is_none());
    }

    #[test]
    fn patterns_bind_only_the_names_that_are_used() {
        let [by_reference, by_value] = patterns(&parse_quote!(name.len() + a));
        let expected = quote!(
            State(_),
            Json(Input { inputs: _, name }),
            (a, _),
            Json([_, ..]),
            _,
            Batch { size: _, .. }
        );
        assert_eq!(by_reference, expected.to_string());
        assert_eq!(by_value, "");
    }

    #[test]
    fn the_rest_of_a_slice_is_kept() {
        let [by_reference, _] = patterns(&parse_quote!(rest.len()));
        assert!(by_reference.contains(&quote!(Json([_, rest @ ..])).to_string()));
        let [by_reference, _] = patterns(&parse_quote!(first + all.len() + size));
        assert!(by_reference.contains(&quote!(Json([first, ..])).to_string()));
        assert!(by_reference.contains(&quote!(all @ Batch { size, .. }).to_string()));
    }

    #[test]
    fn a_pattern_with_a_reference_binds_with_ref() {
        let [by_reference, by_value] = patterns(&parse_quote!(n + a));
        assert!(by_reference.contains(&quote!((a, _)).to_string()));
        let expected = quote!(_, _, _, _, State(&ref n), _);
        assert_eq!(by_value, expected.to_string());
    }
}
