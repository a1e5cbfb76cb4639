//! The types of arguments, as they are outside of the handler.

use syn::{GenericArgument, Lifetime, PathArguments, Type};

/// The type, where lifetimes that are left out are `'static`: whatever a router extracts is, and some places that
/// name the type need a lifetime.
pub(crate) fn lasting(ty: &Type) -> Type {
    let mut ty = ty.clone();
    extend(&mut ty);
    ty
}

fn extend(ty: &mut Type) {
    match ty {
        Type::Reference(reference) => {
            let span = reference.and_token.span;
            let lifetime = reference
                .lifetime
                .get_or_insert_with(|| Lifetime::new("'_", span));
            name(lifetime);
            extend(&mut reference.elem);
        }
        Type::Path(path) => path.path.segments.iter_mut().for_each(|segment| {
            // In `Fn(&str)`, each call has a lifetime of its own.
            if let PathArguments::AngleBracketed(arguments) = &mut segment.arguments {
                arguments
                    .args
                    .iter_mut()
                    .for_each(|argument| match argument {
                        GenericArgument::Type(ty) => extend(ty),
                        GenericArgument::Lifetime(lifetime) => name(lifetime),
                        _ => {}
                    });
            }
        }),
        Type::Tuple(tuple) => tuple.elems.iter_mut().for_each(extend),
        Type::Array(array) => extend(&mut array.elem),
        Type::Slice(slice) => extend(&mut slice.elem),
        Type::Paren(inner) => extend(&mut inner.elem),
        Type::Group(inner) => extend(&mut inner.elem),
        _ => {}
    }
}

fn name(lifetime: &mut Lifetime) {
    if lifetime.ident == "_" {
        *lifetime = Lifetime::new("'static", lifetime.span());
    }
}

#[cfg(test)]
mod tests {
    use super::lasting;
    use quote::ToTokens;
    use syn::Type;

    #[test]
    fn only_what_is_left_out_is_static() {
        let check = |written: &str, expected: &str| {
            let parsed: Type = syn::parse_str(written).unwrap();
            let expected: Type = syn::parse_str(expected).unwrap();
            assert_eq!(
                lasting(&parsed).to_token_stream().to_string(),
                expected.to_token_stream().to_string()
            );
        };
        check("State<&str>", "State<&'static str>");
        check(
            "State<Cow<'_, [&[u8]; 2]>>",
            "State<Cow<'static, [&'static [u8]; 2]>>",
        );
        check("(&'a str, &mut T)", "(&'a str, &'static mut T)");
        check("State<fn(&str) -> &str>", "State<fn(&str) -> &str>");
        check("State<Arc<dyn Fn(&str)>>", "State<Arc<dyn Fn(&str)>>");
        check("Json<Vec<u8>>", "Json<Vec<u8>>");
    }
}
