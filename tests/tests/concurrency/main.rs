//! Concurrency limits: handlers and layers that hold permits, in memory.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "these are tests"
)]

mod bodies;
mod cancellation;
mod dry_run;
mod extractor;
mod layers;
mod leases;
mod over_arguments;
mod real_server;
mod refusals;
mod waiting;

use axum::Router;
use tokio::net::TcpListener;

/// A server on a free port.
struct Server(String);

impl Server {
    async fn start(router: Router) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self(url)
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }
}
