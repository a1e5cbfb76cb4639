//! `on_unknown`, `cap_cost`, and handlers that take a `Reservation`.

use proc_macro2::Span;
use syn::{Path, Type};

use crate::check::handler_args::HandlerArgs;
use crate::errors::Errors;
use crate::model::{Cost, Rule};
use crate::syntax::options::OptionName;

const TYPE: &str = "Reservation";

/// Reports an option about estimates on a rule without a cost.
pub(crate) fn check_option(option: OptionName, span: Span, rule: &Rule, errors: &mut Errors) {
    if !has_cost(rule) {
        errors.at_span(
            span,
            format!(
                "`{option}` is about an estimate, and this attribute has none: \
                 write it as `cost = …`, or remove `{option}`"
            ),
        );
    }
}

/// Reports a `Reservation` argument of a handler that has not exactly one rule to settle.
pub(crate) fn check_argument(rules: &[Rule], args: &HandlerArgs, errors: &mut Errors) {
    let Some(ty) = args.types().find(|ty| is_reservation(ty)) else {
        return;
    };
    let mut with_cost = rules.iter().filter(|rule| has_cost(rule));
    let Some(first) = with_cost.next() else {
        errors.at_tokens(
            ty,
            "a `Reservation` settles a cost, and no `#[rate_limit]` of this handler has one: \
             write the estimate as `cost = …`; a type of your own with this name needs a path, as \
             in `self::Reservation`",
        );
        return;
    };
    if with_cost.next().is_some() {
        let (naming, name) = match &first.name {
            Some(name) => ("", name.value()),
            None => ("give each of them a `name`, ", "tokens".to_owned()),
        };
        errors.at_tokens(
            ty,
            format!(
                "several `#[rate_limit]` of this handler have a `cost`, and a `Reservation` settles \
                 one: {naming}take a `RateLimit`, and write \
                 `limit.only(\"{name}\")?.reservation()?`"
            ),
        );
        return;
    }
    if let Some(count_when) = &first.count_when {
        errors.at_tokens(
            count_when,
            "`count_when` gives back what a `Reservation` settles: remove one of the two, and \
             write `reservation.release()` for what does not count",
        );
    }
}

/// Whether the rule has a cost other than that of every request.
fn has_cost(rule: &Rule) -> bool {
    !matches!(rule.cost, Cost::Fixed(1))
}

/// Whether a type is `Reservation` or a path of this crate's. A path of the application's is not.
fn is_reservation(ty: &Type) -> bool {
    let Type::Path(path) = ty else {
        return false;
    };
    path.qself.is_none() && is_ours(&path.path)
}

fn is_ours(path: &Path) -> bool {
    let mut segments = path.segments.iter();
    let is_named = segments
        .next_back()
        .is_some_and(|last| last.ident == TYPE && last.arguments.is_none());
    is_named
        && match (segments.next(), segments.next()) {
            (None, _) => true,
            (Some(first), None) => first.ident == "limit_runtime",
            (Some(_), Some(_)) => false,
        }
}
