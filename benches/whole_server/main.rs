//! A server on TCP whose routes differ in their limits, on one thread: for `run.sh` beside this
//! file, which sends requests to it. Prints its address once it listens.

use axum::{Router, routing::get};
use limit_benches::handlers::{annotated, bare, refused, tower_governor, two_headers, two_limits};
use std::{io, net::SocketAddr};
use tokio::net::TcpListener;

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let app = Router::new()
        .route("/bare", get(bare))
        .route("/two_headers", get(two_headers))
        .route("/annotated", get(annotated))
        .route("/two_limits", get(two_limits))
        .route("/refused", get(refused))
        .route(
            "/tower_governor",
            get(bare).layer(tower_governor(u32::MAX, 1)),
        );
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    println!("{}", listener.local_addr()?);
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, app).await
}
