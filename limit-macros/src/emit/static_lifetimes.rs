//! The types of the arguments, with elided lifetimes written as `'static`.

use syn::{GenericArgument, Lifetime, PathArguments, Type};

/// The type with `'static` for each elided lifetime. A router extracts only `'static` values, and
/// some positions in the expansion do not allow elided lifetimes.
pub(crate) fn with_static_lifetimes(ty: &Type) -> Type {
    let mut ty = ty.clone();
    make_static(&mut ty);
    ty
}

fn make_static(ty: &mut Type) {
    match ty {
        Type::Reference(reference) => {
            let span = reference.and_token.span;
            let lifetime = reference
                .lifetime
                .get_or_insert_with(|| Lifetime::new("'_", span));
            replace_elided(lifetime);
            make_static(&mut reference.elem);
        }
        Type::Path(path) => path.path.segments.iter_mut().for_each(|segment| {
            // In `Fn(&str)`, an elided lifetime is that of each call.
            if let PathArguments::AngleBracketed(arguments) = &mut segment.arguments {
                arguments
                    .args
                    .iter_mut()
                    .for_each(|argument| match argument {
                        GenericArgument::Type(ty) => make_static(ty),
                        GenericArgument::Lifetime(lifetime) => replace_elided(lifetime),
                        _ => {}
                    });
            }
        }),
        Type::Tuple(tuple) => tuple.elems.iter_mut().for_each(make_static),
        Type::Array(array) => make_static(&mut array.elem),
        Type::Slice(slice) => make_static(&mut slice.elem),
        Type::Paren(inner) => make_static(&mut inner.elem),
        Type::Group(inner) => make_static(&mut inner.elem),
        _ => {}
    }
}

fn replace_elided(lifetime: &mut Lifetime) {
    if lifetime.ident == "_" {
        *lifetime = Lifetime::new("'static", lifetime.span());
    }
}

#[cfg(test)]
mod tests {
    use super::with_static_lifetimes;
    use quote::ToTokens;
    use syn::Type;

    #[test]
    fn only_elided_lifetimes_become_static() {
        let check = |written: &str, expected: &str| {
            let parsed: Type = syn::parse_str(written).unwrap();
            let expected: Type = syn::parse_str(expected).unwrap();
            assert_eq!(
                with_static_lifetimes(&parsed).to_token_stream().to_string(),
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
