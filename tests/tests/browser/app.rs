//! An inference API with a dashboard, on a free port.

use axum::{
    Router,
    extract::{Request, State},
    http::StatusCode,
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::get,
};
use limit_runtime::{Limiter, client_ip, everyone, limits, rate_limit, route};
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::{net::TcpListener, task::AbortHandle};

#[rate_limit("10/minute", key = client_ip)]
#[rate_limit("4/minute", key = client_ip, name = "predict-trial", dry_run)]
async fn predict() {}

#[rate_limit("1_000/second; 10_000/minute", key = everyone)]
async fn embed() {}

#[rate_limit("500/minute", key = everyone, scope = route)]
async fn rerank() {}

/// Stands for the login of an application, which may expire.
async fn login(
    State(is_expired): State<Arc<AtomicBool>>,
    request: Request,
    next: Next,
) -> Response {
    match is_expired.load(Ordering::Relaxed) {
        true => StatusCode::UNAUTHORIZED.into_response(),
        false => next.run(request).await,
    }
}

pub(crate) struct App {
    address: SocketAddr,
    client: reqwest::Client,
    server: AbortHandle,
    pub(crate) limiter: Limiter,
    pub(crate) is_login_expired: Arc<AtomicBool>,
}

impl App {
    pub(crate) async fn start(layer: &'static str) -> Self {
        let limiter = Limiter::builder().stats(true).build();
        let is_login_expired = Arc::new(AtomicBool::new(false));
        let login = from_fn_with_state(is_login_expired.clone(), login);
        let router = Router::new()
            .route("/predict", get(predict))
            .route("/embed", get(embed))
            .route("/rerank", get(rerank))
            .layer(limiter.limit_layer(layer, limits!("100_000/hour")))
            .layer(limiter.layer())
            .nest("/limits", limiter.dashboard().layer(login));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        let server = tokio::spawn(async move { axum::serve(listener, service).await });
        Self {
            address,
            client: reqwest::Client::new(),
            server: server.abort_handle(),
            limiter,
            is_login_expired,
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Sends this many requests to each handler.
    pub(crate) async fn load(&self, requests: usize) {
        for _ in 0..requests {
            for path in ["/predict", "/embed", "/rerank"] {
                let answer = self.client.get(self.url(path)).send().await.unwrap();
                assert!(matches!(answer.status().as_u16(), 200 | 429));
            }
        }
    }

    pub(crate) fn stop(self) {
        self.server.abort();
    }
}
