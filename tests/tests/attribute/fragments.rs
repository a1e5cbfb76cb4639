//! Handlers that a `macro_rules!` writes, where everything is a fragment.

use crate::common::{get, json, request, status, third_is_429, third_of_router_is_429};
use axum::response::Response;
use axum::{Json, Router, routing};
use http::{HeaderMap, Method, Uri};
use limit_runtime::{client_ip, everyone, rate_limit};

macro_rules! handler {
    (
        $(#[$meta:meta])*
        $vis:vis fn $name:ident$(<$($param:ident: $bound:path),*>)?($($argument:ident: $ty:ty),*) -> $output:ty $body:block
        $limits:expr, $key:expr, $cost:expr, $scope:literal, $policy:expr, $state:ty, $direct:ident, $krate:path
    ) => {
        #[rate_limit(
            $limits, key = $key, cost = $cost, scope = $scope, name = $policy, state = $state, direct = $direct,
            crate = $krate
        )]
        $(#[$meta])*
        $vis async fn $name$(<$($param: $bound),*>)?($($argument: $ty),*) -> $output $body
    };
}

handler! {
    /// With an attribute or two.
    #[inline]
    #[tracing::instrument(skip_all)]
    pub(crate) fn everything(uri: Uri, method: Method) -> String { format!("{uri}{method}") }
    "2/minute", everyone, uri.path().len(), "fragments", "all", (), everything_now, ::limit_runtime
}

handler! {
    fn generic<T: ToString>(headers: HeaderMap) -> &'static str { let _ = headers; std::any::type_name::<T>() }
    limit_runtime::limits!("2/minute"), (client_ip, |_: &HeaderMap| "x"), 1, "generic", "g", (), generic_now,
    crate::places::facade::limiting
}

#[tokio::test]
async fn each_argument_may_be_one() {
    third_is_429(everything, get).await;
    third_is_429(generic::<u8>, get).await;
    assert_eq!(everything_now(Uri::default(), Method::GET).await, "/GET");
    assert_eq!(generic_now::<u8>(HeaderMap::new()).await, "u8");
}

macro_rules! options {
    ($name:ident, $limits:tt, $method:ident, $other:expr, $wait:literal, $counts:expr, $store:expr, $burst:literal) => {
        #[rate_limit(
            $limits, methods = [$method, $other], wait = $wait, count_when = $counts, on_store_error = $store,
            strategy = gcra(burst = $burst), key = everyone
        )]
        async fn $name() {}
    };
    ($name:ident, $strategy:expr) => {
        #[rate_limit("2/minute", strategy = $strategy)]
        async fn $name() {}
    };
}

options!(
    optional,
    "2/day",
    GET,
    PUT,
    "1ms",
    |response: &Response| response.status().is_success(),
    deny,
    2
);
options!(strategic, fixed_window);

#[tokio::test]
async fn each_option_may_be_one() {
    third_is_429(optional, get).await;
    third_is_429(strategic, get).await;
}

macro_rules! list {
    ($($name:ident => $limits:literal),* $(,)?) => {
        $(
            #[rate_limit($limits, cost = body.len())]
            async fn $name(Json(body): Json<String>) -> String {
                body
            }
        )*
        fn router() -> Router {
            Router::new()$(.route(concat!("/", stringify!($name)), routing::any($name)))*
        }
    };
}

list!(first => "4/minute", second => "8/minute");

#[tokio::test]
async fn one_for_each_of_a_list() {
    let router = crate::common::limited(router());
    let text = |path: &str| {
        let mut text = json("\"ab\"");
        *text.uri_mut() = path.parse().unwrap();
        text
    };
    third_of_router_is_429(&router, || text("/first")).await;
    for expected in [200, 200, 200, 200, 429] {
        assert_eq!(status(&router, text("/second")).await, expected);
    }
}

/// A macro's own names, and those of its caller.
macro_rules! mixed {
    ($name:ident, $theirs:ident, $cost:expr) => {
        #[rate_limit("2/minute", cost = $cost + ours.as_str().len() as usize - 3)]
        async fn $name($theirs: Uri, ours: Method) -> String {
            format!("{}{ours}", $theirs)
        }
    };
}
mixed!(hygienic, ours, ours.path().len());

#[tokio::test]
async fn names_of_two_places_are_two_names() {
    third_is_429(hygienic, || request("PUT", "/", "")).await;
}
