//! Sends requests to a handler, bare or limited, through its router: for `run.sh` beside this file, which
//! counts instructions and allocations. The layered ones are under a layer with a limiter that adds no headers.

use axum::{
    Router,
    body::Body,
    extract::ConnectInfo,
    http::{HeaderMap, Request, StatusCode},
    routing::get,
};
use limit_runtime::{HeaderStyle, Limiter, client_ip, rate_limit};
use std::{net::SocketAddr, process::ExitCode};
use tower::Service;

async fn bare() -> &'static str {
    "ok"
}

#[rate_limit("4000000000/day", key = client_ip)]
async fn limited() -> &'static str {
    "ok"
}

#[rate_limit("1/day", key = client_ip)]
async fn refused() -> &'static str {
    "ok"
}

fn api_key(headers: &HeaderMap) -> Option<&str> {
    headers.get("x-api-key")?.to_str().ok()
}

#[rate_limit("4000000000/day", key = api_key)]
async fn by_borrowed_header() -> &'static str {
    "ok"
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, handler, count] = arguments.as_slice() else {
        eprintln!("request_cost HANDLER COUNT");
        return ExitCode::FAILURE;
    };
    let layered = |route| {
        let limiter = Limiter::builder().header_style(HeaderStyle::Off).build();
        Router::new().route("/", route).layer(limiter.layer())
    };
    let global = |route| Router::new().route("/", route);
    let mut router = match handler.as_str() {
        "bare" => global(get(bare)),
        "limited" => global(get(limited)),
        "refused" => global(get(refused)),
        "layered_bare" => layered(get(bare)),
        "layered_limited" => layered(get(limited)),
        "layered_by_header" => layered(get(by_borrowed_header)),
        other => {
            eprintln!("no handler {other}");
            return ExitCode::FAILURE;
        }
    };
    let count: u32 = count.parse().unwrap_or(1);
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().build() else {
        return ExitCode::FAILURE;
    };
    let answered = runtime.block_on(async {
        let mut ok = 0_u32;
        for _ in 0..count {
            let mut request = Request::new(Body::empty());
            let client = SocketAddr::from(([192, 0, 2, 1], 443));
            request.extensions_mut().insert(ConnectInfo(client));
            let key = axum::http::HeaderValue::from_static("sk-0123456789abcdef0123456789");
            request.headers_mut().insert("x-api-key", key);
            match router.call(request).await {
                Ok(response) => ok += u32::from(response.status() == StatusCode::OK),
                Err(never) => match never {},
            }
        }
        ok
    });
    println!("{answered} of {count} were let through");
    ExitCode::SUCCESS
}
