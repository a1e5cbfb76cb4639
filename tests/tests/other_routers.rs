//! Limited handlers under the routers of aide and axum-extra, written as the docs of `rate_limit`
//! show it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "these are tests"
)]

use axum::{
    Json, Router,
    body::Body,
    http::{Method, Request},
};
use limit_runtime::{Limiter, everyone, rate_limit};
use tower::ServiceExt;

/// The statuses of two requests to a router with a limiter of its own.
async fn statuses(app: Router, method: Method, uri: &str, body: &'static str) -> [u16; 2] {
    let (limiter, _clock) = Limiter::for_test();
    let app = app.layer(limiter.layer());
    let mut statuses = [0; 2];
    for status in &mut statuses {
        let request = Request::builder()
            .method(&method)
            .uri(uri)
            .header("content-type", "application/json")
            .body(Body::from(body))
            .unwrap();
        *status = app.clone().oneshot(request).await.unwrap().status().into();
    }
    statuses
}

mod typed_path {
    use super::*;
    use axum::routing::get;
    use axum_extra::routing::TypedPath;
    use serde::Deserialize;

    #[derive(TypedPath, Deserialize)]
    #[typed_path("/models/{id}")]
    struct Model {
        id: u64,
    }

    #[rate_limit("1/minute", key = everyone)]
    async fn model(Model { id }: Model) -> String {
        format!("model {id}")
    }

    #[tokio::test]
    async fn a_typed_path_is_routed_by_its_constant() {
        let app = Router::new().route(Model::PATH, get(model));
        assert_eq!(
            statuses(app, Method::GET, "/models/7", "").await,
            [200, 429]
        );
    }
}

mod documented {
    use super::*;
    use aide::{
        OperationInput, OperationOutput,
        axum::{ApiRouter, routing::post},
        openapi::OpenApi,
        operation::OperationHandler,
    };
    use axum::{extract::Request, handler::Handler};
    use std::marker::PhantomData;

    #[rate_limit("1/minute", key = everyone, direct = predict_now)]
    async fn predict(Json(inputs): Json<Vec<f32>>) -> Json<f32> {
        Json(inputs.iter().copied().fold(0.0, f32::max))
    }

    /// A handler `H` with the documentation of the handler `D`.
    #[derive(Clone)]
    struct Documented<H, D> {
        handler: H,
        documentation: PhantomData<D>,
    }

    fn documented<H, D>(handler: H, _documentation: D) -> Documented<H, D> {
        Documented {
            handler,
            documentation: PhantomData,
        }
    }

    impl<H, D, T, S> Handler<T, S> for Documented<H, D>
    where
        H: Handler<T, S>,
        D: Clone + Send + Sync + 'static,
    {
        type Future = H::Future;

        fn call(self, request: Request, state: S) -> Self::Future {
            self.handler.call(request, state)
        }
    }

    impl<H, D, I, O> OperationHandler<I, O> for Documented<H, D>
    where
        D: OperationHandler<I, O>,
        I: OperationInput,
        O: OperationOutput,
    {
    }

    fn app(api: &mut OpenApi) -> Router {
        ApiRouter::new()
            .api_route("/predict", post(documented(predict, predict_now)))
            .finish_api(api)
    }

    #[tokio::test]
    async fn a_documented_route_is_limited() {
        let app = app(&mut OpenApi::default());
        assert_eq!(
            statuses(app, Method::POST, "/predict", "[1.5]").await,
            [200, 429]
        );
    }

    #[test]
    fn the_documentation_has_the_body_as_the_handler_takes_it() {
        let mut api = OpenApi::default();
        let _ = app(&mut api);
        let api = serde_json::to_value(&api).unwrap();
        let body = &api["paths"]["/predict"]["post"]["requestBody"]["content"];
        assert_eq!(body["application/json"]["schema"]["type"], "array", "{api}");
    }
}
