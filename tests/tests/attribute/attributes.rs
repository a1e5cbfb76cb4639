//! Other attributes on the handler, in every order that can work.

use crate::common::{get, json, third_is_429};
use axum::Json;
use limit_runtime::rate_limit;
use tracing::instrument;

#[tokio::test]
async fn instrument_in_either_order() {
    #[rate_limit("2/minute")]
    #[instrument(skip(input), fields(n = input))]
    async fn above(Json(input): Json<u32>) -> String {
        input.to_string()
    }
    #[instrument(level = "debug", skip_all)]
    #[rate_limit("2/minute")]
    async fn below(Json(input): Json<u32>) -> String {
        input.to_string()
    }
    #[rate_limit("2/minute")]
    #[instrument]
    #[rate_limit("3/minute", name = "second")]
    #[doc = "between"]
    async fn around(Json(input): Json<u32>) -> String {
        input.to_string()
    }
    third_is_429(above, || json("1")).await;
    third_is_429(below, || json("1")).await;
    third_is_429(around, || json("1")).await;
}

#[tokio::test]
async fn debug_handler_below() {
    #[rate_limit("2/minute")]
    #[axum::debug_handler]
    async fn none() {}
    #[rate_limit("2/minute", cost = input)]
    #[axum::debug_handler]
    async fn two(_: http::Uri, Json(input): Json<u32>) -> Result<String, http::StatusCode> {
        Ok(input.to_string())
    }
    #[instrument]
    #[rate_limit("2/minute")]
    #[instrument]
    #[axum::debug_handler(state = ())]
    async fn among_others(_: http::Uri, Json(input): Json<u32>) -> String {
        input.to_string()
    }
    third_is_429(none, get).await;
    third_is_429(two, || json("1")).await;
    third_is_429(among_others, || json("1")).await;
}

mod documented {
    use super::{Json, instrument, rate_limit};

    #[utoipa::path(post, path = "/above", request_body = u32, responses((status = 200, body = u32)))]
    #[rate_limit("2/minute")]
    pub(super) async fn above(Json(input): Json<u32>) -> Json<u32> {
        Json(input)
    }

    /// Below.
    #[rate_limit("2/minute")]
    #[utoipa::path(post, path = "/below", request_body = u32, responses((status = 200, body = u32)))]
    #[instrument]
    pub(super) async fn below(Json(input): Json<u32>) -> Json<u32> {
        Json(input)
    }

    #[derive(utoipa::OpenApi)]
    #[openapi(paths(above, below))]
    pub(super) struct Api;
}

#[tokio::test]
async fn utoipa_in_either_order() {
    use utoipa::OpenApi;
    third_is_429(documented::above, || json("1")).await;
    third_is_429(documented::below, || json("1")).await;
    let paths = documented::Api::openapi().paths;
    for path in ["/above", "/below"] {
        assert!(
            paths.paths[path]
                .post
                .as_ref()
                .unwrap()
                .request_body
                .is_some()
        );
    }
}

#[tokio::test]
async fn conditional() {
    #[cfg(not(any()))]
    #[rate_limit("2/minute")]
    async fn above() {}

    #[rate_limit("2/minute")]
    #[cfg(not(any()))]
    async fn below() {}

    #[rate_limit("2/minute")]
    #[cfg(any())]
    async fn below(nothing: Nothing) {}

    #[cfg_attr(not(any()), rate_limit("2/minute"))]
    async fn conditionally() {}

    #[rate_limit("9/minute")]
    #[cfg_attr(not(any()), rate_limit("2/minute", name = "second"), doc = "text")]
    #[cfg_attr(any(), rate_limit("1/minute", name = "third"))]
    async fn both() {}

    third_is_429(above, get).await;
    third_is_429(below, get).await;
    third_is_429(conditionally, get).await;
    third_is_429(both, get).await;
}

#[tokio::test]
async fn inert() {
    /// Documented.
    #[rate_limit("2/minute")]
    #[doc(alias = "other")]
    #[inline]
    #[must_use]
    #[rustfmt::skip]
    #[expect(unused_variables, reason = "to see that lints reach inside")]
    async fn handler() -> &'static str {
        let unused = 1;
        "ok"
    }
    #[deprecated = "old"]
    #[rate_limit("2/minute", direct = direct)]
    #[allow(unused_variables)]
    async fn old() {
        let unused = 1;
    }
    third_is_429(handler, get).await;
    #[expect(deprecated)]
    third_is_429(old, get).await;
    direct().await;
}

/// What a handler allows, its attribute may do.
mod allowed {
    use super::{get, rate_limit, third_is_429};

    #[deprecated = "old"]
    fn old() -> &'static str {
        "all"
    }

    #[rate_limit("2/minute", key = old)]
    #[allow(deprecated)]
    async fn below() {}

    #[allow(deprecated, reason = "that is what is tested")]
    #[rate_limit("2/minute", key = |_: http::Uri| old(), direct = direct)]
    async fn above() {}

    #[tokio::test]
    async fn in_the_attribute() {
        third_is_429(below, get).await;
        third_is_429(above, get).await;
        direct().await;
    }
}

#[tokio::test]
async fn must_use_with_a_reason() {
    #[rate_limit("2/minute")]
    #[must_use = "it is the answer"]
    async fn handler() -> &'static str {
        "ok"
    }
    third_is_429(handler, get).await;
}

/// Unused handlers are as unused as they would be without the limit, and used ones as used.
mod unused {
    use super::rate_limit;

    #[expect(dead_code)]
    #[rate_limit("2/minute")]
    async fn above() {}

    #[rate_limit("2/minute", key = limit_runtime::everyone, cost = 2)]
    #[expect(dead_code, reason = "below the attribute")]
    async fn below<const N: usize>() {}

    #[expect(dead_code)]
    #[rate_limit("2/minute", direct = direct)]
    async fn but_for_direct() {}

    #[tokio::test]
    async fn direct_is_used() {
        direct().await;
    }
}
