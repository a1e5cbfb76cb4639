//! Where handlers may be: modules, functions, macros, other names of the crate.

use crate::common::{get, limited, request, routed, status, third_is_429, third_of_router_is_429};
use axum::handler::Handler;
use axum::{Router, routing};
use limit_runtime::{everyone, rate_limit};

mod private {
    mod deeper {
        use super::super::Input;
        #[limit_runtime::rate_limit("2/minute", key = key)]
        pub(in super::super) async fn handler(input: Input) -> String {
            input.0
        }
        fn key(_: &http::request::Parts) -> &'static str {
            "all"
        }
    }
    pub(super) use deeper::handler;
}

struct Input(String);
impl<S: Sync> axum::extract::FromRequestParts<S> for Input {
    type Rejection = std::convert::Infallible;
    async fn from_request_parts(
        parts: &mut http::request::Parts,
        _: &S,
    ) -> Result<Self, Self::Rejection> {
        Ok(Self(parts.uri.to_string()))
    }
}

#[tokio::test]
async fn in_private_modules_with_private_types() {
    third_is_429(private::handler, get).await;
}

#[tokio::test]
async fn in_functions_with_local_items() {
    const KEY: &str = "local";
    struct Local;
    impl axum::response::IntoResponse for Local {
        fn into_response(self) -> axum::response::Response {
            ().into_response()
        }
    }
    #[rate_limit("2/minute", key = KEY)]
    async fn handler() -> Local {
        Local
    }
    third_is_429(handler, get).await;
}

struct Api;

impl Api {
    fn router<T: Default>() -> Router {
        #[rate_limit("2/minute")]
        async fn handler() {}
        let _ = T::default();
        Router::new().route("/", routing::get(handler))
    }

    const ROUTER: fn() -> Router = {
        #[rate_limit("2/minute")]
        async fn handler() {}
        || Router::new().route("/", routing::get(handler))
    };
}

#[tokio::test]
async fn in_methods_closures_and_constants() {
    let router = || {
        #[rate_limit("2/minute")]
        async fn handler() {}
        Router::new().route("/", routing::get(handler))
    };
    third_of_router_is_429(&limited(Api::router::<u8>()), get).await;
    third_of_router_is_429(&limited((Api::ROUTER)()), get).await;
    third_of_router_is_429(&limited(router()), get).await;
}

/// Wherever Axum takes a handler.
#[tokio::test]
async fn as_a_fallback_a_service_and_under_layers() {
    #[rate_limit("2/minute", key = everyone)]
    async fn handler() {}
    let layered = handler.layer(tower::layer::util::Identity::new());
    let service = Handler::<_, ()>::with_state(handler, ());
    let other_method = routing::post(async || ()).fallback(handler);
    for router in [
        Router::new().fallback(handler),
        Router::new().nest("/a", Router::new().fallback(handler)),
        Router::new().route("/a/{id}", routing::get(layered)),
        Router::new().route_service("/a/{id}", service),
        Router::new().route("/a/{id}", other_method),
    ] {
        third_of_router_is_429(&limited(router), || request("GET", "/a/1", "")).await;
    }
}

macro_rules! handlers {
    ($($vis:vis $name:ident($($argument:pat => $ty:ty),*) -> $output:ty $body:block limit $limits:literal key $key:expr;)*) => {$(
        #[rate_limit($limits, key = $key)]
        $vis async fn $name($($argument: $ty),*) -> $output $body
    )*};
}

handlers! {
    first() -> &'static str { "ok" } limit "2/minute" key everyone;
    pub(crate) second(limited => http::Uri, admission => http::Method) -> String {
        format!("{limited}{admission}")
    } limit "2/minute" key limit_runtime::client_ip;
}

macro_rules! whole {
    ($name:ident) => {
        #[rate_limit("2/minute", cost = a0.path().len())]
        async fn $name(a0: http::Uri, a1: http::Method) -> String {
            format!("{a0}{a1}")
        }
    };
}
whole!(third);

macro_rules! passed {
    ($item:item) => {
        $item
    };
}
passed! {
    #[rate_limit("2/minute")]
    async fn fourth() {}
}

#[tokio::test]
async fn in_macros() {
    third_is_429(first, get).await;
    third_is_429(second, get).await;
    third_is_429(third, get).await;
    third_is_429(fourth, get).await;
}

/// What a crate that wraps this one may do.
pub(crate) mod facade {
    pub(crate) use limit_runtime as limiting;
    #[allow(unused_macros)]
    macro_rules! limited {
        ($name:ident) => {
            #[limit_runtime::rate_limit("2/minute", crate = crate::places::facade::limiting)]
            #[tracing::instrument]
            async fn $name() {}
        };
    }
    pub(crate) use limited;
}

#[tokio::test]
async fn under_another_path_of_the_crate() {
    #[rate_limit("2/minute", crate = ::limit_runtime)]
    async fn absolute() {}
    #[rate_limit("2/minute", crate = crate::places::facade::limiting)]
    async fn re_exported() {}
    facade::limited!(in_macro);
    third_is_429(absolute, get).await;
    third_is_429(re_exported, get).await;
    third_is_429(in_macro, get).await;
}

/// Names of the user's that the expansion must not meet.
#[tokio::test]
async fn among_names_like_ours() {
    #![allow(dead_code, non_upper_case_globals)]
    mod core {}
    mod std {}
    mod limit_runtime {}
    struct Option;
    struct Result;
    struct Response;
    struct Limited;
    struct Some;
    const a0: u8 = 0;
    const limited: u8 = 0;
    const it: &str = "all";
    static exceeded: u8 = 0;
    #[rate_limit("2/minute", cost = uri.path().len())]
    async fn handler(uri: http::Uri) {
        let _ = uri;
    }
    third_of_router_is_429(&routed(handler), get).await;

    fn too_many(_: &::limit_runtime::Exceeded<'_>) -> http::StatusCode {
        http::StatusCode::TOO_MANY_REQUESTS
    }
    #[rate_limit("2/minute", key = it, on_limited = too_many)]
    async fn by_our_name() {}
    third_is_429(by_our_name, get).await;

    #[rate_limit("2/minute", key = |_: http::HeaderMap| "all", cost = __arguments.as_str().len() - 2)]
    async fn hidden<__S: Clone + Send + Sync + 'static>(
        __limited: axum::extract::State<__S>,
        __a0: http::Uri,
        __admission: http::Method,
        __arguments: http::Method,
    ) {
        let _ = (__limited, __a0, __admission, __arguments);
    }
    third_is_429(hidden::<()>, get).await;
}

/// Where there is no prelude.
mod bare {
    #![no_implicit_prelude]

    #[::limit_runtime::rate_limit(
        "2/minute",
        key = (::limit_runtime::client_ip, "all"),
        cost = path.path().len(),
        wait = "1ms",
        methods = [GET],
        on_store_error = deny
    )]
    #[::limit_runtime::rate_limit("2/minute", key = ::limit_runtime::everyone, strategy = gcra(burst = 2))]
    pub(super) async fn handler(path: ::http::Uri) -> ::std::string::String {
        ::std::string::ToString::to_string(&path)
    }
}

#[tokio::test]
async fn without_a_prelude() {
    third_is_429(bare::handler, get).await;
}

#[tokio::test]
async fn names_that_are_not_ascii() {
    #[rate_limit("2/minute")]
    async fn größe() {}
    #[rate_limit("2/minute", scope = "größe \"1\"")]
    async fn shared() {}
    third_is_429(größe, get).await;
    third_is_429(shared, get).await;
}

/// The documentation of the attribute states this, with the fix.
#[tokio::test]
async fn one_name_in_two_functions_is_one_budget_on_a_route_without_a_scope() {
    fn first() -> routing::MethodRouter {
        #[rate_limit("2/minute")]
        async fn handler() {}
        routing::get(handler)
    }
    fn second() -> routing::MethodRouter {
        #[rate_limit("2/minute")]
        async fn handler() {}
        routing::post(handler)
    }
    fn apart() -> routing::MethodRouter {
        #[rate_limit("2/minute", scope = "apart")]
        async fn handler() {}
        routing::put(handler)
    }
    let router = limited(Router::new().route("/", first().merge(second()).merge(apart())));
    for (method, expected) in [("GET", 200), ("POST", 200), ("GET", 429), ("POST", 429)] {
        assert_eq!(status(&router, request(method, "/", "")).await, expected);
    }
    third_of_router_is_429(&router, || request("PUT", "/", "")).await;
}
