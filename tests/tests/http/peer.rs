//! The key of a request by the address of its peer.

use crate::app::App;
use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, Request},
    middleware::{Next, from_fn},
    response::Response,
    routing::get,
};
use http::{StatusCode, request::Parts};
use limit_runtime::{
    ClientIp, ClientIpRejection, Limiter, TrustedProxies, bearer, client_ip, limits, rate_limit,
    store::Scope,
};
use std::net::{IpAddr, SocketAddr};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{UnixListener, UnixStream},
};

const OK: StatusCode = StatusCode::OK;
const LIMITED: StatusCode = StatusCode::TOO_MANY_REQUESTS;

#[rate_limit("1/minute")]
async fn once() {}

fn app() -> App {
    App::new(Router::new().route("/", get(once)))
}

#[tokio::test]
async fn an_ipv4_mapped_address_is_the_ipv4_address() {
    let app = app();
    assert_eq!(app.get_from("::ffff:192.0.2.1", "/").await.status, OK);
    assert_eq!(app.get_from("192.0.2.1", "/").await.status, LIMITED);
}

#[tokio::test]
async fn ipv6_is_counted_by_64() {
    let app = app();
    assert_eq!(app.get_from("2001:db8::1", "/").await.status, OK);
    assert_eq!(app.get_from("2001:db8::2:3", "/").await.status, LIMITED);
    assert_eq!(app.get_from("2001:db8:0:1::1", "/").await.status, OK);
}

#[tokio::test]
async fn clients_behind_nat64_are_counted_by_their_ipv4_addresses() {
    let app = app();
    assert_eq!(app.get_from("64:ff9b::192.0.2.1", "/").await.status, OK);
    assert_eq!(app.get_from("64:ff9b::192.0.2.2", "/").await.status, OK);
    assert_eq!(app.get_from("64:ff9b::c000:201", "/").await.status, LIMITED);
    assert_eq!(app.get_from("192.0.2.2", "/").await.status, LIMITED);
    // Only the well-known prefix embeds an IPv4 address.
    assert_eq!(app.get_from("64:ff9b:1::192.0.2.1", "/").await.status, OK);
    assert_eq!(
        app.get_from("64:ff9b:1::192.0.2.2", "/").await.status,
        LIMITED
    );
}

#[tokio::test]
async fn the_prefix_that_ipv6_is_counted_by_can_be_chosen() {
    fn whole(parts: &Parts) -> Result<IpAddr, ClientIpRejection> {
        Ok(client_ip(parts)?.address())
    }
    fn as_found(parts: &Parts) -> Result<ClientIp, ClientIpRejection> {
        client_ip(parts)
    }
    #[rate_limit("1/minute", key = as_found)]
    async fn found() {}
    #[rate_limit("1/minute", key = whole)]
    async fn plain() {}
    for (bits, same) in [
        (48, 0x0f),
        (47, 0x0f),
        (56, 0x0f),
        (60, 0x0f),
        (64, 0),
        (65, 0),
    ] {
        let router = Router::new()
            .route("/", get(once))
            .route("/found", get(found))
            .route("/plain", get(plain));
        let app = App::with(router, Limiter::builder().ipv6_prefix(bits));
        for path in ["/", "/found", "/plain"] {
            // Of the /64, the last 4 bits differ; a plain address is always counted by its /64.
            let other = format!("2001:db8:0:{same:x}::1");
            let is_same = path != "/plain" || same == 0;
            let status = if is_same { LIMITED } else { OK };
            assert_eq!(app.get_from("2001:db8::1", path).await.status, OK);
            assert_eq!(
                app.get_from(&other, path).await.status,
                status,
                "{bits} {path}"
            );
            // The bits before count in any case.
            assert_eq!(app.get_from("2001:db8:1::1", path).await.status, OK);
        }
        assert_eq!(app.get_from("192.0.2.1", "/").await.status, OK);
        assert_eq!(app.get_from("192.0.2.1", "/").await.status, LIMITED);
    }
}

#[tokio::test]
async fn a_bearer_token_is_one_key_however_it_is_sent() {
    #[rate_limit("3/minute", key = bearer)]
    async fn by_token() {}
    let app = App::new(Router::new().route("/", get(by_token)));
    let send = |values: &[&str]| {
        let mut request = Request::new(Body::empty());
        for value in values {
            let value = http::HeaderValue::from_bytes(value.as_bytes()).unwrap();
            request.headers_mut().append("authorization", value);
        }
        app.call(request)
    };
    for same in ["Bearer k", "bearer k", "BEARER   k "] {
        assert_eq!(send(&[same]).await.status, OK, "{same}");
    }
    assert_eq!(send(&["Bearer	k"]).await.status, LIMITED);
    assert_eq!(send(&["Bearer K"]).await.status, OK);
    for missing in [
        &[][..],
        &["Bearer"],
        &["Bearer "],
        &["Basic k"],
        &["k"],
        &["Bearer k l"],
        &["Bearer k", "Bearer k"],
    ] {
        let answer = send(missing).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{missing:?}");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
    }
    app.limiter
        .reset_key(
            Scope::handler(concat!(module_path!(), "::by_token"), "bearer"),
            "k",
        )
        .await
        .unwrap();
    assert_eq!(send(&["Bearer k"]).await.status, OK);
}

#[tokio::test]
async fn without_connect_info_every_request_is_rejected() {
    let app = app();
    for _ in 0..3 {
        let answer = app.call(Request::new(Body::empty())).await;
        assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(
            answer.header("content-type"),
            Some("application/problem+json")
        );
    }
}

/// The middleware that the warning of `LIMIT003` names, as on a server for functions: a header
/// names the address in place of the platform.
#[tokio::test]
async fn a_middleware_sets_the_address_where_there_is_no_socket() {
    async fn set_peer(mut request: Request, next: Next) -> Response {
        let address = request.headers().get("x-address");
        let address = address.map(|address| address.to_str().unwrap().parse());
        if let Some(Ok(address)) = address {
            let peer = ConnectInfo(SocketAddr::new(address, 0));
            request.extensions_mut().insert(peer);
        }
        next.run(request).await
    }
    let (limiter, clock) = Limiter::for_test();
    let router = Router::new()
        .route("/", get(once))
        .layer(limiter.limit_layer("app", limits!("9/minute")))
        .layer(from_fn(set_peer));
    let app = App {
        router,
        clock,
        limiter,
    };
    for (address, status) in [
        (Some("192.0.2.1"), OK),
        (Some("192.0.2.1"), LIMITED),
        (Some("192.0.2.2"), OK),
        (None, StatusCode::INTERNAL_SERVER_ERROR),
    ] {
        let mut request = Request::new(Body::empty());
        if let Some(address) = address {
            let address = address.parse().unwrap();
            request.headers_mut().insert("x-address", address);
        }
        assert_eq!(app.call(request).await.status, status, "{address:?}");
    }
}

/// A server on a Unix socket, which only its proxy can open.
#[tokio::test]
async fn on_a_unix_socket_the_proxy_names_the_client() {
    let path = std::env::temp_dir().join(format!("limit-runtime-{}.sock", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let proxies = TrustedProxies::new(["127.0.0.1"]).unwrap();
    let limiter = Limiter::builder().trusted_proxies(proxies).build();
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    let app: Router = Router::new()
        .route("/", get(once))
        .layer(limiter.layer())
        .layer(from_fn(
            move |mut request: Request, next: Next| async move {
                request.extensions_mut().insert(ConnectInfo(address));
                next.run(request).await
            },
        ));
    let listener = UnixListener::bind(&path).unwrap();
    let server = tokio::spawn(async move { axum::serve(listener, app).await });
    for (client, status) in [
        ("192.0.2.1", "200"),
        ("192.0.2.1", "429"),
        ("192.0.2.2", "200"),
    ] {
        let mut stream = UnixStream::connect(&path).await.unwrap();
        let request = format!(
            "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\nx-forwarded-for: {client}\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).await.unwrap();
        let status_line = format!("HTTP/1.1 {status} ");
        assert!(response.starts_with(&status_line), "{client}: {response}");
    }
    server.abort();
    std::fs::remove_file(&path).unwrap();
}
