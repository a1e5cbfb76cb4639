//! Which functions can be handlers.

use syn::{Attribute, FnArg, GenericParam, ReturnType, Safety, Signature, Type};

use crate::arguments::{first, mentions};
use crate::errors::Errors;

/// As many as Axum takes.
const MAX_ARGUMENTS: usize = 16;

/// Says everything that keeps a function from being a limited handler.
pub(crate) fn check(sig: &Signature, errors: &mut Errors) {
    if let Some(constness) = &sig.constness {
        errors.over(constness, "a handler cannot be `const`: remove it");
    }
    if let Safety::Unsafe(unsafety) = &sig.safety {
        errors.over(
            unsafety,
            "a handler cannot be `unsafe`: put the `unsafe` block inside",
        );
    }
    if let Some(abi) = &sig.abi {
        errors.over(abi, "a handler cannot be `extern`: remove it");
    }
    if let Some(variadic) = &sig.variadic {
        errors.over(variadic, "a handler cannot be variadic: name its arguments");
    }
    if sig.asyncness.is_none() && matches!(sig.output, ReturnType::Default) {
        errors.over(
            sig.fn_token,
            "a handler is an `async fn`, or returns a future: write `async fn`",
        );
    }
    if sig.receiver().is_none()
        && let Some(word) = first(sig, "Self")
    {
        errors.over(
            word,
            "a handler cannot be in an `impl`: move the function out of it, and write the type in place of `Self`",
        );
    }
    for attr in sig.generics.params.iter().flat_map(conditions) {
        errors.over(
            attr,
            "a parameter of a limited handler cannot be conditional: put `#[cfg]` on two handlers",
        );
    }
    for (number, argument) in sig.inputs.iter().enumerate() {
        if number == MAX_ARGUMENTS {
            errors.over(
                argument,
                format!("a handler has at most {MAX_ARGUMENTS} arguments: gather some in one extractor, such as a tuple"),
            );
        }
        check_argument(argument, errors);
    }
}

fn check_argument(argument: &FnArg, errors: &mut Errors) {
    let argument = match argument {
        FnArg::Receiver(receiver) => {
            errors.over(
                receiver,
                "a handler has no `self`: make it a function, and take what it needs as `State`",
            );
            return;
        }
        FnArg::Typed(argument) => argument,
    };
    for attr in argument.attrs.iter().filter(|attr| is_conditional(attr)) {
        errors.over(
            attr,
            "an argument of a limited handler cannot be conditional: put `#[cfg]` on two handlers, or make the argument an `Option`",
        );
    }
    let ty = &*argument.ty;
    if !matches!(ty, Type::Macro(_)) && mentions(ty, "impl") {
        errors.over(
            ty,
            "an argument of a handler cannot be `impl Trait`: routers could not tell its type",
        );
    }
}

/// The conditions on a type parameter, a constant or a lifetime.
fn conditions(param: &GenericParam) -> impl Iterator<Item = &Attribute> {
    let attrs = match param {
        GenericParam::Lifetime(lifetime) => &lifetime.attrs,
        GenericParam::Type(ty) => &ty.attrs,
        GenericParam::Const(value) => &value.attrs,
    };
    attrs.iter().filter(|attr| is_conditional(attr))
}

fn is_conditional(attr: &Attribute) -> bool {
    attr.path().is_ident("cfg") || attr.path().is_ident("cfg_attr")
}
