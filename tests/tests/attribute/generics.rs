//! Generic handlers.

use crate::common::{get, json, limited, request, routed, send, text, third_is_429};
use axum::extract::{FromRequest, FromRequestParts, State};
use axum::response::IntoResponse;
use axum::{Json, Router, routing};
use http::HeaderMap;
use limit_runtime::{IntoKey, Limits, limits, rate_limit};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::{Debug, Display};

#[tokio::test]
async fn a_type_parameter_with_turbofish() {
    #[rate_limit("2/minute")]
    async fn handler<T: DeserializeOwned + Serialize + Send>(Json(input): Json<T>) -> Json<T> {
        Json(input)
    }
    third_is_429(handler::<u32>, || json("1")).await;
    third_is_429(handler::<Vec<String>>, || json("[]")).await;
}

#[tokio::test]
async fn a_const_parameter() {
    #[rate_limit("2/minute")]
    async fn handler<const N: usize>() -> String {
        N.to_string()
    }
    assert_eq!(text(send(&routed(handler::<7>), get()).await).await, "7");
    third_is_429(handler::<8>, get).await;
}

#[tokio::test]
async fn a_where_clause_and_a_parameter_that_no_argument_has() {
    trait Model: Default + Display + Send + 'static {}
    #[derive(Default)]
    struct Small;
    impl Display for Small {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("small")
        }
    }
    impl Model for Small {}

    fn by_model<M: Model>(_: &HeaderMap) -> String {
        M::default().to_string()
    }

    #[rate_limit("2/minute", key = by_model::<M>, direct = now)]
    async fn handler<M, const N: usize>(_: HeaderMap) -> impl IntoResponse
    where
        M: Model,
        [u8; N]: Default + Debug,
    {
        format!("{} {:?}", M::default(), <[u8; N]>::default())
    }
    assert_eq!(
        text(send(&routed(handler::<Small, 2>), get()).await).await,
        "small [0, 0]"
    );
    third_is_429(handler::<Small, 1>, get).await;
    let response = now::<Small, 0>(HeaderMap::new()).await;
    assert_eq!(text(response.into_response()).await, "small []");
}

#[tokio::test]
async fn generic_extractors_and_state() {
    #[rate_limit("2/minute", key = |State(state): State<S>| state)]
    async fn handler<S, E>(State(_): State<S>, _: E) -> &'static str
    where
        S: IntoKey + Clone + Send + Sync + 'static,
        E: FromRequestParts<S> + Send + 'static,
    {
        "ok"
    }
    let router = Router::new()
        .route("/", routing::get(handler::<u32, HeaderMap>))
        .with_state(7);
    crate::common::third_of_router_is_429(&limited(router), get).await;

    #[rate_limit("2/minute")]
    async fn last<E: FromRequest<()> + Send + 'static>(_: E) {}
    third_is_429(last::<String>, get).await;
}

#[tokio::test]
async fn a_lifetime() {
    #[rate_limit("2/minute")]
    #[expect(clippy::needless_lifetimes, reason = "a lifetime that has a name")]
    async fn handler<'a>(State(name): State<&'a str>) -> String {
        name.to_owned()
    }
    let router = Router::new()
        .route("/", routing::get(handler))
        .with_state("static");
    crate::common::third_of_router_is_429(&limited(router), get).await;
}

#[tokio::test]
async fn functions_of_the_attribute_see_the_generic_parameters() {
    trait Plan: Send + Sync + 'static {
        const LIMITS: Limits;
        const COST: u32;
        fn key(headers: &HeaderMap) -> usize;
    }
    struct Free;
    impl Plan for Free {
        const LIMITS: Limits = limits!("4/minute");
        const COST: u32 = 2;
        fn key(headers: &HeaderMap) -> usize {
            headers.len()
        }
    }
    #[rate_limit(P::LIMITS, key = P::key, cost = P::COST)]
    async fn paths<P: Plan>() {}
    #[rate_limit(|_: HeaderMap| P::LIMITS, key = |headers: &HeaderMap| P::key(headers), cost = |_: HeaderMap| P::COST)]
    async fn closures<P: Plan>() {}
    #[rate_limit("4/minute", cost = N)]
    async fn number<const N: usize>() {}
    #[rate_limit("4/minute", cost = [0; N].len() / 2 + path.path().len())]
    async fn with_an_argument<const N: usize>(path: http::Uri) -> String {
        path.to_string()
    }
    third_is_429(paths::<Free>, get).await;
    third_is_429(closures::<Free>, get).await;
    third_is_429(number::<2>, get).await;
    third_is_429(with_an_argument::<2>, get).await;
}

#[tokio::test]
async fn bounds_of_every_kind() {
    #[rate_limit("2/minute", key = |_: &HeaderMap| "all")]
    async fn handler<'a, 'b: 'a, T, U, const N: usize>(
        State(state): State<T>,
        _: HeaderMap,
    ) -> String
    where
        for<'c> &'c T: Into<String>,
        T: Clone + Send + Sync + 'static + AsRef<U>,
        U: ?Sized + Debug + 'b + 'static,
        [u8; N]: Default,
        'static: 'a,
    {
        format!("{}{:?}", Into::<String>::into(&state), state.as_ref())
    }
    #[derive(Clone)]
    struct Text;
    impl From<&Text> for String {
        fn from(_: &Text) -> Self {
            "text".to_owned()
        }
    }
    impl AsRef<str> for Text {
        fn as_ref(&self) -> &str {
            "text"
        }
    }
    let router = Router::new()
        .route("/", routing::get(handler::<Text, str, 3>))
        .with_state(Text);
    crate::common::third_of_router_is_429(&limited(router), get).await;
}

#[tokio::test]
async fn instances_on_one_route_share_its_budget() {
    #[rate_limit("2/minute")]
    async fn handler<const N: usize>() {}
    let router = Router::new().route("/", routing::get(handler::<1>).post(handler::<2>));
    let router = limited(router);
    assert_eq!(crate::common::status(&router, get()).await, 200);
    assert_eq!(
        crate::common::status(&router, request("POST", "/", "")).await,
        200
    );
    assert_eq!(crate::common::status(&router, get()).await, 429);
}
