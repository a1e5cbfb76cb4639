//! Runs the pipeline.

use proc_macro2::{Span, TokenStream};
use quote::quote;

use crate::check::handler_args::HandlerArgs;
use crate::check::{self, impl_block, signature};
use crate::emit;
use crate::errors::Errors;
use crate::syntax::arguments;
use crate::syntax::handler::Handler;
use crate::syntax::stacked_attributes::StackedAttributes;

/// The code that replaces the annotated item. `source` is the text of the file, if the item may be
/// in an `impl` block.
pub(crate) fn rate_limit(
    arguments: &TokenStream,
    item: &TokenStream,
    source: Option<&str>,
) -> TokenStream {
    let mut errors = Errors::default();

    // Syntax.
    let first = arguments::parse(arguments.clone(), &mut errors);
    let mut handler = match Handler::parse(item.clone()) {
        Ok(handler) => handler,
        Err(error) => {
            errors.push(error);
            let errors = errors.into_tokens();
            return quote!(#errors #item);
        }
    };
    let is_in_impl = source.is_some_and(|source| impl_block::contains(source, &handler));
    let stacked = StackedAttributes::take(&mut handler.attrs, first.crate_path(), &mut errors);
    let must_move = !first.is_moved && stacked.expands_first_until.is_some();

    // Check.
    signature::check(&handler.sig, is_in_impl, &mut errors);
    let attributes = {
        // An attribute that has been moved was above the first one that has not.
        let is_first_moved = first.is_moved;
        let parsed = stacked.all.iter().map(|other| other.parse(&mut errors));
        let (mut attributes, below): (Vec<_>, Vec<_>) =
            parsed.partition(|(_, other)| other.is_moved && !is_first_moved);
        attributes.push((Span::call_site(), first));
        attributes.extend(below);
        attributes
    };
    let Some(model) = check::check(attributes, &HandlerArgs::of(&handler.sig), &mut errors) else {
        let errors = errors.into_tokens();
        return quote!(#errors #handler);
    };

    // Emit.
    if must_move {
        emit::moved::emit(arguments, handler, &stacked, &model)
    } else {
        emit::emit(&handler, &model)
    }
}
