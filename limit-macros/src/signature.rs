//! Which functions can be handlers.

use syn::{Attribute, FnArg, GenericParam, ReturnType, Safety, Signature, Type, TypeParamBound};

use crate::arguments::{first, mentions};
use crate::errors::Errors;

/// As many as Axum takes.
const MAX_ARGUMENTS: usize = 16;

/// Says everything that keeps a function from being a limited handler.
pub(crate) fn check(sig: &Signature, is_member: bool, errors: &mut Errors) {
    if is_member {
        errors.over(&sig.ident, NOT_IN_AN_IMPL);
    }
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
    if sig.asyncness.is_none() && !may_be_future(&sig.output) {
        errors.over(
            sig.fn_token,
            "a handler is an `async fn`, or returns a future: write `async fn`",
        );
    }
    if !is_member
        && sig.receiver().is_none()
        && let Some(word) = first(sig, "Self")
    {
        errors.over(
            word,
            "a handler cannot be in an impl block: move it to a free function, and write the type in place of `Self`",
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
        check_argument(argument, is_member, errors);
    }
}

const NOT_IN_AN_IMPL: &str = "a handler cannot be in an impl block: move it to a free function, and take what it needs as `State`";

/// Whether what a function returns may be a future, as far as its type shows.
fn may_be_future(output: &ReturnType) -> bool {
    match output {
        ReturnType::Default => false,
        ReturnType::Type(_, ty) => type_may_be_future(ty),
    }
}

fn type_may_be_future(ty: &Type) -> bool {
    /// Types of answers, which are no futures.
    const ANSWERS: [&str; 34] = [
        "Body",
        "Bytes",
        "Cow",
        "Event",
        "Form",
        "HeaderMap",
        "Html",
        "Infallible",
        "Json",
        "NoContent",
        "Option",
        "Redirect",
        "Response",
        "Result",
        "Sse",
        "StatusCode",
        "String",
        "Vec",
        "bool",
        "char",
        "f32",
        "f64",
        "i8",
        "i16",
        "i32",
        "i64",
        "i128",
        "isize",
        "u8",
        "u16",
        "u32",
        "u64",
        "u128",
        "usize",
    ];
    match ty {
        Type::Reference(_) | Type::Tuple(_) | Type::Array(_) | Type::Slice(_) | Type::Never(_) => {
            false
        }
        Type::Paren(inner) => type_may_be_future(&inner.elem),
        Type::Group(inner) => type_may_be_future(&inner.elem),
        Type::ImplTrait(opaque) => {
            let mut bounds = opaque.bounds.iter();
            !bounds.any(|bound| matches!(bound, TypeParamBound::Trait(bound) if bound.path.segments.last().is_some_and(|last| last.ident == "IntoResponse")))
                || mentions(opaque, "Future")
        }
        Type::Path(path) => {
            let last = path.path.segments.last();
            !last.is_some_and(|last| ANSWERS.iter().any(|answer| last.ident == answer))
        }
        _ => true,
    }
}

fn check_argument(argument: &FnArg, is_member: bool, errors: &mut Errors) {
    let argument = match argument {
        FnArg::Receiver(receiver) => {
            if !is_member {
                errors.over(
                    receiver,
                    "a handler has no `self`: move it to a free function, and take what it needs as `State`",
                );
            }
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
