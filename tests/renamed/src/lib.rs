//! A crate of edition 2021 that knows the limiter as `limiting`, re-exports it, and denies every
//! lint there is: the expansion of the attribute is as silent as the handlers themselves.

#![forbid(unsafe_code)]
#![deny(
    warnings,
    missing_docs,
    missing_debug_implementations,
    unreachable_pub,
    unnameable_types,
    single_use_lifetimes,
    elided_lifetimes_in_paths,
    redundant_lifetimes,
    let_underscore_drop,
    trivial_casts,
    unit_bindings,
    unused_results,
    variant_size_differences,
    rust_2018_idioms,
    rust_2024_compatibility,
    clippy::all,
    clippy::pedantic,
    clippy::nursery,
    clippy::cargo
)]
#![allow(
    clippy::cargo_common_metadata,
    clippy::multiple_crate_versions,
    tail_expr_drop_order,
    reason = "these are about the workspace, and about what every `await` does"
)]

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::Json;
use limiting::{client_ip, header, rate_limit, Exceeded, IntoKey, Key, Limits};

/// The limiter, for those who use this crate as a facade.
pub use limiting;

/// A model.
#[derive(Clone, Debug, Default)]
pub struct Model {
    bias: i64,
}

/// The client.
#[derive(Clone, Debug)]
pub struct Tenant(pub u64);

impl IntoKey for Tenant {
    fn into_key(self) -> Key {
        ("tenant", self.0).into_key()
    }
}

fn tenant(headers: &HeaderMap) -> Result<&str, StatusCode> {
    let tenant = headers.get("x-tenant").and_then(|it| it.to_str().ok());
    tenant.ok_or(StatusCode::UNAUTHORIZED)
}

fn tier(headers: &HeaderMap) -> Option<Limits> {
    headers
        .get("x-tier")
        .is_none()
        .then(|| limiting::limits!("1/minute"))
}

/// Nothing but a limit.
#[rate_limit("1/minute", key = (), crate = ::limiting)]
pub async fn plain() {
    std::future::ready(()).await;
}

/// Everything at once.
///
/// # Errors
/// When there are no inputs.
#[rate_limit("100/minute", key = (tenant, "v1"), cost = inputs.len(), direct = everything_now, crate = ::limiting)]
#[rate_limit(tier, key = header("x-api-key"), name = "tier")]
#[rate_limit("5/minute", key = |_: &HeaderMap| Tenant(1), scope = "all", strategy = gcra(burst = 5))]
pub async fn everything(
    State(model): State<Model>,
    Json(inputs): Json<Vec<i64>>,
) -> Result<Json<i64>, StatusCode> {
    if inputs.is_empty() {
        return Err(StatusCode::BAD_REQUEST);
    }
    std::future::ready(()).await;
    Ok(Json(model.bias + inputs.iter().sum::<i64>()))
}

fn busy(exceeded: &Exceeded<'_>) -> (StatusCode, String) {
    (StatusCode::TOO_MANY_REQUESTS, exceeded.to_string())
}

/// All that few handlers need.
#[rate_limit(
    "1/minute",
    key = (),
    scope = |headers: &HeaderMap| headers.len(),
    strategy = sliding_window,
    methods = [GET, POST],
    wait = "1ms",
    count_when = |response: &Response| response.status().is_success(),
    on_limited = busy,
    on_store_error = deny,
    crate = ::limiting
)]
pub async fn optional() -> &'static str {
    std::future::ready("ok").await
}

/// A lifetime, which edition 2021 captures only where it is asked to.
#[rate_limit("1/minute", key = (), crate = ::limiting)]
pub async fn with_a_lifetime<'a, T: Clone + Into<&'a str> + Send + Sync + 'static>(
    State(text): State<T>,
) -> String {
    let text: &'a str = text.into();
    std::future::ready(text.to_owned()).await
}

/// Generic, with an attribute that makes the expansion wait.
#[rate_limit("1/minute", key = client_ip, crate = crate::limiting)]
#[cfg_attr(all(), doc = "More.")]
pub async fn generic<T: Clone + Send + Sync + 'static, const N: usize>(_: State<T>) -> String {
    std::future::ready(N.to_string()).await
}

/// Handlers that a macro makes for other crates.
#[macro_export]
macro_rules! limited {
    ($name:ident) => {
        #[$crate::limiting::rate_limit("1/minute", key = (), crate = $crate::limiting)]
        async fn $name() {}
    };
    ($limits:expr_2021, $key:expr_2021, $cost:expr_2021, $name:ident) => {
        #[$crate::limiting::rate_limit($limits, key = $key, cost = $cost, crate = $crate::limiting)]
        async fn $name() {}
    };
}

#[cfg(test)]
mod tests {
    use super::{everything, everything_now, generic, optional, plain, Model};
    use axum::body::Body;
    use axum::extract::State;
    use axum::http::Request;
    use axum::routing::get;
    use axum::{Json, Router};
    use tower::ServiceExt;

    limited!(by_macro);

    async fn statuses(router: Router, request: impl Fn() -> Request<Body> + Send) -> [u16; 2] {
        let first = router.clone().oneshot(request()).await.unwrap();
        let second = router.oneshot(request()).await.unwrap();
        [first.status().as_u16(), second.status().as_u16()]
    }

    #[tokio::test]
    async fn limits_work_under_another_name() {
        let request = || Request::builder().uri("/").body(Body::empty()).unwrap();
        for handler in [get(plain), get(optional), get(by_macro)] {
            let router = Router::new().route("/", handler);
            assert_eq!(
                statuses(
                    router.layer(super::limiting::Limiter::new().layer()),
                    request
                )
                .await,
                [200, 429]
            );
        }
        let router = Router::new()
            .route("/", get(generic::<u8, 1>))
            .with_state(1);
        assert_eq!(statuses(router, request).await, [500, 500]);
    }

    #[tokio::test]
    async fn all_attributes_count() {
        let request = || {
            Request::post("/")
                .header("content-type", "application/json")
                .header("x-tenant", "a")
                .header("x-api-key", "k")
                .body(Body::from("[1,2]"))
                .unwrap()
        };
        let router = Router::new()
            .route("/", axum::routing::post(everything))
            .with_state(Model::default());
        assert_eq!(statuses(router, request).await, [200, 429]);
        let direct = everything_now(State(Model::default()), Json(vec![1])).await;
        assert_eq!(direct.map(|Json(sum)| sum), Ok(1));
    }
}
