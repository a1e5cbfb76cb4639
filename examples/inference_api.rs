//! An inference API with a budget for each client: the main use of this library.
//!
//! * `POST /predict`: 10 a minute for each client address
//! * `POST /batch-predict`: 2 a minute for each client address
//! * `GET /model-info`: not limited
//!
//! `cargo run --example inference_api`, then try (`PORT` chooses another port):
//!
//! ```sh
//! curl http://localhost:8000/model-info
//! for i in $(seq 11); do
//!     curl -isS http://localhost:8000/predict --json '{"features": [5.1, 3.5, 1.4, 0.2]}'; echo
//! done
//! curl -isS http://localhost:8000/batch-predict --json '[{"features": [6.7, 3.0, 5.2, 2.3]}]'
//! ```
//!
//! `cargo run --example inference_api -- --limits` prints a table of all limits.

use axum::{
    Json, Router,
    routing::{get, post},
};
use limit_runtime::{Limiter, client_ip, rate_limit};
use serde::{Deserialize, Serialize};
use std::error::Error;

#[derive(Deserialize)]
struct ModelInput {
    /// One flower: sepal length, sepal width, petal length and petal width, in centimetres.
    features: [f64; 4],
}

#[derive(Serialize)]
struct Prediction {
    species: &'static str,
    probability: f64,
}

#[rate_limit("10/minute", key = client_ip)]
async fn predict(Json(input): Json<ModelInput>) -> Json<Prediction> {
    Json(model::predict(&input.features))
}

#[rate_limit("2/minute", key = client_ip)]
async fn batch_predict(Json(inputs): Json<Vec<ModelInput>>) -> Json<Vec<Prediction>> {
    let predictions = inputs.iter().map(|input| model::predict(&input.features));
    Json(predictions.collect())
}

async fn model_info() -> Json<model::Info> {
    Json(model::INFO)
}

/// A multinomial logistic regression over Fisher's irises, small enough to read.
#[expect(
    clippy::float_arithmetic,
    reason = "a model computes with floats; the limiter never does"
)]
mod model {
    use super::Prediction;
    use serde::Serialize;

    #[derive(Serialize)]
    pub(super) struct Info {
        name: &'static str,
        features: [&'static str; 4],
        classes: [&'static str; 3],
    }

    pub(super) const INFO: Info = Info {
        name: "iris-logistic-regression",
        features: [
            "sepal length (cm)",
            "sepal width (cm)",
            "petal length (cm)",
            "petal width (cm)",
        ],
        classes: ["setosa", "versicolor", "virginica"],
    };

    /// Weights and bias of each class, fitted on the 150 flowers.
    const WEIGHTS: [([f64; 4], f64); 3] = [
        ([-0.4242, 0.9663, -2.5160, -1.0821], 9.8553),
        ([0.5346, -0.3204, -0.2070, -0.9432], 2.2342),
        ([-0.1105, -0.6459, 2.7231, 2.0253], -12.0895),
    ];

    pub(super) fn predict(features: &[f64; 4]) -> Prediction {
        let scores = WEIGHTS.map(|(weights, bias)| {
            let products = weights.iter().zip(features).map(|(w, x)| w * x);
            products.sum::<f64>() + bias
        });
        // Softmax, shifted by the greatest score so that nothing overflows.
        let greatest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let exponentials = scores.map(|score| (score - greatest).exp());
        let total: f64 = exponentials.iter().sum();
        let (species, probability) = INFO
            .classes
            .into_iter()
            .zip(exponentials.map(|value| value / total))
            .max_by(|(_, a), (_, b)| a.total_cmp(b))
            .unwrap_or_default();
        Prediction {
            species,
            probability,
        }
    }
}

fn app() -> Router {
    Router::new()
        .route("/predict", post(predict))
        .route("/batch-predict", post(batch_predict))
        .route("/model-info", get(model_info))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    if std::env::args().any(|argument| argument == "--limits") {
        print!("{}", Limiter::global().policies());
        return Ok(());
    }
    examples::serve(app(), include_str!("inference_api.rs")).await
}
