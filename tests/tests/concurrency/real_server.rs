//! Many clients at once, over real sockets.

use crate::Server;
use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    routing::get,
};
use futures_util::{StreamExt, stream};
use http::StatusCode;
use limit_runtime::{Limiter, bearer, rate_limit};
use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::task::JoinSet;

/// Counts the requests whose work is going on.
#[derive(Clone, Default)]
struct Model {
    now: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
    served: Arc<AtomicUsize>,
}

struct Work(Model);

impl Model {
    fn start(&self) -> Work {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        self.served.fetch_add(1, Ordering::SeqCst);
        Work(self.clone())
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::SeqCst);
    }
}

fn tokens(work: Work) -> Body {
    let words = stream::unfold((0, work), |(count, work)| async move {
        tokio::time::sleep(Duration::from_millis(2)).await;
        (count < 10).then(|| (Bytes::from_static(b"word "), (count + 1, work)))
    });
    Body::from_stream(words.map(Ok::<_, Infallible>))
}

#[rate_limit(concurrency = 2, key = bearer)]
async fn refusing(State(model): State<Model>) -> Body {
    tokens(model.start())
}

#[rate_limit(concurrency = 2, key = bearer, wait = "60s")]
async fn queuing(State(model): State<Model>) -> Body {
    tokens(model.start())
}

async fn start(model: &Model, limiter: &Limiter) -> Server {
    let router = Router::new()
        .route("/refusing", get(refusing))
        .route("/queuing", get(queuing))
        .layer(limiter.layer())
        .with_state(model.clone());
    Server::start(router).await
}

async fn get_all(server: &Server, path: &str, count: usize) -> Vec<(StatusCode, usize)> {
    let client = reqwest::Client::new();
    let mut requests = JoinSet::new();
    for _ in 0..count {
        let request = client.get(server.url(path)).bearer_auth("ann");
        requests.spawn(async move {
            let response = request.send().await.unwrap();
            (response.status(), response.bytes().await.unwrap().len())
        });
    }
    requests.join_all().await
}

async fn assert_nothing_left(limiter: &Limiter) {
    let done = async {
        while limiter.usage().unwrap().permits > 0 {
            tokio::task::yield_now().await;
        }
    };
    let done = tokio::time::timeout(Duration::from_secs(10), done).await;
    done.expect("a permit is left");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_more_than_two_of_forty_requests_are_in_flight() {
    let (model, limiter) = (Model::default(), Limiter::builder().build());
    let server = start(&model, &limiter).await;
    let answers = get_all(&server, "/refusing", 40).await;
    let served = answers.iter().filter(|(status, _)| *status == 200).count();
    let refused = answers.iter().filter(|(status, _)| *status == 429).count();
    assert_eq!(served + refused, 40);
    assert!(served >= 2 && refused > 0, "{served} served");
    assert_eq!(model.most.load(Ordering::SeqCst), 2);
    assert_nothing_left(&limiter).await;
    assert_eq!(model.now.load(Ordering::SeqCst), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn forty_requests_that_wait_are_all_served_two_at_a_time() {
    let (model, limiter) = (Model::default(), Limiter::builder().build());
    let server = start(&model, &limiter).await;
    let answers = get_all(&server, "/queuing", 40).await;
    assert!(
        answers.iter().all(|answer| *answer == (StatusCode::OK, 50)),
        "{answers:?}"
    );
    assert_eq!(model.most.load(Ordering::SeqCst), 2);
    assert_nothing_left(&limiter).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn clients_that_leave_in_the_middle_leave_no_permit() {
    let (model, limiter) = (Model::default(), Limiter::builder().build());
    let server = start(&model, &limiter).await;
    for round in 0..40 {
        let client = reqwest::Client::new();
        let request = client.get(server.url("/queuing")).bearer_auth("ann");
        let mut response = request.send().await.unwrap();
        for _ in 0..round % 4 {
            response.chunk().await.unwrap();
        }
        drop((response, client));
    }
    assert_nothing_left(&limiter).await;
    assert!(model.most.load(Ordering::SeqCst) <= 2);
    assert_eq!(model.served.load(Ordering::SeqCst), 40);
}
