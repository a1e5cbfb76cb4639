//! An inference API with a dashboard, on a free port.

use axum::{Router, routing::get};
use limit_runtime::{Limiter, client_ip, everyone, limits, rate_limit};
use std::net::SocketAddr;
use tokio::{net::TcpListener, task::AbortHandle};

#[rate_limit("10/minute", key = client_ip)]
#[rate_limit("4/minute", key = client_ip, name = "predict-trial", dry_run)]
async fn predict() {}

#[rate_limit("1_000/second; 10_000/minute", key = everyone)]
async fn embed() {}

pub(crate) struct App {
    address: SocketAddr,
    client: reqwest::Client,
    server: AbortHandle,
    pub(crate) limiter: Limiter,
}

impl App {
    pub(crate) async fn start(layer: &'static str) -> Self {
        let limiter = Limiter::builder().stats(true).build();
        let router = Router::new()
            .route("/predict", get(predict))
            .route("/embed", get(embed))
            .layer(limiter.limit_layer(layer, limits!("100_000/hour")))
            .layer(limiter.layer())
            .nest("/limits", limiter.dashboard());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        let server = tokio::spawn(async move { axum::serve(listener, service).await });
        Self {
            address,
            client: reqwest::Client::new(),
            server: server.abort_handle(),
            limiter,
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Sends this many requests to each handler.
    pub(crate) async fn load(&self, requests: usize) {
        for _ in 0..requests {
            for path in ["/predict", "/embed"] {
                let answer = self.client.get(self.url(path)).send().await.unwrap();
                assert!(matches!(answer.status().as_u16(), 200 | 429));
            }
        }
    }

    pub(crate) fn stop(self) {
        self.server.abort();
    }
}
