//! A router with a limiter on a test clock, and requests from clients of any address.

use axum::{Router, body::Body, extract::ConnectInfo};
use http::{HeaderMap, Method, Request, StatusCode};
use limit_runtime::{HeaderStyle, Limiter, LimiterBuilder, clock::TestClock};
use std::net::{IpAddr, SocketAddr};
use test_support::requests::{send, text};

/// The styles whose header names are fixed.
pub(crate) const STYLES: [HeaderStyle; 5] = [
    HeaderStyle::Ietf,
    HeaderStyle::XRateLimit,
    HeaderStyle::OpenAi,
    HeaderStyle::Both,
    HeaderStyle::Off,
];

pub(crate) struct App {
    pub(crate) router: Router,
    pub(crate) clock: TestClock,
    pub(crate) limiter: Limiter,
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

impl App {
    pub(crate) fn new(router: Router) -> Self {
        Self::with(router, Limiter::builder())
    }

    pub(crate) fn with(router: Router, limiter: LimiterBuilder) -> Self {
        let clock = TestClock::new();
        let limiter = limiter.clock(clock.clone()).build();
        Self {
            router: router.layer(limiter.layer()),
            clock,
            limiter,
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, "192.0.2.1", "").await
    }

    pub(crate) async fn get_from(&self, address: &str, path: &str) -> Answer {
        self.send(Method::GET, path, address, "").await
    }

    pub(crate) async fn send(&self, method: Method, path: &str, peer: &str, body: &str) -> Answer {
        let mut request = Request::new(Body::from(body.to_owned()));
        *request.method_mut() = method;
        *request.uri_mut() = path.parse().unwrap();
        let json = http::HeaderValue::from_static("application/json");
        request.headers_mut().insert("content-type", json);
        let peer = SocketAddr::new(peer.parse::<IpAddr>().unwrap(), 1234);
        request.extensions_mut().insert(ConnectInfo(peer));
        self.call(request).await
    }

    pub(crate) async fn call(&self, request: Request<Body>) -> Answer {
        let response = send(&self.router, request).await;
        Answer {
            status: response.status(),
            headers: response.headers().clone(),
            body: text(response).await,
        }
    }
}
