//! Which functions can be handlers.

use syn::{Attribute, FnArg, ReturnType, Safety, Signature, Type};

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
    if let Type::ImplTrait(ty) = &*argument.ty {
        errors.over(
            ty,
            "an argument of a handler cannot be `impl Trait`: routers could not tell its type",
        );
    }
}

fn is_conditional(attr: &Attribute) -> bool {
    attr.path().is_ident("cfg") || attr.path().is_ident("cfg_attr")
}
