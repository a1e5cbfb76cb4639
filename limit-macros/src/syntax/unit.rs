//! `unit = "frames"`.

use limit_core::Unit;
use proc_macro2::Span;
use syn::Expr;

use crate::errors::Errors;
use crate::syntax::option_values::non_empty_string;
use crate::syntax::options::OptionName;

/// A unit, and where it is written.
#[derive(Clone, Copy)]
pub(crate) struct NamedUnit {
    pub(crate) unit: Unit,
    pub(crate) span: Span,
}

/// What limits count. `None` after an error.
pub(crate) fn parse(expr: &Expr, errors: &mut Errors) -> Option<NamedUnit> {
    let name = non_empty_string(OptionName::Unit, expr, errors)?;
    match Unit::new(&name.value()) {
        Ok(unit) => Some(NamedUnit {
            unit,
            span: name.span(),
        }),
        Err(error) => {
            errors.at_tokens(&name, error);
            None
        }
    }
}
