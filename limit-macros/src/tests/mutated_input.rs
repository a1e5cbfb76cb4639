//! With any tokens deleted, doubled, swapped or replaced, the macro does not panic, keeps the
//! handler, and generates a limit or an error.

use proc_macro2::{Group, TokenStream, TokenTree};
use proptest::prelude::*;
use proptest::sample::Index;
use quote::quote;

use crate::expand;
use crate::tokens::{find_word, mentions};

fn arguments() -> Vec<TokenStream> {
    vec![
        quote!("10/minute"),
        quote!(
            "10/minute",
            key = (client_ip, header("x")),
            cost = body.len(),
            strategy = gcra(burst = 5),
            name = "n"
        ),
        quote!(tier, key = |a: &Parts, State(b): State<B>| (a, b), state = App<'static, u8>, cost = 5),
        quote!(
            T::LIMITS,
            key = T::key::<N>,
            cost = weights.iter().sum::<u32>() + 1,
            direct = now
        ),
        quote!(
            "2 per second; 100/hour",
            key =
                async |Extension(user): Extension<User>, headers: &HeaderMap| Some((user.id, "v1")),
            scope = |Path(id): Path<u32>| id,
            methods = [GET, POST],
            wait = "2s",
            count_when = |response: &Response| response.status().is_success(),
            on_limited = busy,
            on_store_error = deny,
            crate = ::limiting
        ),
    ]
}

fn items() -> Vec<TokenStream> {
    vec![
        quote!(
            async fn handler() {}
        ),
        quote! {
            /// Documented.
            #[must_use]
            #[deprecated(since = "1", note = "old")]
            #[allow(unused)]
            pub(in crate::api) async fn handler<'a, T, const N: usize>(
                State(Db { pool, .. }): State<Db<'_>>,
                (mut a, _): (Method, Uri),
                #[allow(unused)] b @ Some(Extension(ref c)): Option<Extension<[u8; { N + 1 }]>>,
                Json(weights): Json<Vec<u32>>,
            ) -> Result<impl IntoResponse + use<T>, (StatusCode, String)>
            where
                for<'b> T: Model<'b> + 'static,
            {
                let x = if weights.is_empty() { return Ok(1) } else { weights.len()? };
                handler(x, |y| async move { y }).await
            }
        },
        quote! {
            #[rate_limit("100/minute", key = everyone, scope = "all")]
            #[rate_limit(tier, cost = body.len(), crate = ::limiting)]
            #[axum::debug_handler(state = Db)]
            fn handler(body: String) -> Pin<Box<dyn Future<Output = Response> + Send>> {
                Box::pin(async { body })
            }
        },
        quote! {
            #[tracing::instrument(skip_all, fields(a = %b))]
            #[cfg_attr(feature = "x", doc = "y")]
            async fn handler(request: Request) -> Sse<impl Stream<Item = Event>> {
                todo!()
            }
        },
    ]
}

#[derive(Clone, Debug)]
enum Change {
    Delete,
    Double,
    /// With the next token.
    Swap,
    /// With all tokens after it in its group.
    Cut,
    /// With another token of the input.
    Replace(Index),
    /// A group: replace it with the tokens in it.
    Open,
}

fn changes() -> impl Strategy<Value = Vec<(Index, Change)>> {
    let change = prop_oneof![
        Just(Change::Delete),
        Just(Change::Double),
        Just(Change::Swap),
        Just(Change::Cut),
        any::<Index>().prop_map(Change::Replace),
        Just(Change::Open),
    ];
    prop::collection::vec((any::<Index>(), change), 0..3)
}

/// All tokens. Those of a group follow the group.
fn flat(tokens: &TokenStream) -> Vec<TokenTree> {
    let mut all = Vec::new();
    for token in tokens.clone() {
        let within = match &token {
            TokenTree::Group(group) => flat(&group.stream()),
            _ => Vec::new(),
        };
        all.push(token);
        all.extend(within);
    }
    all
}

fn apply_all(tokens: TokenStream, changes: &[(Index, Change)]) -> TokenStream {
    changes.iter().fold(tokens, |tokens, (at, change)| {
        let all = flat(&tokens);
        if all.is_empty() {
            return tokens;
        }
        apply(tokens, &mut at.index(all.len()), change, &all)
    })
}

fn apply(tokens: TokenStream, at: &mut usize, change: &Change, all: &[TokenTree]) -> TokenStream {
    let mut out = Vec::new();
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        if *at == 0 {
            *at = usize::MAX;
            match change {
                Change::Delete => {}
                Change::Double => out.extend([token.clone(), token]),
                Change::Swap => {
                    out.extend(tokens.next());
                    out.push(token);
                }
                Change::Cut => break,
                Change::Replace(other) => out.push(other.get(all).clone()),
                Change::Open => match token {
                    TokenTree::Group(group) => out.extend(group.stream()),
                    token => out.push(token),
                },
            }
            continue;
        }
        *at = at.saturating_sub(1);
        out.push(match token {
            TokenTree::Group(group) if *at < usize::MAX - all.len() => {
                let within = apply(group.stream(), at, change, all);
                Group::new(group.delimiter(), within).into()
            }
            token => token,
        });
    }
    out.into_iter().collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn input_expands_to_the_handler_with_a_limit_or_an_error(
        arguments in prop::sample::select(arguments()),
        item in prop::sample::select(items()),
        in_arguments in changes(),
        in_item in changes(),
    ) {
        let arguments = apply_all(arguments, &in_arguments);
        let item = apply_all(item, &in_item);
        let expansion = expand::rate_limit(&arguments, &item, None);
        let is_error = mentions(&expansion, "compile_error");
        if let Ok(function) = syn::parse2::<syn::ItemFn>(item.clone()) {
            let name = function.sig.ident.to_string();
            prop_assert!(find_word(&expansion, &name).is_some(), "{name} is gone: {expansion}");
            let file = syn::parse2::<syn::File>(expansion.clone());
            prop_assert!(file.is_ok(), "{:?}: {expansion}", file.err());
        } else {
            prop_assert!(item.is_empty() || !expansion.is_empty(), "the item is gone");
        }
        let is_limited = mentions(&expansion, "Limited") || mentions(&expansion, "__private");
        prop_assert!(is_limited || is_error, "neither a limit nor an error: {expansion}");
    }
}
