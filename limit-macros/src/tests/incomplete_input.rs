//! While code is typed, the macro keeps the item and does not panic.

use proc_macro2::{Group, TokenStream, TokenTree};
use quote::quote;

use crate::expand;

fn arguments() -> Vec<TokenStream> {
    vec![
        quote!(
            "10/minute",
            key = client_ip,
            cost = inputs.len(),
            scope = "models"
        ),
        quote!(
            tier,
            key = (client_ip, header("x")),
            strategy = gcra(burst = 5),
            name = "n"
        ),
        quote!("1/s", key = |a: &Parts, State(b): State<B>| (a, b), state = App<'static, u8>),
        quote!("1/s" key: = , , cost = -1, cost = 0, crate = a::b, direct = handler, 5, x => y),
        quote!(__last, "10/minute", crate = ::a, direct = other,),
    ]
}

fn items() -> Vec<TokenStream> {
    vec![
        quote!(
            pub async fn handler(State(a): State<A>, Json(mut inputs): Json<Vec<u8>>) -> R {
                inputs
            }
        ),
        quote! {
            #[cfg(x)] #[rate_limit("1/s", key = a)] #[rate_limit] #[instrument] #[debug_handler]
            fn handler<'a, T: X<'a>, const N: usize>(self, _: impl T, a: ...) -> impl Future where T: U {}
        },
        quote!(
            pub(crate) unsafe extern "C" fn handler(#[cfg(x)] &(ref a, B { b, .. }): &T);
        ),
        quote!(
            struct Handler {
                handler: u8,
            }
        ),
        quote!(
            macro_rules! handler {
                () => {};
            }
        ),
    ]
}

/// All prefixes of the tokens, with groups closed.
fn prefixes(tokens: TokenStream) -> Vec<TokenStream> {
    let mut prefixes = vec![TokenStream::new()];
    let mut so_far = TokenStream::new();
    for token in tokens {
        if let TokenTree::Group(group) = &token {
            for inner in prefixes_of(group) {
                let mut prefix = so_far.clone();
                prefix.extend([inner]);
                prefixes.push(prefix);
            }
        }
        so_far.extend([token]);
        prefixes.push(so_far.clone());
    }
    prefixes
}

fn prefixes_of(group: &Group) -> impl Iterator<Item = TokenTree> {
    let delimiter = group.delimiter();
    let inner = prefixes(group.stream()).into_iter();
    inner.map(move |inner| Group::new(delimiter, inner).into())
}

#[test]
fn incomplete_arguments_keep_the_item() {
    for item in items() {
        for arguments in arguments().into_iter().flat_map(prefixes) {
            let expansion = expand::rate_limit(&arguments, &item, None).to_string();
            assert!(
                expansion.contains("andler"),
                "({arguments}) {item}: {expansion}"
            );
        }
    }
}

#[test]
fn incomplete_items_are_kept() {
    for arguments in arguments() {
        for item in items().into_iter().flat_map(prefixes) {
            let expansion = expand::rate_limit(&arguments, &item, None).to_string();
            let kept = item.is_empty() || !expansion.is_empty();
            assert!(kept, "({arguments}) {item}");
        }
    }
}
