//! The expansion of representative handlers. `UPDATE_EXPECT=1 cargo test` updates them.

use expect_test::{Expect, expect};
use proc_macro2::TokenStream;
use quote::quote;

use crate::expand;

fn check(arguments: &TokenStream, item: &TokenStream, expected: &Expect) {
    let expansion = expand::rate_limit(arguments, item, None);
    let file = syn::parse2(expansion).expect("the expansion is items");
    expected.assert_eq(&prettyplease::unparse(&file));
}

#[test]
fn limits_only() {
    check(
        &quote!("10/minute"),
        &quote!(
            async fn health() {}
        ),
        &expect![[r##"
            #[allow(non_upper_case_globals)]
            static __RATE_LIMIT_health: [::limit_runtime::__private::RuleDeclaration; 1usize] = [
                ::limit_runtime::__private::RuleDeclaration::new(
                    "health",
                    "client_ip",
                    ::core::concat!(::core::module_path!(), "::health"),
                    (::core::file!(), ::core::line!(), ::core::column!()),
                    "10 per minute",
                    ::limit_runtime::__private::KnownBudget::new(
                        ::limit_runtime::__private::KnownScope::Fixed(
                            ::limit_runtime::__private::Scope::handler(
                                ::core::concat!(::core::module_path!(), "::health"),
                                "client_ip",
                            ),
                        ),
                        ::limit_runtime::__private::Strategy::MovingWindow,
                        ::limit_runtime::__private::KnownLimits::Expr(|| ::limit_runtime::__private::constant_limits(
                            &::limit_runtime::__private::limits!("10 per minute"),
                        )),
                        ::limit_runtime::__private::KnownKey::Default,
                    ),
                ),
            ];
            ::limit_runtime::__private::submit! {
                ::limit_runtime::__private::HandlerDeclaration(& __RATE_LIMIT_health)
            }
            #[doc(hidden)]
            struct __rate_limit_health;
            impl<__S> ::limit_runtime::__private::Policy<__S> for __rate_limit_health
            where
                __S: ::core::marker::Send + ::core::marker::Sync,
            {
                fn rules() -> impl ::limit_runtime::__private::Rules<__S> {
                    ::limit_runtime::__private::rule(
                        const {
                            &::limit_runtime::__private::PolicyConfig::new(
                                    "health",
                                    ::limit_runtime::__private::ScopeConfig::handler(
                                        ::core::concat!(::core::module_path!(), "::health"),
                                        "client_ip",
                                    ),
                                )
                                .declared(&__RATE_LIMIT_health[0])
                        },
                        ::limit_runtime::__private::DefaultKey,
                        {
                            static __LIMITS: ::limit_runtime::__private::LiteralLimits = ::limit_runtime::__private::LiteralLimits::new(
                                [(10u64, 60000u64)],
                                "\"health\";q=10;w=60",
                                &["\"health\";r="],
                            );
                            &__LIMITS
                        },
                        1u64,
                    )
                }
            }
            fn health(
                __limited: ::limit_runtime::__private::Limited<__rate_limit_health, ()>,
            ) -> impl ::core::future::Future<Output = ::limit_runtime::__private::Response> {
                async fn health() {}
                let (__admission, ()) = __limited.split();
                ::limit_runtime::__private::respond(__admission, health())
            }
        "##]],
    );
}

#[test]
fn a_key_function_state_and_a_body() {
    check(
        &quote!("10/second; 100/minute", key = api_key),
        &quote! {
            /// Predicts.
            #[must_use]
            pub(crate) async fn predict(State(db): State<Db>, Json(mut input): Json<In>) -> Result<Json<Out>, Error> {
                input.run(db).await
            }
        },
        &expect![[r##"
            #[allow(non_upper_case_globals)]
            static __RATE_LIMIT_predict: [::limit_runtime::__private::RuleDeclaration; 1usize] = [
                ::limit_runtime::__private::RuleDeclaration::new(
                        "predict",
                        "api_key",
                        ::core::concat!(::core::module_path!(), "::predict"),
                        (::core::file!(), ::core::line!(), ::core::column!()),
                        "10 per second; 100 per minute",
                        ::limit_runtime::__private::KnownBudget::new(
                            ::limit_runtime::__private::KnownScope::Fixed(
                                ::limit_runtime::__private::Scope::handler(
                                    ::core::concat!(::core::module_path!(), "::predict"),
                                    "api_key",
                                ),
                            ),
                            ::limit_runtime::__private::Strategy::MovingWindow,
                            ::limit_runtime::__private::KnownLimits::Expr(|| ::limit_runtime::__private::constant_limits(
                                &::limit_runtime::__private::limits!("10 per second; 100 per minute"),
                            )),
                            ::limit_runtime::__private::KnownKey::Attribute(|__parts| ::limit_runtime::__private::built_in_key(
                                __parts,
                                &(),
                                "",
                            )),
                        ),
                    )
                    .key("api_key"),
            ];
            ::limit_runtime::__private::submit! {
                ::limit_runtime::__private::HandlerDeclaration(& __RATE_LIMIT_predict)
            }
            #[doc(hidden)]
            pub(crate) struct __rate_limit_predict;
            impl<__S> ::limit_runtime::__private::Policy<__S> for __rate_limit_predict
            where
                __S: ::core::marker::Send + ::core::marker::Sync,
                State<Db>: ::limit_runtime::__private::FromRequestParts<__S>,
            {
                fn rules() -> impl ::limit_runtime::__private::Rules<__S> {
                    ::limit_runtime::__private::rule(
                        const {
                            &::limit_runtime::__private::PolicyConfig::new(
                                    "predict",
                                    ::limit_runtime::__private::ScopeConfig::handler(
                                        ::core::concat!(::core::module_path!(), "::predict"),
                                        "api_key",
                                    ),
                                )
                                .declared(&__RATE_LIMIT_predict[0])
                                .key_label("api_key")
                        },
                        {
                            let __it = api_key;
                            ::limit_runtime::__private::key::<__S, _, _>(__it)
                        },
                        {
                            static __LIMITS: ::limit_runtime::__private::LiteralLimits = ::limit_runtime::__private::LiteralLimits::new(
                                [(10u64, 1000u64), (100u64, 60000u64)],
                                "\"predict-1s\";q=10;w=1, \"predict-60s\";q=100;w=60",
                                &["\"predict-1s\";r=", "\"predict-60s\";r="],
                            );
                            &__LIMITS
                        },
                        1u64,
                    )
                }
            }
            /// Predicts.
            pub(crate) fn predict(
                __limited: ::limit_runtime::__private::Limited<
                    __rate_limit_predict,
                    (State<Db>, Json<In>),
                >,
            ) -> impl ::core::future::Future<Output = ::limit_runtime::__private::Response> {
                async fn predict(
                    State(db): State<Db>,
                    Json(mut input): Json<In>,
                ) -> Result<Json<Out>, Error> {
                    input.run(db).await
                }
                let (__admission, (__a0, __a1)) = __limited.split();
                ::limit_runtime::__private::respond(__admission, predict(__a0, __a1))
            }
        "##]],
    );
}

#[test]
fn a_cost_over_the_arguments_and_a_direct_function() {
    check(
        &quote!("1_000/hour", cost = inputs.len(), direct = predict_now),
        &quote! {
            async fn predict(headers: HeaderMap, Json(Batch { mut inputs, model }): Json<Batch>) -> String {
                inputs.sort();
                predict(headers, Json(Batch { inputs, model })).await
            }
        },
        &expect![[r##"
            #[allow(non_upper_case_globals)]
            static __RATE_LIMIT_predict: [::limit_runtime::__private::RuleDeclaration; 1usize] = [
                ::limit_runtime::__private::RuleDeclaration::new(
                        "predict",
                        "client_ip",
                        ::core::concat!(::core::module_path!(), "::predict"),
                        (::core::file!(), ::core::line!(), ::core::column!()),
                        "1000 per hour",
                        ::limit_runtime::__private::KnownBudget::new(
                            ::limit_runtime::__private::KnownScope::Fixed(
                                ::limit_runtime::__private::Scope::handler(
                                    ::core::concat!(::core::module_path!(), "::predict"),
                                    "client_ip",
                                ),
                            ),
                            ::limit_runtime::__private::Strategy::MovingWindow,
                            ::limit_runtime::__private::KnownLimits::Expr(|| ::limit_runtime::__private::constant_limits(
                                &::limit_runtime::__private::limits!("1000 per hour"),
                            )),
                            ::limit_runtime::__private::KnownKey::Default,
                        ),
                    )
                    .cost("inputs.len()"),
            ];
            ::limit_runtime::__private::submit! {
                ::limit_runtime::__private::HandlerDeclaration(& __RATE_LIMIT_predict)
            }
            #[doc(hidden)]
            struct __rate_limit_predict;
            impl<
                __S,
            > ::limit_runtime::__private::PolicyOverAllArguments<__S, (HeaderMap, Json<Batch>)>
            for __rate_limit_predict
            where
                __S: ::core::marker::Send + ::core::marker::Sync,
            {
                fn rules() -> impl ::limit_runtime::__private::ArgumentRules<
                    __S,
                    (HeaderMap, Json<Batch>),
                > {
                    ::limit_runtime::__private::with_cost(
                        ::limit_runtime::__private::rule(
                            const {
                                &::limit_runtime::__private::PolicyConfig::new(
                                        "predict",
                                        ::limit_runtime::__private::ScopeConfig::handler(
                                            ::core::concat!(::core::module_path!(), "::predict"),
                                            "client_ip",
                                        ),
                                    )
                                    .declared(&__RATE_LIMIT_predict[0])
                            },
                            ::limit_runtime::__private::DefaultKey,
                            {
                                static __LIMITS: ::limit_runtime::__private::LiteralLimits = ::limit_runtime::__private::LiteralLimits::new(
                                    [(1000u64, 3600000u64)],
                                    "\"predict\";q=1000;w=3600",
                                    &["\"predict\";r="],
                                );
                                &__LIMITS
                            },
                            1u64,
                        ),
                        ::limit_runtime::__private::cost_over::<
                            (HeaderMap, Json<Batch>),
                            _,
                        >(|__arguments| {
                            #[allow(unused_variables, clippy::unneeded_wildcard_pattern)]
                            let (_, Json(Batch { inputs, model: _ })) = __arguments;
                            ::limit_runtime::__private::cost_value(inputs.len())
                        }),
                    )
                }
            }
            async fn predict_now(
                headers: HeaderMap,
                Json(Batch { mut inputs, model }): Json<Batch>,
            ) -> String {
                #[allow(unused_imports)]
                use predict_now as predict;
                let _ = &inputs;
                {
                    inputs.sort();
                    predict(headers, Json(Batch { inputs, model })).await
                }
            }
            fn predict(
                __limited: ::limit_runtime::__private::Limited<
                    __rate_limit_predict,
                    (HeaderMap, Json<Batch>),
                >,
            ) -> impl ::core::future::Future<Output = ::limit_runtime::__private::Response> {
                let (__admission, (__a0, __a1)) = __limited.split();
                ::limit_runtime::__private::respond(__admission, predict_now(__a0, __a1))
            }
        "##]],
    );
}

#[test]
fn rules_over_the_first_arguments() {
    check(
        &quote!(user.limits(), key = (client_ip, user.id), scope = &model),
        &quote! {
            #[rate_limit("10/minute", key = by_db)]
            async fn chat(user: User, Path(&mut ref model): Path<&'static mut str>, State(db): State<Db>, Json(request): Json<In>) {}
        },
        &expect![[r##"
            #[allow(non_upper_case_globals)]
            static __RATE_LIMIT_chat: [::limit_runtime::__private::RuleDeclaration; 2usize] = [
                ::limit_runtime::__private::RuleDeclaration::new(
                        "chat",
                        "(client_ip,user.id)",
                        ::core::concat!(::core::module_path!(), "::chat"),
                        (::core::file!(), ::core::line!(), ::core::column!()),
                        "user.limits()",
                        ::limit_runtime::__private::KnownBudget::new(
                            ::limit_runtime::__private::KnownScope::Function {
                                scope: ::limit_runtime::__private::Scope::handler(
                                    ::core::concat!(::core::module_path!(), "::chat"),
                                    "(client_ip,user.id)",
                                ),
                                is_route: || false,
                            },
                            ::limit_runtime::__private::Strategy::MovingWindow,
                            ::limit_runtime::__private::KnownLimits::Unknown,
                            ::limit_runtime::__private::KnownKey::Attribute(|__parts| ::core::result::Result::Ok(
                                ::limit_runtime::__private::IntoKey::into_key((
                                    ::limit_runtime::__private::built_in_key(
                                        __parts,
                                        &client_ip,
                                        "",
                                    )?,
                                    ::limit_runtime::__private::built_in_key(__parts, &(), "")?,
                                )),
                            )),
                        ),
                    )
                    .key("(client_ip, user.id)")
                    .scope("&model"),
                ::limit_runtime::__private::RuleDeclaration::new(
                        "chat-2",
                        "by_db",
                        ::core::concat!(::core::module_path!(), "::chat"),
                        (::core::file!(), ::core::line!(), ::core::column!()),
                        "10 per minute",
                        ::limit_runtime::__private::KnownBudget::new(
                            ::limit_runtime::__private::KnownScope::Fixed(
                                ::limit_runtime::__private::Scope::handler(
                                    ::core::concat!(::core::module_path!(), "::chat"),
                                    "by_db",
                                ),
                            ),
                            ::limit_runtime::__private::Strategy::MovingWindow,
                            ::limit_runtime::__private::KnownLimits::Expr(|| ::limit_runtime::__private::constant_limits(
                                &::limit_runtime::__private::limits!("10 per minute"),
                            )),
                            ::limit_runtime::__private::KnownKey::Attribute(|__parts| ::limit_runtime::__private::built_in_key(
                                __parts,
                                &(),
                                "",
                            )),
                        ),
                    )
                    .key("by_db"),
            ];
            ::limit_runtime::__private::submit! {
                ::limit_runtime::__private::HandlerDeclaration(& __RATE_LIMIT_chat)
            }
            #[doc(hidden)]
            struct __rate_limit_chat;
            impl<
                __S,
            > ::limit_runtime::__private::PolicyOverFirstArguments<
                __S,
                (User, Path<&'static mut str>),
                (State<Db>, Json<In>),
                (User, Path<&'static mut str>, State<Db>, Json<In>),
            > for __rate_limit_chat
            where
                __S: ::core::marker::Send + ::core::marker::Sync,
                User: ::limit_runtime::__private::FromRequestParts<__S>,
                Path<&'static mut str>: ::limit_runtime::__private::FromRequestParts<__S>,
                State<Db>: ::limit_runtime::__private::FromRequestParts<__S>,
            {
                fn rules() -> impl ::limit_runtime::__private::ArgumentRules<
                    __S,
                    (User, Path<&'static mut str>),
                > {
                    (
                        ::limit_runtime::__private::argument_rule::<
                            __S,
                            (User, Path<&'static mut str>),
                            _,
                            _,
                            _,
                        >(
                            const {
                                &::limit_runtime::__private::PolicyConfig::new(
                                        "chat",
                                        ::limit_runtime::__private::ScopeConfig::computed(
                                            ::core::concat!(::core::module_path!(), "::chat"),
                                            "(client_ip,user.id)",
                                        ),
                                    )
                                    .declared(&__RATE_LIMIT_chat[0])
                                    .key_label("(client_ip, user.id)")
                            },
                            ::limit_runtime::__private::scoped(
                                ::limit_runtime::__private::key_over::<
                                    (User, Path<&'static mut str>),
                                    _,
                                >(|__arguments| {
                                    #[allow(unused_variables, clippy::unneeded_wildcard_pattern)]
                                    let (_, _) = __arguments;
                                    #[allow(
                                        unused_variables,
                                        clippy::needless_borrowed_reference,
                                        clippy::unneeded_wildcard_pattern
                                    )]
                                    let (_, Path(&mut ref model)) = *__arguments;
                                    ::limit_runtime::__private::key_value(&model)
                                }),
                                ::limit_runtime::__private::KeyTuple((
                                    ::limit_runtime::__private::known({
                                        let __it = client_ip;
                                        ::limit_runtime::__private::key::<__S, _, _>(__it)
                                    }),
                                    ::limit_runtime::__private::key_over::<
                                        (User, Path<&'static mut str>),
                                        _,
                                    >(|__arguments| {
                                        #[allow(unused_variables, clippy::unneeded_wildcard_pattern)]
                                        let (user, _) = __arguments;
                                        {
                                            #[allow(unused_imports)]
                                            use ::limit_runtime::__private::{
                                                KeyByClone as _, KeyByReference as _, NotAKey as _,
                                            };
                                            (&&::limit_runtime::__private::KeyPlace(&user.id)).value()
                                        }
                                    }),
                                )),
                            ),
                            ::limit_runtime::__private::limits_over::<
                                (User, Path<&'static mut str>),
                                _,
                            >(|__arguments| {
                                #[allow(unused_variables, clippy::unneeded_wildcard_pattern)]
                                let (user, _) = __arguments;
                                ::limit_runtime::__private::limits_value(user.limits())
                            }),
                            ::limit_runtime::__private::known(1u64),
                        ),
                        ::limit_runtime::__private::rule(
                            const {
                                &::limit_runtime::__private::PolicyConfig::new(
                                        "chat-2",
                                        ::limit_runtime::__private::ScopeConfig::handler(
                                            ::core::concat!(::core::module_path!(), "::chat"),
                                            "by_db",
                                        ),
                                    )
                                    .declared(&__RATE_LIMIT_chat[1])
                                    .key_label("by_db")
                            },
                            {
                                let __it = by_db;
                                ::limit_runtime::__private::key::<__S, _, _>(__it)
                            },
                            {
                                static __LIMITS: ::limit_runtime::__private::LiteralLimits = ::limit_runtime::__private::LiteralLimits::new(
                                    [(10u64, 60000u64)],
                                    "\"chat-2\";q=10;w=60",
                                    &["\"chat-2\";r="],
                                );
                                &__LIMITS
                            },
                            1u64,
                        ),
                    )
                }
                fn join(
                    (__a0, __a1): (User, Path<&'static mut str>),
                    (__a2, __a3): (State<Db>, Json<In>),
                ) -> (User, Path<&'static mut str>, State<Db>, Json<In>) {
                    (__a0, __a1, __a2, __a3)
                }
            }
            fn chat(
                __limited: ::limit_runtime::__private::Limited<
                    __rate_limit_chat,
                    (User, Path<&'static mut str>, State<Db>, Json<In>),
                >,
            ) -> impl ::core::future::Future<Output = ::limit_runtime::__private::Response> {
                async fn chat(
                    user: User,
                    Path(&mut ref model): Path<&'static mut str>,
                    State(db): State<Db>,
                    Json(request): Json<In>,
                ) {
                    let _ = &model;
                    let _ = &user;
                    let _ = &user;
                }
                let (__admission, (__a0, __a1, __a2, __a3)) = __limited.split();
                ::limit_runtime::__private::respond(__admission, chat(__a0, __a1, __a2, __a3))
            }
        "##]],
    );
}

#[test]
fn several_attributes_with_many_options() {
    check(
        &quote!(
            tier,
            key = (client_ip, |State(t): State<Tenant>| t),
            strategy = gcra(burst = 5),
            name = "tier"
        ),
        &quote! {
            #[rate_limit("100/minute", key = everyone, scope = "all", cost = weight)]
            #[debug_handler]
            async fn models(request: Request) -> impl IntoResponse {
                request
            }
        },
        &expect![[r##"
            #[allow(non_upper_case_globals)]
            static __RATE_LIMIT_models: [::limit_runtime::__private::RuleDeclaration; 2usize] = [
                ::limit_runtime::__private::RuleDeclaration::new(
                        "tier",
                        "tier",
                        ::core::concat!(::core::module_path!(), "::models"),
                        (::core::file!(), ::core::line!(), ::core::column!()),
                        "tier",
                        ::limit_runtime::__private::KnownBudget::new(
                            ::limit_runtime::__private::KnownScope::Fixed(
                                ::limit_runtime::__private::Scope::handler(
                                    ::core::concat!(::core::module_path!(), "::models"),
                                    "tier",
                                ),
                            ),
                            ::limit_runtime::__private::gcra(5u64),
                            ::limit_runtime::__private::KnownLimits::Unknown,
                            ::limit_runtime::__private::KnownKey::Attribute(|__parts| ::core::result::Result::Ok(
                                ::limit_runtime::__private::IntoKey::into_key((
                                    ::limit_runtime::__private::built_in_key(
                                        __parts,
                                        &client_ip,
                                        "",
                                    )?,
                                    ::limit_runtime::__private::built_in_key(__parts, &(), "")?,
                                )),
                            )),
                        ),
                    )
                    .key("(client_ip, a closure)"),
                ::limit_runtime::__private::RuleDeclaration::new(
                        "all",
                        "everyone",
                        ::core::concat!(::core::module_path!(), "::models"),
                        (::core::file!(), ::core::line!(), ::core::column!()),
                        "100 per minute",
                        ::limit_runtime::__private::KnownBudget::new(
                            ::limit_runtime::__private::KnownScope::Fixed(
                                ::limit_runtime::__private::Scope::shared("all"),
                            ),
                            ::limit_runtime::__private::Strategy::MovingWindow,
                            ::limit_runtime::__private::KnownLimits::Expr(|| ::limit_runtime::__private::constant_limits(
                                &::limit_runtime::__private::limits!("100 per minute"),
                            )),
                            ::limit_runtime::__private::KnownKey::Attribute(|__parts| ::limit_runtime::__private::built_in_key(
                                __parts,
                                &everyone,
                                "",
                            )),
                        ),
                    )
                    .key("everyone")
                    .cost("weight")
                    .scope("\"all\""),
            ];
            ::limit_runtime::__private::submit! {
                ::limit_runtime::__private::HandlerDeclaration(& __RATE_LIMIT_models)
            }
            #[doc(hidden)]
            struct __rate_limit_models;
            impl<__S> ::limit_runtime::__private::Policy<__S> for __rate_limit_models
            where
                __S: ::core::marker::Send + ::core::marker::Sync,
                State<Tenant>: ::limit_runtime::__private::FromRequestParts<__S>,
            {
                fn rules() -> impl ::limit_runtime::__private::Rules<__S> {
                    (
                        ::limit_runtime::__private::rule(
                            const {
                                &::limit_runtime::__private::PolicyConfig::new(
                                        "tier",
                                        ::limit_runtime::__private::ScopeConfig::handler(
                                            ::core::concat!(::core::module_path!(), "::models"),
                                            "tier",
                                        ),
                                    )
                                    .declared(&__RATE_LIMIT_models[0])
                                    .strategy(::limit_runtime::__private::gcra(5u64))
                                    .key_label("(client_ip, a closure)")
                            },
                            ::limit_runtime::__private::KeyTuple((
                                {
                                    let __it = client_ip;
                                    ::limit_runtime::__private::key::<__S, _, _>(__it)
                                },
                                {
                                    let __it = |State(t): State<Tenant>| t;
                                    ::limit_runtime::__private::key::<__S, _, _>(__it)
                                },
                            )),
                            {
                                let __it = tier;
                                ::limit_runtime::__private::limits::<__S, _, _>(__it)
                            },
                            1u64,
                        ),
                        ::limit_runtime::__private::rule(
                            const {
                                &::limit_runtime::__private::PolicyConfig::new(
                                        "all",
                                        ::limit_runtime::__private::ScopeConfig::shared("all"),
                                    )
                                    .declared(&__RATE_LIMIT_models[1])
                                    .key_label("everyone")
                            },
                            {
                                let __it = everyone;
                                ::limit_runtime::__private::key::<__S, _, _>(__it)
                            },
                            {
                                static __LIMITS: ::limit_runtime::__private::LiteralLimits = ::limit_runtime::__private::LiteralLimits::new(
                                    [(100u64, 60000u64)],
                                    "\"all\";q=100;w=60",
                                    &["\"all\";r="],
                                );
                                &__LIMITS
                            },
                            {
                                let __it = weight;
                                ::limit_runtime::__private::cost::<__S, _, _>(__it)
                            },
                        ),
                    )
                }
            }
            fn models(
                __limited: ::limit_runtime::__private::Limited<__rate_limit_models, (Request,)>,
            ) -> impl ::core::future::Future<Output = ::limit_runtime::__private::Response> {
                #[debug_handler]
                async fn models(request: Request) -> impl IntoResponse {
                    request
                }
                let (__admission, (__a0,)) = __limited.split();
                ::limit_runtime::__private::respond(__admission, models(__a0))
            }
        "##]],
    );
}

#[test]
fn a_generic_handler_that_returns_a_future() {
    check(
        &quote!(
            "10/minute",
            key = key::<T>,
            state = AppState,
            crate = ::facade::limiting
        ),
        &quote! {
            fn generic<'a, T: Model + 'a, const N: usize>(_: State<T>) -> impl Future<Output = [u8; N]> + Send
            where
                T: Default,
            {
                async { [0; N] }
            }
        },
        &expect![[r##"
            #[allow(non_upper_case_globals)]
            static __RATE_LIMIT_generic: [::facade::limiting::__private::RuleDeclaration; 1usize] = [
                ::facade::limiting::__private::RuleDeclaration::new(
                        "generic",
                        "key::<T>",
                        ::core::concat!(::core::module_path!(), "::generic"),
                        (::core::file!(), ::core::line!(), ::core::column!()),
                        "10 per minute",
                        ::facade::limiting::__private::KnownBudget::new(
                            ::facade::limiting::__private::KnownScope::Fixed(
                                ::facade::limiting::__private::Scope::handler(
                                    ::core::concat!(::core::module_path!(), "::generic"),
                                    "key::<T>",
                                ),
                            ),
                            ::facade::limiting::__private::Strategy::MovingWindow,
                            ::facade::limiting::__private::KnownLimits::Expr(|| ::facade::limiting::__private::constant_limits(
                                &::facade::limiting::__private::limits!("10 per minute"),
                            )),
                            ::facade::limiting::__private::KnownKey::Attribute(|__parts| ::facade::limiting::__private::built_in_key(
                                __parts,
                                &(),
                                "",
                            )),
                        ),
                    )
                    .key("key::<T>"),
            ];
            ::facade::limiting::__private::submit! {
                ::facade::limiting::__private::HandlerDeclaration(& __RATE_LIMIT_generic)
            }
            #[doc(hidden)]
            struct __rate_limit_generic<'a, T: Model + 'a, const N: usize>(
                ::core::marker::PhantomData<&'a ()>,
                ::core::marker::PhantomData<T>,
            )
            where
                T: Default;
            impl<'a, T: Model + 'a, const N: usize> ::facade::limiting::__private::Policy<AppState>
            for __rate_limit_generic<'a, T, N>
            where
                T: Default,
            {
                fn rules() -> impl ::facade::limiting::__private::Rules<AppState> {
                    ::facade::limiting::__private::rule(
                        const {
                            &::facade::limiting::__private::PolicyConfig::new(
                                    "generic",
                                    ::facade::limiting::__private::ScopeConfig::handler(
                                        ::core::concat!(::core::module_path!(), "::generic"),
                                        "key::<T>",
                                    ),
                                )
                                .declared(&__RATE_LIMIT_generic[0])
                                .key_label("key::<T>")
                        },
                        {
                            let __it = key::<T>;
                            ::facade::limiting::__private::key::<AppState, _, _>(__it)
                        },
                        {
                            static __LIMITS: ::facade::limiting::__private::LiteralLimits = ::facade::limiting::__private::LiteralLimits::new(
                                [(10u64, 60000u64)],
                                "\"generic\";q=10;w=60",
                                &["\"generic\";r="],
                            );
                            &__LIMITS
                        },
                        1u64,
                    )
                }
            }
            fn generic<'a, T: Model + 'a, const N: usize>(
                __limited: ::facade::limiting::__private::Limited<
                    __rate_limit_generic<'a, T, N>,
                    (State<T>,),
                >,
            ) -> impl ::core::future::Future<Output = ::facade::limiting::__private::Response>
            where
                T: Default,
            {
                fn generic<'a, T: Model + 'a, const N: usize>(
                    _: State<T>,
                ) -> impl Future<Output = [u8; N]> + Send
                where
                    T: Default,
                {
                    async { [0; N] }
                }
                let (__admission, (__a0,)) = __limited.split();
                ::facade::limiting::__private::respond(__admission, generic::<T, N>(__a0))
            }
        "##]],
    );
}

#[test]
fn a_function_that_may_take_the_last_argument() {
    check(
        &quote!("10/minute", key = by_claims),
        &quote! {
            async fn me(claims: Claims) -> String {
                claims.name
            }
        },
        &expect![[r##"
            #[allow(non_upper_case_globals)]
            static __RATE_LIMIT_me: [::limit_runtime::__private::RuleDeclaration; 1usize] = [
                ::limit_runtime::__private::RuleDeclaration::new(
                        "me",
                        "by_claims",
                        ::core::concat!(::core::module_path!(), "::me"),
                        (::core::file!(), ::core::line!(), ::core::column!()),
                        "10 per minute",
                        ::limit_runtime::__private::KnownBudget::new(
                            ::limit_runtime::__private::KnownScope::Fixed(
                                ::limit_runtime::__private::Scope::handler(
                                    ::core::concat!(::core::module_path!(), "::me"),
                                    "by_claims",
                                ),
                            ),
                            ::limit_runtime::__private::Strategy::MovingWindow,
                            ::limit_runtime::__private::KnownLimits::Expr(|| ::limit_runtime::__private::constant_limits(
                                &::limit_runtime::__private::limits!("10 per minute"),
                            )),
                            ::limit_runtime::__private::KnownKey::Attribute(|__parts| ::limit_runtime::__private::built_in_key(
                                __parts,
                                &(),
                                "",
                            )),
                        ),
                    )
                    .key("by_claims"),
            ];
            ::limit_runtime::__private::submit! {
                ::limit_runtime::__private::HandlerDeclaration(& __RATE_LIMIT_me)
            }
            #[doc(hidden)]
            struct __rate_limit_me;
            impl<__S> ::limit_runtime::__private::Policy<__S, ::limit_runtime::__private::LastInHead>
            for __rate_limit_me
            where
                __S: ::core::marker::Send + ::core::marker::Sync,
                Claims: ::limit_runtime::__private::FromRequestParts<__S>,
            {
                fn rules() -> impl ::limit_runtime::__private::Rules<__S> {
                    ::limit_runtime::__private::rule(
                        const {
                            &::limit_runtime::__private::PolicyConfig::new(
                                    "me",
                                    ::limit_runtime::__private::ScopeConfig::handler(
                                        ::core::concat!(::core::module_path!(), "::me"),
                                        "by_claims",
                                    ),
                                )
                                .declared(&__RATE_LIMIT_me[0])
                                .key_label("by_claims")
                        },
                        {
                            let __it = by_claims;
                            ::limit_runtime::__private::key::<__S, _, _>(__it)
                        },
                        {
                            static __LIMITS: ::limit_runtime::__private::LiteralLimits = ::limit_runtime::__private::LiteralLimits::new(
                                [(10u64, 60000u64)],
                                "\"me\";q=10;w=60",
                                &["\"me\";r="],
                            );
                            &__LIMITS
                        },
                        1u64,
                    )
                }
            }
            impl<__S> ::limit_runtime::__private::Policy<__S, ::limit_runtime::__private::LastInBody>
            for __rate_limit_me
            where
                __S: ::core::marker::Send + ::core::marker::Sync,
                Claims: ::limit_runtime::__private::FromRequest<__S>,
            {
                fn rules() -> impl ::limit_runtime::__private::Rules<__S> {
                    ::limit_runtime::__private::rule(
                        const {
                            &::limit_runtime::__private::PolicyConfig::new(
                                    "me",
                                    ::limit_runtime::__private::ScopeConfig::handler(
                                        ::core::concat!(::core::module_path!(), "::me"),
                                        "by_claims",
                                    ),
                                )
                                .declared(&__RATE_LIMIT_me[0])
                                .key_label("by_claims")
                        },
                        {
                            let __it = by_claims;
                            {
                                #[allow(unused_imports)]
                                use ::limit_runtime::__private::{Callable as _, NotCallable as _};
                                ::limit_runtime::__private::try_key::<__S, _>(__it).source()
                            }
                        },
                        {
                            static __LIMITS: ::limit_runtime::__private::LiteralLimits = ::limit_runtime::__private::LiteralLimits::new(
                                [(10u64, 60000u64)],
                                "\"me\";q=10;w=60",
                                &["\"me\";r="],
                            );
                            &__LIMITS
                        },
                        1u64,
                    )
                }
            }
            fn me(
                __limited: ::limit_runtime::__private::Limited<__rate_limit_me, (Claims,)>,
            ) -> impl ::core::future::Future<Output = ::limit_runtime::__private::Response> {
                async fn me(claims: Claims) -> String {
                    claims.name
                }
                let (__admission, (__a0,)) = __limited.split();
                ::limit_runtime::__private::respond(__admission, me(__a0))
            }
        "##]],
    );
}

#[test]
fn stacked_attributes_keep_their_order_around_other_macros() {
    check(
        &quote!("1/minute"),
        &quote! {
            #[rate_limit("2/minute", name = "second")]
            #[instrument(skip_all)]
            #[other::rate_limit(5)]
            #[limit_runtime::rate_limit("3/minute", name = "third")]
            #[inline]
            async fn handler() {}
        },
        &expect![[r##"
            #[instrument(skip_all)]
            #[other::rate_limit(5)]
            #[::limit_runtime::__private::rate_limit(__last, "1/minute")]
            #[rate_limit(__last, "2/minute", name = "second")]
            #[limit_runtime::rate_limit("3/minute", name = "third")]
            #[inline]
            async fn handler() {}
        "##]],
    );
}

#[test]
fn other_macros_expand_first() {
    check(
        &quote!("10/minute", key = client_ip),
        &quote! {
            #[instrument(skip_all)]
            #[cfg(feature = "models")]
            #[debug_handler]
            async fn handler() {}
        },
        &expect![[r##"
            #[instrument(skip_all)]
            #[cfg(feature = "models")]
            #[::limit_runtime::__private::rate_limit(__last, "10/minute", key = client_ip)]
            #[debug_handler]
            async fn handler() {}
        "##]],
    );
}

#[test]
fn units_in_the_limits_and_beside_them() {
    check(
        &quote!("100_000 tokens/minute", unit = "token", key = bearer),
        &quote!(
            #[rate_limit("3_000/minute; 90_000/hour", unit = "frames", key = bearer, name = "frames")]
            async fn render() {}
        ),
        &expect![[r##"
            #[allow(non_upper_case_globals)]
            static __RATE_LIMIT_render: [::limit_runtime::__private::RuleDeclaration; 2usize] = [
                ::limit_runtime::__private::RuleDeclaration::new(
                        "render",
                        "bearer",
                        ::core::concat!(::core::module_path!(), "::render"),
                        (::core::file!(), ::core::line!(), ::core::column!()),
                        "100000 tokens per minute",
                        ::limit_runtime::__private::KnownBudget::new(
                            ::limit_runtime::__private::KnownScope::Fixed(
                                ::limit_runtime::__private::Scope::handler(
                                    ::core::concat!(::core::module_path!(), "::render"),
                                    "bearer",
                                ),
                            ),
                            ::limit_runtime::__private::Strategy::MovingWindow,
                            ::limit_runtime::__private::KnownLimits::Expr(|| ::limit_runtime::__private::constant_limits(
                                &::limit_runtime::__private::limits!("100000 tokens per minute"),
                            )),
                            ::limit_runtime::__private::KnownKey::Attribute(|__parts| ::limit_runtime::__private::built_in_key(
                                __parts,
                                &bearer,
                                "",
                            )),
                        ),
                    )
                    .key("bearer"),
                ::limit_runtime::__private::RuleDeclaration::new(
                        "frames",
                        "frames",
                        ::core::concat!(::core::module_path!(), "::render"),
                        (::core::file!(), ::core::line!(), ::core::column!()),
                        "3000 frames per minute; 90000 frames per hour",
                        ::limit_runtime::__private::KnownBudget::new(
                            ::limit_runtime::__private::KnownScope::Fixed(
                                ::limit_runtime::__private::Scope::handler(
                                    ::core::concat!(::core::module_path!(), "::render"),
                                    "frames",
                                ),
                            ),
                            ::limit_runtime::__private::Strategy::MovingWindow,
                            ::limit_runtime::__private::KnownLimits::Expr(|| ::limit_runtime::__private::constant_limits(
                                &::limit_runtime::__private::limits!(
                                    "3000 frames per minute; 90000 frames per hour", unit = "frames"
                                ),
                            )),
                            ::limit_runtime::__private::KnownKey::Attribute(|__parts| ::limit_runtime::__private::built_in_key(
                                __parts,
                                &bearer,
                                "",
                            )),
                        ),
                    )
                    .key("bearer"),
            ];
            ::limit_runtime::__private::submit! {
                ::limit_runtime::__private::HandlerDeclaration(& __RATE_LIMIT_render)
            }
            #[doc(hidden)]
            struct __rate_limit_render;
            impl<__S> ::limit_runtime::__private::Policy<__S> for __rate_limit_render
            where
                __S: ::core::marker::Send + ::core::marker::Sync,
            {
                fn rules() -> impl ::limit_runtime::__private::Rules<__S> {
                    (
                        ::limit_runtime::__private::rule(
                            const {
                                &::limit_runtime::__private::PolicyConfig::new(
                                        "render",
                                        ::limit_runtime::__private::ScopeConfig::handler(
                                            ::core::concat!(::core::module_path!(), "::render"),
                                            "bearer",
                                        ),
                                    )
                                    .declared(&__RATE_LIMIT_render[0])
                                    .key_label("bearer")
                            },
                            {
                                let __it = bearer;
                                ::limit_runtime::__private::key::<__S, _, _>(__it)
                            },
                            {
                                static __LIMITS: ::limit_runtime::__private::LiteralLimits = ::limit_runtime::__private::LiteralLimits::new(
                                        [(100000u64, 60000u64)],
                                        "\"render\";q=100000;qu=\"tokens\";w=60",
                                        &["\"render\";r="],
                                    )
                                    .unit("tokens");
                                &__LIMITS
                            },
                            1u64,
                        ),
                        ::limit_runtime::__private::rule(
                            const {
                                &::limit_runtime::__private::PolicyConfig::new(
                                        "frames",
                                        ::limit_runtime::__private::ScopeConfig::handler(
                                            ::core::concat!(::core::module_path!(), "::render"),
                                            "frames",
                                        ),
                                    )
                                    .declared(&__RATE_LIMIT_render[1])
                                    .key_label("bearer")
                            },
                            {
                                let __it = bearer;
                                ::limit_runtime::__private::key::<__S, _, _>(__it)
                            },
                            {
                                static __LIMITS: ::limit_runtime::__private::LiteralLimits = ::limit_runtime::__private::LiteralLimits::new(
                                        [(3000u64, 60000u64), (90000u64, 3600000u64)],
                                        "\"frames-60s\";q=3000;qu=\"frames\";w=60, \"frames-3600s\";q=90000;qu=\"frames\";w=3600",
                                        &["\"frames-60s\";r=", "\"frames-3600s\";r="],
                                    )
                                    .unit("frames");
                                &__LIMITS
                            },
                            1u64,
                        ),
                    )
                }
            }
            fn render(
                __limited: ::limit_runtime::__private::Limited<__rate_limit_render, ()>,
            ) -> impl ::core::future::Future<Output = ::limit_runtime::__private::Response> {
                async fn render() {}
                let (__admission, ()) = __limited.split();
                ::limit_runtime::__private::respond(__admission, render())
            }
        "##]],
    );
}

#[test]
fn a_reservation_and_permits() {
    check(
        &quote!(
            "100_000 tokens/minute",
            key = bearer,
            cost = 2_000,
            cap_cost = "50%",
            on_unknown = release,
            concurrency = 4,
            hold_at_most = "10m"
        ),
        &quote!(
            #[rate_limit(concurrency = ALL, key = everyone, name = "all")]
            async fn chat(reservation: Reservation) {}
        ),
        &expect![[r##"
            #[allow(non_upper_case_globals)]
            static __RATE_LIMIT_chat: [::limit_runtime::__private::RuleDeclaration; 2usize] = [
                ::limit_runtime::__private::RuleDeclaration::new(
                        "chat",
                        "bearer",
                        ::core::concat!(::core::module_path!(), "::chat"),
                        (::core::file!(), ::core::line!(), ::core::column!()),
                        "100000 tokens per minute",
                        ::limit_runtime::__private::KnownBudget::new(
                            ::limit_runtime::__private::KnownScope::Fixed(
                                ::limit_runtime::__private::Scope::handler(
                                    ::core::concat!(::core::module_path!(), "::chat"),
                                    "bearer",
                                ),
                            ),
                            ::limit_runtime::__private::Strategy::MovingWindow,
                            ::limit_runtime::__private::KnownLimits::Expr(|| ::limit_runtime::__private::constant_limits(
                                &::limit_runtime::__private::limits!("100000 tokens per minute"),
                            )),
                            ::limit_runtime::__private::KnownKey::Attribute(|__parts| ::limit_runtime::__private::built_in_key(
                                __parts,
                                &bearer,
                                "",
                            )),
                        ),
                    )
                    .key("bearer")
                    .cost("2000")
                    .concurrency("4", 4)
                    .hold_at_most(::core::time::Duration::from_millis(600000u64)),
                ::limit_runtime::__private::RuleDeclaration::new(
                        "all",
                        "all",
                        ::core::concat!(::core::module_path!(), "::chat"),
                        (::core::file!(), ::core::line!(), ::core::column!()),
                        "",
                        ::limit_runtime::__private::KnownBudget::new(
                            ::limit_runtime::__private::KnownScope::Fixed(
                                ::limit_runtime::__private::Scope::handler(
                                    ::core::concat!(::core::module_path!(), "::chat"),
                                    "all",
                                ),
                            ),
                            ::limit_runtime::__private::Strategy::MovingWindow,
                            ::limit_runtime::__private::KnownLimits::Unknown,
                            ::limit_runtime::__private::KnownKey::Attribute(|__parts| ::limit_runtime::__private::built_in_key(
                                __parts,
                                &everyone,
                                "",
                            )),
                        ),
                    )
                    .key("everyone")
                    .concurrency("ALL", ALL)
                    .without_limits(),
            ];
            ::limit_runtime::__private::submit! {
                ::limit_runtime::__private::HandlerDeclaration(& __RATE_LIMIT_chat)
            }
            #[doc(hidden)]
            struct __rate_limit_chat;
            impl<__S> ::limit_runtime::__private::Policy<__S> for __rate_limit_chat
            where
                __S: ::core::marker::Send + ::core::marker::Sync,
            {
                fn rules() -> impl ::limit_runtime::__private::Rules<__S> {
                    (
                        ::limit_runtime::__private::rule(
                            const {
                                &::limit_runtime::__private::PolicyConfig::new(
                                        "chat",
                                        ::limit_runtime::__private::ScopeConfig::handler(
                                            ::core::concat!(::core::module_path!(), "::chat"),
                                            "bearer",
                                        ),
                                    )
                                    .declared(&__RATE_LIMIT_chat[0])
                                    .key_label("bearer")
                                    .on_unknown(::limit_runtime::__private::OnUnknown::Release)
                                    .cap_cost(::limit_runtime::__private::CostCap::Percent(50u8))
                            },
                            {
                                let __it = bearer;
                                ::limit_runtime::__private::key::<__S, _, _>(__it)
                            },
                            {
                                static __LIMITS: ::limit_runtime::__private::LiteralLimits = ::limit_runtime::__private::LiteralLimits::new(
                                        [(100000u64, 60000u64)],
                                        "\"chat\";q=100000;qu=\"tokens\";w=60",
                                        &["\"chat\";r="],
                                    )
                                    .unit("tokens");
                                &__LIMITS
                            },
                            2000u64,
                        ),
                        ::limit_runtime::__private::rule(
                            const {
                                &::limit_runtime::__private::PolicyConfig::new(
                                        "all",
                                        ::limit_runtime::__private::ScopeConfig::handler(
                                            ::core::concat!(::core::module_path!(), "::chat"),
                                            "all",
                                        ),
                                    )
                                    .declared(&__RATE_LIMIT_chat[1])
                                    .key_label("everyone")
                            },
                            {
                                let __it = everyone;
                                ::limit_runtime::__private::key::<__S, _, _>(__it)
                            },
                            &::limit_runtime::__private::NO_LIMITS,
                            1u64,
                        ),
                    )
                }
            }
            fn chat(
                __limited: ::limit_runtime::__private::Limited<__rate_limit_chat, (Reservation,)>,
            ) -> impl ::core::future::Future<Output = ::limit_runtime::__private::Response> {
                async fn chat(reservation: Reservation) {}
                let (__admission, (__a0,)) = __limited.split();
                ::limit_runtime::__private::respond(__admission, chat(__a0))
            }
        "##]],
    );
}
