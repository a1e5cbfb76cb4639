//! Sends requests to a handler, bare or limited, through its router: for `run.sh` beside this file,
//! which counts instructions and allocations. The layered handlers are under a layer with a limiter
//! that adds no headers. `two_headers` sets two constant headers and has no limit; `without_check`
//! does as well, and has an extractor that reads the client's address; `tower_governor`
//! is the bare handler under that library's layer, which sets none. `_off` and `_detailed` are the
//! handler with a limiter that counts nothing, and one that counts details; by default it counts
//! totals.

#[cfg(feature = "metrics")]
mod recorder;

use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, FromRequest},
    http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode},
    response::{IntoResponse, Response},
    routing::get,
};
use limit_benches::handlers::{tower_governor, two_headers, two_limits};
use limit_runtime::{
    HeaderStyle, Limiter, Reservation, client_ip, everyone, observe::StatsLevel, rate_limit,
};
use std::{
    future::Future,
    hint::black_box,
    net::SocketAddr,
    pin::pin,
    process::ExitCode,
    task::{Context, Poll, Waker},
};
use tower::Service;

async fn bare() -> &'static str {
    "ok"
}

#[rate_limit("4000000000/day", key = client_ip)]
async fn limited() -> &'static str {
    "ok"
}

/// Takes the head of the request and reads the client's address, as any limit by address has to.
struct Client;

impl<S: Send + Sync> FromRequest<S> for Client {
    type Rejection = StatusCode;

    async fn from_request(request: Request<Body>, _: &S) -> Result<Self, StatusCode> {
        let (parts, _) = request.into_parts();
        let client = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        black_box(client).map_or(Err(StatusCode::BAD_REQUEST), |_| Ok(Self))
    }
}

/// No limit, but what comes with any: an extractor that reads the client's address, and two
/// headers, which are constant here.
async fn without_check(_: Client) -> Response {
    let mut response = "ok".into_response();
    let headers = response.headers_mut();
    for (name, value) in [POLICY, STATE] {
        headers.insert(name, value);
    }
    response
}

const POLICY: (HeaderName, HeaderValue) = (
    HeaderName::from_static("ratelimit-policy"),
    HeaderValue::from_static(r#""limited";q=4000000000;w=86400"#),
);
const STATE: (HeaderName, HeaderValue) = (
    HeaderName::from_static("ratelimit"),
    HeaderValue::from_static(r#""limited";r=3999999999;t=86400"#),
);

async fn bare_argument(method: Method) -> &'static str {
    if method.is_safe() { "ok" } else { "no" }
}

#[rate_limit("4000000000/day", key = client_ip)]
async fn limited_argument(method: Method) -> &'static str {
    if method.is_safe() { "ok" } else { "no" }
}

#[rate_limit("4000000000/day", key = client_ip, cost = method.as_str().len())]
async fn cost_over_argument(method: Method) -> &'static str {
    if method.is_safe() { "ok" } else { "no" }
}

#[rate_limit("4000000000/day", key = method)]
async fn key_over_argument(method: Method) -> &'static str {
    if method.is_safe() { "ok" } else { "no" }
}

#[rate_limit("4000000000/day", key = client_ip)]
#[rate_limit("4000000000/hour", key = everyone)]
async fn limited_twice() -> &'static str {
    "ok"
}

/// The estimate is what is used, and is settled in the handler.
#[rate_limit("4000000000/day", key = client_ip, cost = 2)]
async fn reserved(reservation: Reservation) -> &'static str {
    reservation.commit(2);
    "ok"
}

/// Gives back half of the estimate.
#[rate_limit("4000000000/day", key = client_ip, cost = 2)]
async fn given_back(reservation: Reservation) -> &'static str {
    reservation.commit(1);
    "ok"
}

#[rate_limit(concurrency = 4, key = client_ip)]
async fn concurrent() -> &'static str {
    "ok"
}

#[rate_limit("1/day", key = client_ip)]
async fn refused() -> &'static str {
    "ok"
}

fn api_key(headers: &HeaderMap) -> Result<&str, StatusCode> {
    let key = headers.get("x-api-key").and_then(|key| key.to_str().ok());
    key.ok_or(StatusCode::UNAUTHORIZED)
}

#[rate_limit("4000000000/day", key = api_key)]
async fn by_borrowed_header() -> &'static str {
    "ok"
}

/// Behind the requests that are watched for a wrong set-up, and the clock's start.
const WARM_UP: u32 = 11_000;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, handler, count] = arguments.as_slice() else {
        eprintln!("request_cost HANDLER COUNT");
        return ExitCode::FAILURE;
    };
    #[cfg(feature = "metrics")]
    if !recorder::install() {
        eprintln!("a recorder is installed already");
        return ExitCode::FAILURE;
    }
    let layered = |route| {
        let limiter = Limiter::builder().header_style(HeaderStyle::Off).build();
        Router::new().route("/", route).layer(limiter.layer())
    };
    let global = |route| Router::new().route("/", route);
    let counting = |level: StatsLevel, route| {
        if Limiter::builder().stats(level).build().install().is_err() {
            eprintln!("a limiter is installed");
        }
        global(route)
    };
    let mut router = match handler.as_str() {
        "bare" => global(get(bare)),
        "limited" => global(get(limited)),
        "limited_off" => counting(StatsLevel::Off, get(limited)),
        "limited_detailed" => counting(StatsLevel::Detailed, get(limited)),
        "refused_off" => counting(StatsLevel::Off, get(refused)),
        "refused_detailed" => counting(StatsLevel::Detailed, get(refused)),
        "bare_argument" => global(get(bare_argument)),
        "limited_argument" => global(get(limited_argument)),
        "cost_over_argument" => global(get(cost_over_argument)),
        "key_over_argument" => global(get(key_over_argument)),
        "reserved" => global(get(reserved)),
        "given_back" => global(get(given_back)),
        "concurrent" => global(get(concurrent)),
        "limited_twice" => global(get(limited_twice)),
        "two_limits" => global(get(two_limits)),
        "refused" => global(get(refused)),
        "two_headers" => global(get(two_headers)),
        "without_check" => global(get(without_check)),
        "tower_governor" => global(get(bare)).layer(tower_governor(u32::MAX, 1)),
        "layered_bare" => layered(get(bare)),
        "layered_limited" => layered(get(limited)),
        "layered_by_header" => layered(get(by_borrowed_header)),
        other => {
            eprintln!("no handler {other}");
            return ExitCode::FAILURE;
        }
    };
    let count: u32 = count.parse().unwrap_or(1);
    for _ in 0..WARM_UP {
        answered(&mut router, request());
    }
    let ok = (0..count).filter(|_| counted(&mut router, request()) == Some(StatusCode::OK));
    println!("{} of {count} were let through", ok.count());
    ExitCode::SUCCESS
}

fn request() -> Request<Body> {
    let mut request = Request::new(Body::empty());
    let client = SocketAddr::from(([192, 0, 2, 1], 443));
    request.extensions_mut().insert(ConnectInfo(client));
    let key = HeaderValue::from_static("sk-0123456789abcdef0123456789");
    request.headers_mut().insert("x-api-key", key);
    request
}

/// What callgrind counts: one request through the router, until its response is gone.
#[inline(never)]
fn counted(router: &mut Router, request: Request<Body>) -> Option<StatusCode> {
    answered(router, request)
}

fn answered(router: &mut Router, request: Request<Body>) -> Option<StatusCode> {
    let answer = pin!(router.call(request));
    match answer.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(response)) => Some(response.status()),
        Poll::Ready(Err(never)) => match never {},
        // Nothing here waits.
        Poll::Pending => None,
    }
}
