//! Extractors and response types, recognised by their names.
//!
//! A macro sees only source text. A type with a known name is taken for the well-known type, and
//! nothing is assumed about other types.

use syn::{GenericArgument, PathArguments, ReturnType, Type, TypeParamBound};

use crate::tokens::mentions;

const BODY_EXTRACTORS: [&str; 16] = [
    "Body",
    "Bytes",
    "BytesMut",
    "Cbor",
    "Form",
    "Json",
    "JsonDeserializer",
    "JsonLines",
    "MsgPack",
    "Multipart",
    "Protobuf",
    "RawForm",
    "Request",
    "String",
    "TypedMultipart",
    "Xml",
];

/// Types that read the body if their first parameter does.
const EXTRACTOR_WRAPPERS: [&str; 5] = ["Option", "Result", "Box", "Cached", "WithRejection"];

/// Extractors of the request head that work with any router state.
const STATELESS_EXTRACTORS: [&str; 14] = [
    "ClientIp",
    "ConnectInfo",
    "Extension",
    "Extensions",
    "HeaderMap",
    "Limiter",
    "MatchedPath",
    "Method",
    "OriginalUri",
    "Path",
    "Query",
    "RateLimit",
    "RawQuery",
    "Uri",
];

/// Types of responses, which are not futures.
const RESPONSES: [&str; 34] = [
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

/// The name of the extractor within a type that reads the body.
pub(crate) fn body_extractor(ty: &Type) -> Option<String> {
    match ty {
        Type::Path(path) => {
            let last = path.path.segments.last()?;
            if BODY_EXTRACTORS.iter().any(|name| last.ident == name) {
                return Some(last.ident.to_string());
            }
            if !EXTRACTOR_WRAPPERS.iter().any(|name| last.ident == name) {
                return None;
            }
            let PathArguments::AngleBracketed(arguments) = &last.arguments else {
                return None;
            };
            match arguments.args.first()? {
                GenericArgument::Type(inner) => body_extractor(inner),
                _ => None,
            }
        }
        Type::Tuple(tuple) => tuple.elems.iter().find_map(body_extractor),
        Type::Paren(inner) => body_extractor(&inner.elem),
        Type::Group(inner) => body_extractor(&inner.elem),
        _ => None,
    }
}

/// Whether a type is an extractor of the request head that works with any router state.
pub(crate) fn is_stateless_extractor(ty: &Type) -> bool {
    let Type::Path(path) = ty else {
        return false;
    };
    let last = path.path.segments.last();
    last.is_some_and(|last| STATELESS_EXTRACTORS.iter().any(|name| last.ident == name))
}

/// Whether a type is the extractor `State<T>`.
pub(crate) fn is_state(ty: &Type) -> bool {
    let Type::Path(path) = ty else {
        return false;
    };
    path.path.segments.last().is_some_and(|segment| {
        segment.ident == "State" && matches!(segment.arguments, PathArguments::AngleBracketed(_))
    })
}

/// Whether a function may return a future.
pub(crate) fn may_return_future(output: &ReturnType) -> bool {
    match output {
        ReturnType::Default => false,
        ReturnType::Type(_, ty) => may_be_future(ty),
    }
}

fn may_be_future(ty: &Type) -> bool {
    match ty {
        Type::Reference(_) | Type::Tuple(_) | Type::Array(_) | Type::Slice(_) | Type::Never(_) => {
            false
        }
        Type::Paren(inner) => may_be_future(&inner.elem),
        Type::Group(inner) => may_be_future(&inner.elem),
        Type::ImplTrait(opaque) => {
            let is_response = |bound: &TypeParamBound| match bound {
                TypeParamBound::Trait(bound) => {
                    let last = bound.path.segments.last();
                    last.is_some_and(|last| last.ident == "IntoResponse")
                }
                _ => false,
            };
            !opaque.bounds.iter().any(is_response) || mentions(opaque, "Future")
        }
        Type::Path(path) => {
            let last = path.path.segments.last();
            !last.is_some_and(|last| RESPONSES.iter().any(|name| last.ident == name))
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use syn::parse_quote;

    #[test]
    fn extractors_of_the_body_are_recognised_by_name() {
        let reads = |ty: Type| body_extractor(&ty);
        assert_eq!(reads(parse_quote!(Json<In>)).as_deref(), Some("Json"));
        assert_eq!(
            reads(parse_quote!(axum::extract::Request)).as_deref(),
            Some("Request")
        );
        assert_eq!(
            reads(parse_quote!(Option<Form<In>>)).as_deref(),
            Some("Form")
        );
        assert_eq!(
            reads(parse_quote!(Result<Json<In>, JsonRejection>)).as_deref(),
            Some("Json")
        );
        assert_eq!(
            reads(parse_quote!((Method, Bytes))).as_deref(),
            Some("Bytes")
        );
        assert_eq!(reads(parse_quote!(Path<String>)), None);
        assert_eq!(reads(parse_quote!(State<Arc<Json<In>>>)), None);
        assert_eq!(reads(parse_quote!(HeaderMap)), None);
    }
}
