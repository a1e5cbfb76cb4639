//! Which functions can be limited handlers.

use syn::{Attribute, FnArg, GenericParam, Safety, Signature, Type};

use crate::errors::Errors;
use crate::known_types::may_return_future;
use crate::tokens::{find_word, mentions};

/// The most arguments that Axum allows.
const MAX_ARGUMENTS: usize = 16;

const IN_AN_IMPL: &str = "a handler cannot be in an `impl` or `trait` block: \
     move it to a free function, and take what it needs as `State`";

/// Reports everything in a signature that a limited handler cannot have.
pub(crate) fn check(sig: &Signature, is_in_impl: bool, errors: &mut Errors) {
    if is_in_impl {
        errors.at_tokens(&sig.ident, IN_AN_IMPL);
    }
    if let Some(constness) = &sig.constness {
        errors.at_tokens(constness, "a handler cannot be `const`: remove `const`");
    }
    if let Safety::Unsafe(unsafety) = &sig.safety {
        errors.at_tokens(
            unsafety,
            "a handler cannot be `unsafe`: \
             remove `unsafe`, and write an `unsafe` block in the body",
        );
    }
    if let Some(abi) = &sig.abi {
        errors.at_tokens(abi, "a handler cannot be `extern`: remove `extern`");
    }
    if let Some(variadic) = &sig.variadic {
        errors.at_tokens(
            variadic,
            "a handler cannot be variadic: write each argument",
        );
    }
    if sig.asyncness.is_none() && !may_return_future(&sig.output) {
        errors.at_tokens(
            sig.fn_token,
            "a handler must be an `async fn` or return a future: write `async fn`",
        );
    }
    if !is_in_impl
        && sig.receiver().is_none()
        && let Some(word) = find_word(sig, "Self")
    {
        errors.at_tokens(
            word,
            "a handler cannot be in an `impl` or `trait` block: \
             move it to a free function, and write the type instead of `Self`",
        );
    }
    for attr in sig.generics.params.iter().flat_map(cfg_attributes) {
        errors.at_tokens(
            attr,
            "a generic parameter of a limited handler cannot be conditional: \
             write two handlers, each with a `#[cfg]`",
        );
    }
    for (number, argument) in sig.inputs.iter().enumerate() {
        if number == MAX_ARGUMENTS {
            errors.at_tokens(
                argument,
                format!(
                    "a handler has at most {MAX_ARGUMENTS} arguments: \
                     combine some of them in a tuple"
                ),
            );
        }
        check_argument(argument, is_in_impl, errors);
    }
}

fn check_argument(argument: &FnArg, is_in_impl: bool, errors: &mut Errors) {
    let argument = match argument {
        FnArg::Receiver(receiver) => {
            if !is_in_impl {
                errors.at_tokens(
                    receiver,
                    "a handler cannot take `self`: \
                     move it to a free function, and take what it needs as `State`",
                );
            }
            return;
        }
        FnArg::Typed(argument) => argument,
    };
    for attr in argument.attrs.iter().filter(|attr| is_cfg(attr)) {
        errors.at_tokens(
            attr,
            "an argument of a limited handler cannot be conditional: \
             write two handlers, each with a `#[cfg]`, or take an `Option`",
        );
    }
    let ty = &*argument.ty;
    if !matches!(ty, Type::Macro(_)) && mentions(ty, "impl") {
        errors.at_tokens(
            ty,
            "an argument of a handler cannot be `impl Trait`: \
             write a type, because a router cannot infer one",
        );
    }
}

/// The conditions on a generic parameter.
fn cfg_attributes(param: &GenericParam) -> impl Iterator<Item = &Attribute> {
    let attrs = match param {
        GenericParam::Lifetime(lifetime) => &lifetime.attrs,
        GenericParam::Type(ty) => &ty.attrs,
        GenericParam::Const(value) => &value.attrs,
    };
    attrs.iter().filter(|attr| is_cfg(attr))
}

fn is_cfg(attr: &Attribute) -> bool {
    attr.path().is_ident("cfg") || attr.path().is_ident("cfg_attr")
}
