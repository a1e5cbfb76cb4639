//! Further `#[rate_limit]` attributes on the handler. The compiler expands the first one, which
//! takes the others along.

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;
use syn::{Attribute, Meta, Path};

use crate::errors::Errors;
use crate::known_paths::is_rate_limit;
use crate::spans;
use crate::syntax::arguments::{self, Arguments, MOVED_MARKER};
use crate::syntax::other_attributes::{Placement, placement};

/// All further `#[rate_limit]` attributes on a handler, in order.
pub(crate) struct StackedAttributes {
    pub(crate) all: Vec<StackedAttribute>,
    /// How many attributes of other kinds there are down to the last one that must expand before
    /// this macro. `None` if there is no such attribute.
    pub(crate) expands_first_until: Option<usize>,
}

pub(crate) struct StackedAttribute {
    pub(crate) attr: Attribute,
    /// How many attributes of other kinds are above it.
    pub(crate) others_above: usize,
}

impl StackedAttributes {
    /// Removes the `#[rate_limit]` attributes from the attributes of a handler.
    pub(crate) fn take(
        attrs: &mut Vec<Attribute>,
        crate_path: Option<&Path>,
        errors: &mut Errors,
    ) -> Self {
        let mut all = Vec::new();
        let mut expands_first_until = None;
        let mut others = Vec::new();
        for attr in attrs.drain(..) {
            if is_stacked(&attr, crate_path) {
                if let Meta::NameValue(pair) = &attr.meta {
                    errors.at_tokens(
                        &pair.value,
                        "the limits are not in parentheses: write `#[rate_limit(\"10/minute\")]`",
                    );
                }
                let others_above = others.len();
                all.push(StackedAttribute { attr, others_above });
            } else {
                if placement(&attr) == Placement::ExpandsFirst {
                    expands_first_until = Some(others.len() + 1);
                }
                others.push(attr);
            }
        }
        *attrs = others;
        Self {
            all,
            expands_first_until,
        }
    }
}

impl StackedAttribute {
    /// Parses the arguments. The span is that of the attribute's name.
    pub(crate) fn parse(&self, errors: &mut Errors) -> (Span, Arguments) {
        let name = self.attr.path().segments.last();
        let span = name.map_or_else(Span::call_site, |name| name.ident.span());
        let tokens = match &self.attr.meta {
            Meta::List(list) => list.tokens.clone(),
            Meta::Path(_) | Meta::NameValue(_) => TokenStream::new(),
        };
        (span, arguments::parse(tokens, errors))
    }

    pub(crate) fn is_moved(&self) -> bool {
        matches!(&self.attr.meta, Meta::List(list) if arguments::is_moved(&list.tokens))
    }

    /// The attribute with the marker of those that have been moved.
    pub(crate) fn marked_as_moved(&self) -> Attribute {
        let mut attr = self.attr.clone();
        if !self.is_moved()
            && let Meta::List(list) = &mut attr.meta
        {
            let marker = Ident::new(MOVED_MARKER, spans::hygienic_span());
            let tokens = &list.tokens;
            list.tokens = quote!(#marker, #tokens);
        }
        attr
    }
}

/// Whether an attribute is `#[rate_limit]`, also under a path that `crate = …` gives, in that
/// attribute or in the first one.
fn is_stacked(attr: &Attribute, crate_path: Option<&Path>) -> bool {
    if is_rate_limit(attr.path(), crate_path) {
        return true;
    }
    let last = attr.path().segments.last();
    if last.is_none_or(|last| last.ident != "rate_limit") {
        return false;
    }
    let Meta::List(list) = &attr.meta else {
        return false;
    };
    let arguments = arguments::parse(list.tokens.clone(), &mut Errors::default());
    is_rate_limit(attr.path(), arguments.crate_path())
}
