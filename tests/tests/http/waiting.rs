//! Requests that wait for room in the queue of a budget, on tokio's paused clock.

use axum::{Router, body::Body, extract::ConnectInfo, response::Response, routing::post};
use http::{HeaderMap, Request, StatusCode};
use limit_runtime::{
    Limiter, LimiterBuilder, client_ip, clock::Clock, everyone, header, limits, rate_limit,
};
use std::{
    future::Future,
    net::SocketAddr,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};
use test_support::servers::{Server, patient};
use tokio::{
    task::{JoinHandle, JoinSet, yield_now},
    time::{Instant, sleep, timeout},
};
use tower::ServiceExt;

const OK: StatusCode = StatusCode::OK;
const LIMITED: StatusCode = StatusCode::TOO_MANY_REQUESTS;
const UNAUTHORIZED: StatusCode = StatusCode::UNAUTHORIZED;

/// What a client sees: the status, `Retry-After`, and milliseconds until the response.
type Seen = (StatusCode, Option<u64>, u128);

const fn served(after: u128) -> Seen {
    (OK, None, after)
}

const fn refused(retry_after: u64) -> Seen {
    (LIMITED, Some(retry_after), 0)
}

fn limited(router: Router, limiter: LimiterBuilder) -> Router {
    let limiter = limiter.clock(Clock::tokio()).build();
    router.layer(limiter.layer())
}

/// A router on a limiter with the default settings.
fn app(router: Router) -> Router {
    limited(router, Limiter::builder())
}

/// A request with this last byte of the client's address.
fn request(path: &str, client: u8, body: &str) -> Request<Body> {
    let address = SocketAddr::from(([192, 0, 2, client], 1234));
    Request::post(path)
        .header("x-api-key", "secret")
        .extension(ConnectInfo(address))
        .body(Body::from(body.to_owned()))
        .unwrap()
}

fn send_request(
    router: &Router,
    request: Request<Body>,
) -> impl Future<Output = Seen> + Send + use<> {
    let response = router.clone().oneshot(request);
    async move {
        let start = Instant::now();
        let response = response.await.unwrap();
        let retry_after = response.headers().get("retry-after");
        let retry_after = retry_after.map(|value| value.to_str().unwrap().parse().unwrap());
        (response.status(), retry_after, start.elapsed().as_millis())
    }
}

fn post_from(router: &Router, client: u8, path: &str) -> impl Future<Output = Seen> + Send + use<> {
    send_request(router, request(path, client, ""))
}

fn post_to(router: &Router, path: &str) -> impl Future<Output = Seen> + Send + use<> {
    post_from(router, 1, path)
}

/// Sends a request that is checked before this returns.
async fn start(sent: impl Future<Output = Seen> + Send + 'static) -> JoinHandle<Seen> {
    let task = tokio::spawn(sent);
    for _ in 0..64 {
        yield_now().await;
    }
    task
}

/// Sends so many requests, each after the other has been checked.
async fn post_at_once(router: &Router, path: &str, count: usize) -> Vec<Seen> {
    let mut tasks = Vec::new();
    for _ in 0..count {
        tasks.push(start(post_to(router, path)).await);
    }
    let mut seen = Vec::new();
    for task in tasks {
        seen.push(task.await.unwrap());
    }
    seen
}

#[rate_limit("1/2s", key = everyone, wait = "5s")]
async fn infer() {}

#[tokio::test(start_paused = true)]
async fn a_request_beyond_its_wait_is_refused_on_arrival_with_the_next_free_turn() {
    let router = app(Router::new().route("/", post(infer)));
    let seen = post_at_once(&router, "/", 6).await;
    let expected = [
        served(0),
        served(2_000),
        served(4_000),
        refused(6),
        refused(6),
        refused(6),
    ];
    assert_eq!(seen, expected);
    // The turn is exact, and no refused request took one.
    sleep(Duration::from_millis(1_999)).await;
    assert_eq!(post_to(&router, "/").await, served(1));
}

#[rate_limit("1/2s", key = user.as_str(), wait = "5s")]
async fn infer_for(user: String) {
    assert!(!user.is_empty());
}

#[tokio::test(start_paused = true)]
async fn requests_with_a_key_of_their_body_wait_in_its_own_queue() {
    let router = app(Router::new().route("/", post(infer_for)));
    let mut tasks = Vec::new();
    for user in ["ann", "ann", "ben", "ann", "ann", "ben"] {
        tasks.push(start(send_request(&router, request("/", 1, user))).await);
    }
    let mut seen = Vec::new();
    for task in tasks {
        seen.push(task.await.unwrap());
    }
    let expected = [
        served(0),
        served(2_000),
        served(0),
        served(4_000),
        refused(6),
        served(2_000),
    ];
    assert_eq!(seen, expected);
}

#[tokio::test(start_paused = true)]
async fn requests_wait_for_a_layer_with_a_wait() {
    let limiter = Limiter::builder().clock(Clock::tokio()).build();
    let layer = limiter.limit_layer("layer", limits!("1/2s")).key(everyone);
    let router = Router::new()
        .route("/", post(|| async {}))
        .layer(layer.wait(Duration::from_secs(5)));
    let seen = post_at_once(&router, "/", 5).await;
    let expected = [
        served(0),
        served(2_000),
        served(4_000),
        refused(6),
        refused(6),
    ];
    assert_eq!(seen, expected);
}

#[tokio::test(start_paused = true)]
async fn every_strategy_has_exact_turns_for_equal_costs() {
    #[rate_limit("2/4s", key = everyone, strategy = fixed_window, wait = "9s")]
    async fn fixed() {}
    #[rate_limit("1/2s", key = everyone, strategy = gcra(burst = 2), wait = "5s")]
    async fn bucket() {}
    let routes = Router::new()
        .route("/fixed", post(fixed))
        .route("/bucket", post(bucket));
    let router = app(routes);
    let fixed = [
        served(0),
        served(0),
        served(4_000),
        served(4_000),
        served(8_000),
        served(8_000),
        refused(12),
        refused(12),
    ];
    assert_eq!(post_at_once(&router, "/fixed", 8).await, fixed);
    let bucket = [
        served(0),
        served(0),
        served(2_000),
        served(4_000),
        refused(6),
        refused(6),
    ];
    assert_eq!(post_at_once(&router, "/bucket", 6).await, bucket);
}

#[tokio::test(start_paused = true)]
async fn without_room_in_the_queue_a_request_is_refused_and_not_kept() {
    #[rate_limit("1/100ms", key = everyone, wait = "1s")]
    async fn infer() {}
    let routes = Router::new().route("/", post(infer));
    let router = limited(routes, Limiter::builder().max_waiting(0));
    assert_eq!(post_to(&router, "/").await, served(0));
    assert_eq!(post_to(&router, "/").await, refused(1));
    sleep(Duration::from_millis(300)).await;
    assert_eq!(post_to(&router, "/").await, served(0));
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_refuses_with_the_next_free_turn() {
    #[rate_limit("1/second", key = everyone, wait = "60s")]
    async fn infer() {}
    let routes = Router::new().route("/", post(infer));
    let router = limited(routes, Limiter::builder().max_waiting(2));
    let expected = [
        served(0),
        served(1_000),
        served(2_000),
        refused(3),
        refused(3),
    ];
    assert_eq!(post_at_once(&router, "/", 5).await, expected);
    // It is empty again.
    assert_eq!(post_to(&router, "/").await, served(1_000));
}

#[tokio::test(start_paused = true)]
async fn the_queue_of_one_client_holds_back_no_other() {
    #[rate_limit("1_000/second", key = everyone, wait = "3s")]
    #[rate_limit("1/2s", key = client_ip, wait = "3s")]
    async fn infer() {}
    #[rate_limit("1/2s", key = client_ip, wait = "3s")]
    #[rate_limit("1_000/second", key = everyone, wait = "3s")]
    async fn the_other_way_round() {}
    let routes = Router::new()
        .route("/a", post(infer))
        .route("/b", post(the_other_way_round));
    let router = app(routes);
    for path in ["/a", "/b"] {
        let mut of_one_client = Vec::new();
        for _ in 0..70 {
            of_one_client.push(start(post_from(&router, 1, path)).await);
        }
        let other = timeout(Duration::ZERO, post_from(&router, 2, path)).await;
        assert_eq!(other.unwrap(), served(0));
        let mut seen = Vec::new();
        for task in of_one_client {
            seen.push(task.await.unwrap());
        }
        assert_eq!(seen[..3], [served(0), served(2_000), refused(4)]);
        assert!(seen[3..].iter().all(|seen| *seen == refused(4)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_rule_without_a_wait_that_refuses_refuses_at_once() {
    #[rate_limit("1/2s", key = everyone, name = "patient", wait = "60s")]
    #[rate_limit("1/10s", key = client_ip, name = "impatient")]
    async fn infer() {}
    let router = app(Router::new().route("/", post(infer)));
    assert_eq!(post_from(&router, 1, "/").await, served(0));
    let waiter = start(post_from(&router, 2, "/")).await;
    assert_eq!(post_from(&router, 1, "/").await, refused(10));
    assert_eq!(waiter.await.unwrap(), served(2_000));
}

/// Handlers that draw on one budget, of which one lets requests wait.
#[tokio::test(start_paused = true)]
async fn a_request_that_may_not_wait_does_not_overtake() {
    #[rate_limit("10/2s", key = everyone, scope = "model", cost = 8, wait = "60s")]
    async fn large() {}
    #[rate_limit("10/2s", key = everyone, scope = "model", cost = 2)]
    async fn small() {}
    #[rate_limit("10/2s", key = everyone, scope = "another", cost = 2)]
    async fn other() {}
    let routes = Router::new()
        .route("/large", post(large))
        .route("/small", post(small))
        .route("/other", post(other));
    let router = app(routes);
    assert_eq!(post_to(&router, "/large").await, served(0));
    let waiter = start(post_to(&router, "/large")).await;
    // Two units are left, but the waiter was there before.
    assert_eq!(post_to(&router, "/small").await, refused(2));
    assert_eq!(post_to(&router, "/other").await, served(0));
    assert_eq!(waiter.await.unwrap(), served(2_000));
    assert_eq!(post_to(&router, "/small").await, served(0));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_cancelled_leaves_its_place_to_the_next() {
    let router = app(Router::new().route("/", post(infer)));
    assert_eq!(post_to(&router, "/").await, served(0));
    let first = start(post_to(&router, "/")).await;
    let second = start(post_to(&router, "/")).await;
    assert_eq!(post_to(&router, "/").await, refused(6));
    first.abort();
    assert!(first.await.is_err());
    // There is a turn again.
    let third = start(post_to(&router, "/")).await;
    assert_eq!(second.await.unwrap(), served(2_000));
    assert_eq!(third.await.unwrap(), served(4_000));
}

#[tokio::test(start_paused = true)]
async fn a_refunded_charge_goes_to_the_first_waiter() {
    #[rate_limit(
        "1/minute",
        key = everyone,
        wait = "60s",
        count_when = |response: &Response| response.status() == UNAUTHORIZED
    )]
    async fn login(body: String) -> StatusCode {
        sleep(Duration::from_secs(1)).await;
        if body == "wrong" { UNAUTHORIZED } else { OK }
    }
    let router = app(Router::new().route("/", post(login)));
    let mut tasks = Vec::new();
    for body in ["right", "wrong"] {
        tasks.push(start(send_request(&router, request("/", 1, body))).await);
    }
    // Each takes a second; the second one begins when the first one has not counted.
    assert_eq!(tasks.remove(0).await.unwrap(), served(1_000));
    let wrong = tasks.remove(0).await.unwrap();
    assert_eq!(wrong, (UNAUTHORIZED, None, 2_000));
    // That one has counted.
    assert_eq!(post_to(&router, "/").await, (OK, None, 60_000));
}

#[tokio::test(start_paused = true)]
async fn a_charge_over_the_arguments_waits_and_its_peek_does_not() {
    #[rate_limit("10/2s", key = everyone, cost = body.len(), wait = "5s")]
    async fn embed(body: String) -> String {
        body
    }
    let router = app(Router::new().route("/", post(embed)));
    let send = |body: &str| send_request(&router, request("/", 1, body));
    assert_eq!(send("ten units.").await, served(0));
    let ten = start(send("ten units.")).await;
    let four = start(send("four")).await;
    let six = start(send("is six")).await;
    // Those have their turns after 2, 4 and 4 s. The next one is after 6 s, beyond the wait:
    // refused before the body is read.
    assert_eq!(send("x").await, refused(6));
    assert_eq!(ten.await.unwrap(), served(2_000));
    assert_eq!(four.await.unwrap(), served(4_000));
    assert_eq!(six.await.unwrap(), served(4_000));
    assert_eq!(send("more than ten").await.0, LIMITED);
}

/// A request that a key function rejects counts, but is not worth a wait.
#[tokio::test(start_paused = true)]
async fn a_request_that_a_key_function_rejects_neither_waits_nor_overtakes() {
    fn account(headers: &HeaderMap) -> Result<String, StatusCode> {
        match headers.get("x-account") {
            Some(account) => Ok(format!("{account:?}")),
            None => Err(UNAUTHORIZED),
        }
    }
    #[rate_limit("10/2s", key = everyone, scope = "model", cost = 3, wait = "60s")]
    #[rate_limit("100/second", key = account)]
    async fn login() {}
    #[rate_limit("10/2s", key = everyone, scope = "model", cost = 6, wait = "60s")]
    async fn large() {}
    let routes = Router::new()
        .route("/login", post(login))
        .route("/large", post(large));
    let router = app(routes);
    // It counts.
    let rejected = (UNAUTHORIZED, None, 0);
    assert_eq!(post_to(&router, "/login").await, rejected);
    assert_eq!(post_to(&router, "/large").await, served(0));
    // One unit is left.
    assert_eq!(post_to(&router, "/login").await, refused(2));
    sleep(Duration::from_secs(2)).await;
    assert_eq!(post_to(&router, "/large").await, served(0));
    let waiter = start(post_to(&router, "/large")).await;
    // Four are left, but for the one that waits.
    assert_eq!(post_to(&router, "/login").await, refused(2));
    assert_eq!(waiter.await.unwrap(), served(2_000));
}

/// No function of the application runs for a request that a cheap rule's queue refuses.
#[tokio::test(start_paused = true)]
async fn a_turn_beyond_the_wait_is_seen_before_functions_are_called() {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    fn account() -> u32 {
        CALLS.fetch_add(1, Ordering::Relaxed)
    }
    #[rate_limit("1_000/second", key = account)]
    #[rate_limit("1/2s", key = everyone, wait = "5s")]
    async fn infer() {}
    let router = app(Router::new().route("/", post(infer)));
    let seen = post_at_once(&router, "/", 20).await;
    assert_eq!(seen[..3], [served(0), served(2_000), served(4_000)]);
    assert!(seen[3..].iter().all(|seen| *seen == refused(6)), "{seen:?}");
    assert_eq!(CALLS.load(Ordering::Relaxed), 3);
}

/// Two rules with one budget, which is seen only at run time: the stricter wait holds.
#[tokio::test(start_paused = true)]
async fn rules_that_share_a_budget_wait_as_long_as_each_allows() {
    use limit_runtime::everyone as all;
    #[rate_limit("1/2s", key = everyone, scope = "shared", wait = "5s")]
    #[rate_limit("10/minute", key = all, scope = "shared", wait = "3s")]
    async fn infer() {}
    let router = app(Router::new().route("/", post(infer)));
    let seen = post_at_once(&router, "/", 4).await;
    assert_eq!(seen, [served(0), served(2_000), refused(4), refused(4)]);
}

/// Of two rules that refuse one after the other, the second one is waited for as well.
#[tokio::test(start_paused = true)]
async fn a_request_is_checked_by_all_rules_at_its_turn() {
    #[rate_limit("1/2s", key = header("x-api-key"), scope = "keys", wait = "60s")]
    #[rate_limit("1/5s", key = everyone, scope = "model", wait = "60s")]
    async fn infer() {}
    #[rate_limit("1/2s", key = header("x-api-key"), scope = "keys")]
    async fn status() {}
    #[rate_limit("1/5s", key = everyone, scope = "model")]
    async fn model() {}
    let routes = Router::new()
        .route("/infer", post(infer))
        .route("/status", post(status))
        .route("/model", post(model));
    let router = app(routes);
    assert_eq!(post_to(&router, "/status").await, served(0));
    let waiter = start(post_to(&router, "/infer")).await;
    sleep(Duration::from_secs(1)).await;
    // The waiter is not in the queue of this one, which has room.
    assert_eq!(post_to(&router, "/model").await, served(0));
    sleep(Duration::from_secs(2)).await;
    // It has moved from the queue of the first rule to that of the second, and consumed nothing.
    assert_eq!(post_to(&router, "/status").await, served(0));
    assert_eq!(post_to(&router, "/model").await, refused(8));
    assert_eq!(waiter.await.unwrap(), served(6_000));
}

/// Real time: the server's clock is not paused.
#[tokio::test]
async fn requests_wait_for_room_in_redis() {
    #[rate_limit("1/400ms", key = everyone, wait = "1s")]
    async fn infer() {}
    let server = Server::redis();
    let limiter = patient(&server.url()).await;
    let routes = Router::new().route("/", post(infer));
    let router = routes.layer(limiter.layer());
    let mut tasks = JoinSet::new();
    for _ in 0..6 {
        tasks.spawn(post_to(&router, "/"));
    }
    let mut seen = tasks.join_all().await;
    seen.sort_unstable();
    let statuses: Vec<_> = seen.iter().map(|&(status, ..)| status).collect();
    assert_eq!(statuses, [OK, OK, OK, LIMITED, LIMITED, LIMITED]);
    let (second, third) = (seen[1].2, seen[2].2);
    assert!((350..800).contains(&second), "{seen:?}");
    assert!((750..1_200).contains(&third), "{seen:?}");
    // The next turn is after 1.2 s; the refusals came long before.
    for refused in &seen[3..] {
        assert_eq!(refused.1, Some(2), "{seen:?}");
        assert!(refused.2 < 350, "{seen:?}");
    }
}
