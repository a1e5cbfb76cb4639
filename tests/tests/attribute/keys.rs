//! What `key = …` may be. Each is asked for client `a` twice, then `b`, under a limit of 1.

use crate::common::{get, routed, status, with};
use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequestParts, Query};
use axum::response::IntoResponse;
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode, Uri};
use limit_runtime::{IntoKey, Key, Limits, client_ip, everyone, header, limits, rate_limit};
use serde::Deserialize;
use std::future::Future;

fn from(client: &str) -> http::Request<axum::body::Body> {
    let mut request = with(get(), "client", client);
    *request.uri_mut() = format!("/?client={client}").parse().unwrap();
    request
}

/// `a` is let through once, and `b` is not `a`.
async fn tells_clients_apart(router: Router) {
    assert_eq!(status(&router, from("a")).await, 200);
    assert_eq!(status(&router, from("a")).await, 429);
    assert_eq!(status(&router, from("b")).await, 200);
}

/// The second request is refused.
async fn counts_all_together(router: Router) {
    assert_eq!(status(&router, from("a")).await, 200);
    assert_eq!(status(&router, from("b")).await, 429);
}

macro_rules! key {
    ($test:ident, $rule:ident, $($key:tt)*) => {
        #[tokio::test]
        async fn $test() {
            #[rate_limit("1/minute", key = $($key)*)]
            async fn handler() {}
            $rule(routed(handler)).await;
        }
    };
}

#[derive(Deserialize)]
struct Who {
    client: String,
}

struct Client(String);

impl IntoKey for Client {
    fn into_key(self) -> Key {
        self.0.into_key()
    }
}

impl<S: Sync> FromRequestParts<S> for Client {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, StatusCode> {
        let value = parts
            .headers
            .get("client")
            .ok_or(StatusCode::UNAUTHORIZED)?;
        Ok(Self(value.to_str().unwrap().to_owned()))
    }
}

fn borrowed(headers: &HeaderMap) -> Result<&str, StatusCode> {
    let client = headers
        .get("client")
        .and_then(|client| client.to_str().ok());
    client.ok_or(StatusCode::UNAUTHORIZED)
}
fn borrowed_parts(parts: &Parts) -> &str {
    borrowed(&parts.headers).unwrap()
}
async fn borrowed_async(parts: &Parts) -> Result<&str, StatusCode> {
    tokio::task::yield_now().await;
    borrowed(&parts.headers)
}
fn borrowed_future(headers: &HeaderMap) -> impl Future<Output = Result<Key, StatusCode>> + Send {
    let key = borrowed(headers).unwrap().into_key();
    async move { Ok(key) }
}
fn owned(client: Client) -> Client {
    client
}
async fn owned_async(client: Client) -> Result<Client, StatusCode> {
    tokio::task::yield_now().await;
    Ok(client)
}
fn owned_first(_: Method, headers: &HeaderMap) -> Result<&str, StatusCode> {
    borrowed(headers)
}
async fn between(_: Method, headers: &HeaderMap, _: Uri) -> Result<&str, StatusCode> {
    tokio::task::yield_now().await;
    borrowed(headers)
}
#[expect(clippy::too_many_arguments, reason = "as many as there may be")]
fn eight(
    _: Method,
    _: Method,
    _: Method,
    _: Method,
    _: Method,
    _: Method,
    _: Method,
    client: Client,
) -> String {
    client.0
}
#[expect(
    clippy::too_many_arguments,
    clippy::needless_lifetimes,
    reason = "as many as there may be, and written out"
)]
fn eight_borrowed<'a>(
    _: Method,
    _: Method,
    _: Method,
    headers: &'a HeaderMap,
    _: Method,
    _: Method,
    _: Method,
    _: Client,
) -> &'a str {
    borrowed(headers).unwrap()
}
fn query(Query(who): Query<Who>) -> String {
    who.client
}
fn optional(client: Result<Query<Who>, QueryRejection>) -> Result<String, QueryRejection> {
    Ok(client?.0.client)
}
fn generic<const N: usize>(headers: &HeaderMap) -> Result<(&str, usize), StatusCode> {
    Ok((borrowed(headers)?, N))
}
const ONE: &str = "everybody";

struct Keys;
impl Keys {
    fn by_client(client: Client) -> Key {
        client.into_key()
    }
}

key!(a_function_that_borrows, tells_clients_apart, borrowed);
key!(
    a_function_that_borrows_all,
    tells_clients_apart,
    borrowed_parts
);
key!(
    an_async_function_that_borrows,
    tells_clients_apart,
    borrowed_async
);
key!(a_future, tells_clients_apart, borrowed_future);
key!(an_extractor, tells_clients_apart, owned);
key!(an_extractor_in_async, tells_clients_apart, owned_async);
key!(borrowing_last, tells_clients_apart, owned_first);
key!(borrowing_between, tells_clients_apart, between);
key!(eight_extractors, tells_clients_apart, eight);
key!(eight_with_one_borrowed, tells_clients_apart, eight_borrowed);
key!(a_query, tells_clients_apart, query);
key!(an_optional_query, tells_clients_apart, optional);
key!(turbofish, tells_clients_apart, generic::<3>);
key!(an_associated_function, tells_clients_apart, Keys::by_client);
key!(a_header, tells_clients_apart, header("client"));
key!(a_closure, tells_clients_apart, |client: Client| client);
key!(
    a_closure_that_borrows,
    tells_clients_apart,
    |headers: &HeaderMap| headers
        .get("client")
        .cloned()
        .ok_or(StatusCode::UNAUTHORIZED)
);
key!(
    a_closure_of_several,
    tells_clients_apart,
    |_: Method, Query(who): Query<Who>| who.client
);
key!(
    an_async_closure,
    tells_clients_apart,
    async |client: Client| client.0
);
key!(
    a_closure_with_a_future,
    tells_clients_apart,
    |client: Client| async move { Ok::<_, StatusCode>(client.0) }
);
key!(a_tuple, tells_clients_apart, (client_ip, borrowed));
key!(
    a_nested_tuple,
    tells_clients_apart,
    (client_ip, (borrowed_async, "v1"), owned)
);
key!(a_block, tells_clients_apart, { borrowed });
key!(in_parentheses, tells_clients_apart, (borrowed));

key!(by_address, counts_all_together, client_ip);
key!(the_function_for_everyone, counts_all_together, everyone);
key!(everyone_called, counts_all_together, everyone());
key!(unit, counts_all_together, ());
key!(a_constant, counts_all_together, ONE);
key!(a_tuple_of_constants, counts_all_together, ("all", 7));
key!(no_arguments, counts_all_together, || "all");

/// Leaving out a header never lifts a limit. Exempting is explicit.
#[tokio::test]
async fn a_limits_function_exempts_and_a_key_function_does_not() {
    fn unless_admin(headers: &HeaderMap) -> Option<Limits> {
        (borrowed(headers) != Ok("admin")).then(|| limits!("1/minute"))
    }
    #[rate_limit(unless_admin, key = borrowed)]
    async fn handler() {}
    #[rate_limit(unless_admin, key = (client_ip, borrowed))]
    async fn in_tuple() {}
    for router in [routed(handler), routed(in_tuple)] {
        for _ in 0..3 {
            assert_eq!(status(&router, from("admin")).await, 200);
        }
        assert_eq!(status(&router, get()).await, 401);
        tells_clients_apart(router).await;
    }
}

#[tokio::test]
async fn an_error_is_the_response() {
    fn known(headers: &HeaderMap) -> Result<&str, impl IntoResponse> {
        borrowed(headers).map_err(|status| (status, "who are you?"))
    }
    #[rate_limit("1/minute", key = known)]
    async fn handler() {}
    let router = routed(handler);
    assert_eq!(status(&router, get()).await, 401);
    tells_clients_apart(router).await;
}

#[tokio::test]
async fn a_rejection_is_the_response() {
    #[rate_limit("1/minute", key = owned)]
    async fn handler() {}
    let router = routed(handler);
    assert_eq!(status(&router, get()).await, 401);
    tells_clients_apart(router).await;
}
