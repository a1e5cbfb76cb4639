//! Checks through Redis, by turns with one `EVALSHA` for each check on one multiplexed connection,
//! and with the crate `tower-rate-limit-redis`.
//!
//! `cargo bench -p limit-benches --bench redis_peers [loopback|delay|deadline] [ms per turn]`
//! needs `redis-server`.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::float_arithmetic,
    clippy::cast_precision_loss
)]

use axum::{body::Body, http::Request, http::Response};
use limit_benches::load::Load;
use limit_runtime::{
    IntoKey, Limiter, Limits, Strategy, limits,
    store::{Action, Charge, Scope, Store, redis::RedisStore},
};
use std::{
    convert::Infallible,
    future::Future,
    io::{BufRead, BufReader, Write},
    net::TcpStream,
    num::NonZeroU64,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use test_support::{proxy::Proxy, servers::Server};
use tower::{Layer, Service, service_fn};
use tower_rate_limit_redis::{KeyResolver, RateLimitLayer};

/// Checks without an answer, such as those that timed out on a busy machine.
static FAILED: AtomicUsize = AtomicUsize::new(0);

const TURNS: usize = 5;
const KEYS: usize = 1000;
const COUNT: u64 = 1_000_000;
const LIMITS: Limits = limits!("1000000/minute");
const WINDOW_MICROS: u64 = 60_000_000;

/// The strategies, with their index in the scripts.
fn strategies() -> [(&'static str, Strategy, u8); 3] {
    let burst = NonZeroU64::new(COUNT).unwrap();
    [
        ("GCRA", Strategy::Gcra { burst }, 4),
        ("fixed window", Strategy::FixedWindow, 2),
        ("moving window", Strategy::MovingWindow, 1),
    ]
}

type Hit = Arc<dyn Fn(usize) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// Something that can check a key.
struct Contender {
    name: String,
    hit: Hit,
}

impl Contender {
    fn new<F: Future<Output = ()> + Send + 'static>(
        name: impl Into<String>,
        hit: impl Fn(usize) -> F + Send + Sync + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            hit: Arc::new(move |key| Box::pin(hit(key))),
        }
    }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let args: Vec<String> = std::env::args().collect();
    let millis = args.iter().find_map(|arg| arg.parse().ok()).unwrap_or(400);
    let turn = Duration::from_millis(millis);
    let wants = |name: &str| {
        let named = ["loopback", "delay", "deadline"].map(str::to_owned);
        args.iter().any(|arg| arg == name) || !args.iter().any(|arg| named.contains(arg))
    };
    let server = Server::redis();
    if wants("loopback") {
        loopback(&server, turn).await;
    }
    if wants("delay") {
        delay(&server, turn).await;
    }
    if wants("deadline") {
        deadline(&server).await;
    }
}

/// On loopback, with the time that the server's `EVALSHA` takes for each check.
async fn loopback(server: &Server, turn: Duration) {
    let mut contenders = vec![peer(server).await, empty(server).await];
    for strategy in strategies() {
        contenders.push(each(server.port(), &server.url(), strategy).await);
        contenders.push(store(&server.url(), strategy));
    }
    for tasks in [1, 8, 64, 512] {
        let rows = by_turns(&contenders, tasks, turn, Some(server.port())).await;
        println!(
            "\nloopback, {tasks} tasks: checks/s, ratio to the crate, p50, server us per check"
        );
        report(&contenders, &rows, 0);
    }
}

/// Through a proxy that delays each direction.
async fn delay(server: &Server, turn: Duration) {
    let proxy = Proxy::to(server.port());
    let [_, _, moving] = strategies();
    let contenders = vec![
        each(server.port(), &proxy.url(), moving).await,
        store(&proxy.url(), moving),
    ];
    for millis in [0, 1, 5, 20] {
        proxy.set_round_trip(Duration::from_millis(millis), Duration::ZERO);
        for tasks in [4, 16, 64, 256] {
            let turn = turn.max(Duration::from_millis(30 * millis));
            let rows = by_turns(&contenders, tasks, turn, None).await;
            println!("\nproxy, round trip {millis} ms, {tasks} tasks: checks/s, ratio, p50, ratio");
            report(&contenders, &rows, 0);
        }
    }
}

/// The default deadline of 50 ms at a round trip of 26 ± 2 ms.
async fn deadline(server: &Server) {
    let proxy = Proxy::to(server.port());
    let limiter = Limiter::connect(&proxy.url()).await.unwrap();
    proxy.set_round_trip(Duration::from_millis(26), Duration::from_millis(2));
    let start = Instant::now();
    let tasks: Vec<_> = (0..64_usize)
        .map(|task| {
            let limiter = limiter.clone();
            tokio::spawn(async move {
                for hit in 0..100_000 / 64 + 1 {
                    let key = u64::try_from((task * 131 + hit) % KEYS).unwrap();
                    limiter.check(&LIMITS, key).scope("deadline").await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let health = limiter.health();
    println!(
        "\n26 +- 2 ms, 64 tasks: {} checks in {:.1?}, {} failed, {} by the fallback",
        health.answered,
        start.elapsed(),
        health.failed,
        health.fallbacks
    );
}

fn store(url: &str, (name, strategy, _): (&str, Strategy, u8)) -> Contender {
    let store = Arc::new(RedisStore::new(url).unwrap());
    Contender::new(format!("ours, {name}"), move |key| {
        let store = store.clone();
        async move {
            let key = u64::try_from(key).unwrap().into_key();
            let charge = Charge::new(Scope::shared("bench"), &key, &LIMITS).strategy(strategy);
            if store.check(&[charge], Action::Consume).await.is_err() {
                FAILED.fetch_add(1, Ordering::Relaxed);
            }
        }
    })
}

/// Our script with one `EVALSHA` for each check.
async fn each(port: u16, url: &str, (name, strategy, index): (&str, Strategy, u8)) -> Contender {
    let sha = sha_of(port, strategy).await;
    let mut packed = vec![0, 0, 0, 0, 1, 0, 0, 0, 0, index];
    for number in [COUNT, WINDOW_MICROS, 1, COUNT] {
        packed.extend(number.to_be_bytes());
    }
    evalsha_each(url, format!("one EVALSHA each, {name}"), sha, index, packed).await
}

async fn empty(server: &Server) -> Contender {
    let client = redis::Client::open(server.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let mut load = redis::cmd("SCRIPT");
    load.arg("LOAD").arg("return 1");
    let sha: String = load.query_async(&mut connection).await.unwrap();
    evalsha_each(
        &server.url(),
        "one EVALSHA each, `return 1`".into(),
        sha,
        9,
        vec![0],
    )
    .await
}

async fn evalsha_each(
    url: &str,
    name: String,
    sha: String,
    index: u8,
    packed: Vec<u8>,
) -> Contender {
    let info: redis::ConnectionInfo = redis::IntoConnectionInfo::into_connection_info(url).unwrap();
    // As the store's connection. Without it, a command waits for the reply to the one before it.
    let tcp = redis::io::tcp::TcpSettings::default().set_nodelay(true);
    let client = redis::Client::open(info.set_tcp_settings(tcp)).unwrap();
    let config = redis::AsyncConnectionConfig::new()
        .set_response_timeout(Some(Duration::from_millis(500)))
        .set_pipeline_buffer_size(1024);
    let connection = client.get_multiplexed_async_connection_with_config(&config);
    let connection = connection.await.unwrap();
    let shared = Arc::new((sha, packed));
    Contender::new(name, move |key| {
        let (mut connection, shared) = (connection.clone(), shared.clone());
        async move {
            let key = format!("each:{{{key:040x}}}:{index}60000");
            let mut command = redis::cmd("EVALSHA");
            command.arg(&shared.0).arg(1).arg(key).arg(&shared.1);
            let reply = command.query_async::<redis::Value>(&mut connection).await;
            if reply.is_err() {
                FAILED.fetch_add(1, Ordering::Relaxed);
            }
        }
    })
}

/// The hash of the script that answers a check, as `MONITOR` shows it.
async fn sha_of(port: u16, strategy: Strategy) -> String {
    let mut monitor = TcpStream::connect(("127.0.0.1", port)).unwrap();
    monitor.write_all(b"MONITOR\r\n").unwrap();
    let mut lines = BufReader::new(monitor).lines();
    lines.next().unwrap().unwrap();
    let store = RedisStore::new(&format!("redis://127.0.0.1:{port}")).unwrap();
    let key = "sha".into_key();
    let charge = Charge::new(Scope::shared("sha"), &key, &LIMITS).strategy(strategy);
    // The first check sends the text of the script, the second one its hash.
    for _ in 0..2 {
        while store.check(&[charge], Action::Consume).await.is_err() {}
    }
    let found = lines.map_while(Result::ok).find_map(|line| {
        let (_, rest) = line.split_once("\"EVALSHA\" \"")?;
        let sha = rest.split('"').next()?;
        // A new connection asks for a script that there is not.
        (!sha.starts_with("0000")).then(|| sha.to_owned())
    });
    found.unwrap()
}

#[derive(Clone)]
struct HeaderKey;

impl KeyResolver for HeaderKey {
    type Key = String;
    type ErrorBody = Body;

    fn key<T>(&self, request: &Request<T>) -> Result<Self::Key, Response<Self::ErrorBody>> {
        Ok(request.uri().path().to_owned())
    }
}

async fn peer(server: &Server) -> Contender {
    let client = peer_redis::Client::open(server.url()).unwrap();
    let connection = client.get_multiplexed_async_connection().await.unwrap();
    let layer = RateLimitLayer::builder()
        .conn(connection)
        .key_resolver(HeaderKey)
        .capacity(60_000)
        .emission_interval(Duration::from_millis(1))
        .timeout(Duration::from_millis(500))
        .build();
    let service = layer.layer(service_fn(|_: Request<Body>| async {
        Ok::<_, Infallible>(Response::new(Body::empty()))
    }));
    Contender::new("the crate tower-rate-limit-redis", move |key| {
        let mut service = service.clone();
        async move {
            let request = Request::builder().uri(format!("/{key:040x}"));
            let response = service.call(request.body(Body::empty()).unwrap()).await;
            drop(response);
        }
    })
}

/// What one contender did in one turn.
struct Row {
    rate: f64,
    p50: Duration,
    /// Microseconds of the server for each check.
    server: f64,
}

/// The rows of each contender, one for each turn.
async fn by_turns(
    contenders: &[Contender],
    tasks: usize,
    turn: Duration,
    port: Option<u16>,
) -> Vec<Vec<Row>> {
    let mut rows: Vec<Vec<Row>> = contenders.iter().map(|_| Vec::new()).collect();
    for contender in contenders {
        run(&contender.hit, tasks, turn / 4).await;
    }
    for number in 0..TURNS {
        for place in 0..contenders.len() {
            let place = (place + number) % contenders.len();
            let before = port.map(script_micros);
            let load = run(&contenders[place].hit, tasks, turn).await;
            let micros = port
                .map(script_micros)
                .zip(before)
                .map(|(now, then)| now - then);
            rows[place].push(Row {
                rate: load.rate(),
                p50: load.percentile(50),
                server: micros.unwrap_or_default() / load.calls() as f64,
            });
        }
    }
    rows
}

fn report(contenders: &[Contender], rows: &[Vec<Row>], reference: usize) {
    let failed = FAILED.swap(0, Ordering::Relaxed);
    if failed > 0 {
        println!("  {failed} checks failed");
    }
    for (contender, of_it) in contenders.iter().zip(rows) {
        let pairs = || of_it.iter().zip(&rows[reference]);
        let median = |values: Vec<f64>| {
            let mut values = values;
            values.sort_by(f64::total_cmp);
            values[values.len() / 2]
        };
        println!(
            "  {:<40} {:>8.0}/s  {:>5.2} x   p50 {:>7.0} us  {:>5.2} x   {:>6.2} us",
            contender.name,
            median(of_it.iter().map(|row| row.rate).collect()),
            median(pairs().map(|(row, other)| row.rate / other.rate).collect()),
            median(
                of_it
                    .iter()
                    .map(|row| row.p50.as_secs_f64() * 1e6)
                    .collect()
            ),
            median(
                pairs()
                    .map(|(row, other)| row.p50.as_secs_f64() / other.p50.as_secs_f64())
                    .collect()
            ),
            median(of_it.iter().map(|row| row.server).collect()),
        );
    }
}

async fn run(hit: &Hit, tasks: usize, turn: Duration) -> Load {
    let hit = hit.clone();
    Load::run(tasks, turn, move |task, number| {
        hit((task * 131 + number) % KEYS)
    })
    .await
}

/// The microseconds that the server has spent in `EVALSHA`.
fn script_micros(port: u16) -> f64 {
    let info = test_support::servers::ask(port, "INFO commandstats").unwrap();
    let line = info
        .lines()
        .find(|line| line.starts_with("cmdstat_evalsha:"));
    let micros = line.and_then(|line| line.split("usec=").nth(1)?.split(',').next()?.parse().ok());
    micros.unwrap_or_default()
}
