//! What a client of each library sees, one row for each property, in 20 seconds:
//! `cargo bench -p limit-benches --bench peers`.
//!
//! The same requests go through this library's attribute and through the layer of `tower_governor`.
//! throttlecrab has no layer: its limiter is asked directly, as is governor's where the layer adds
//! nothing. Time is real, except where memory is measured.
#![allow(
    clippy::unwrap_used,
    clippy::float_arithmetic,
    clippy::cast_precision_loss,
    missing_docs,
    reason = "these are measurements"
)]

use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, Request},
    http::{HeaderMap, StatusCode},
    response::Response,
    routing::{MethodRouter, get},
};
use governor::{
    DefaultKeyedRateLimiter, Quota, RateLimiter,
    clock::{Clock, DefaultClock, FakeRelativeClock, QuantaInstant},
    middleware::NoOpMiddleware,
    state::keyed::DefaultKeyedStateStore,
};
use limit_benches::{
    check, check_peer, handlers,
    keys::{KeyNumbers, Order, address, text},
    ready,
    turns::{Contender, Turns},
};
use limit_runtime::{
    ForwardedHeader, HeaderStyle, Limiter, Limits, Strategy, TrustedProxies, client_ip,
    clock::TestClock, everyone, limits, rate_limit,
};
use std::{
    cell::Cell,
    hash::Hash,
    hint::black_box,
    net::{IpAddr, SocketAddr},
    num::NonZeroU32,
    sync::{Mutex, PoisonError},
    thread,
    time::{Duration, Instant, SystemTime},
};
use throttlecrab::{AdaptiveStore, RateLimiter as Throttlecrab};
use tower::Service;
use tower_governor::{
    GovernorLayer,
    governor::GovernorConfigBuilder,
    key_extractor::{GlobalKeyExtractor, KeyExtractor, PeerIpKeyExtractor, SmartIpKeyExtractor},
};

const OURS: &str = "limit-runtime";
const LAYER: &str = "tower_governor";
const CRAB: &str = "throttlecrab";

const WINDOW: Duration = Duration::from_secs(2);
const DAY: Duration = Duration::from_secs(86_400);

#[rate_limit("10/2s", key = client_ip)]
async fn ten() {}

#[rate_limit("10/2s", key = client_ip, strategy = gcra(burst = 10))]
async fn ten_under_gcra() {}

#[rate_limit("2/3s", key = client_ip)]
async fn two() {}

#[rate_limit("5/day", key = client_ip)]
async fn five_a_day() {}

#[rate_limit("20/day", key = everyone)]
#[rate_limit("2/day", key = client_ip)]
async fn everyone_first() {}

#[rate_limit("2/day", key = client_ip)]
#[rate_limit("20/day", key = everyone)]
async fn client_first() {}

/// A route under a limiter of its own.
fn ours(limiter: &Limiter, handler: MethodRouter) -> Router {
    Router::new().route("/", handler).layer(limiter.layer())
}

type Layer<K> = GovernorLayer<K, NoOpMiddleware<QuantaInstant>, Body>;

/// `burst` requests at once, and as many more in each window.
fn layer<K: KeyExtractor>(key: K, burst: u32, window: Duration) -> Layer<K> {
    let mut config = GovernorConfigBuilder::default();
    let config = config.period(window / burst).burst_size(burst);
    GovernorLayer::new(config.key_extractor(key).finish().unwrap())
}

fn bare() -> Router {
    Router::new().route("/", get(handlers::bare))
}

/// What came of a request.
struct Answer {
    allowed: bool,
    /// The wait that a refusal states, and in which field.
    waits: Vec<(&'static str, Duration)>,
}

impl Answer {
    fn of(response: &Response) -> Self {
        let status = response.status();
        assert!(
            matches!(status, StatusCode::OK | StatusCode::TOO_MANY_REQUESTS),
            "{status}"
        );
        let number = |headers: &HeaderMap, name| headers.get(name)?.to_str().ok()?.parse().ok();
        let field = |name: &'static str, unit: fn(u64) -> Duration| {
            Some((name, unit(number(response.headers(), name)?)))
        };
        let waits = [
            field("retry-after", Duration::from_secs),
            field("retry-after-ms", Duration::from_millis),
        ];
        Self {
            allowed: status == StatusCode::OK,
            waits: waits.into_iter().flatten().collect(),
        }
    }

    fn of_function(refused: Option<Duration>) -> Self {
        Self {
            allowed: refused.is_none(),
            waits: refused.map(|wait| ("function", wait)).into_iter().collect(),
        }
    }
}

fn send(router: &mut Router, peer: IpAddr, forwarded: Option<&str>) -> Answer {
    let mut request = Request::get("/").body(Body::empty()).unwrap();
    let address = SocketAddr::from((peer, 40_000));
    request.extensions_mut().insert(ConnectInfo(address));
    if let Some(forwarded) = forwarded {
        let value = forwarded.parse().unwrap();
        request.headers_mut().insert("x-forwarded-for", value);
    }
    Answer::of(&ready(router.call(request)).unwrap())
}

/// One client of a limiter: each call is a request.
type Client = Box<dyn FnMut() -> Answer + Send>;

fn through(mut router: Router) -> Client {
    Box::new(move || send(&mut router, address(1), None))
}

fn governor_itself(burst: u32, window: Duration) -> Client {
    let quota = Quota::with_period(window / burst).unwrap();
    let quota = quota.allow_burst(NonZeroU32::new(burst).unwrap());
    let peer: DefaultKeyedRateLimiter<IpAddr> = RateLimiter::keyed(quota);
    let clock = DefaultClock::default();
    Box::new(move || {
        let refused = peer.check_key(&address(1)).err();
        Answer::of_function(refused.map(|refused| refused.wait_time_from(clock.now())))
    })
}

fn throttlecrab_itself(burst: i64, seconds: i64) -> Client {
    let mut crab = Throttlecrab::new(AdaptiveStore::new());
    Box::new(move || {
        let result = crab.rate_limit("client", burst, burst, seconds, 1, SystemTime::now());
        let (allowed, result) = result.unwrap();
        Answer::of_function((!allowed).then_some(result.retry_after))
    })
}

/// A client of each library, under a handler's limit of `burst` in this number of seconds.
fn clients(handler: MethodRouter, burst: u32, seconds: u32) -> Vec<(&'static str, Client)> {
    let window = Duration::from_secs(seconds.into());
    let layered = bare().layer(layer(PeerIpKeyExtractor, burst, window));
    vec![
        (OURS, through(ours(&Limiter::new(), handler))),
        (LAYER, through(layered)),
        ("governor itself", governor_itself(burst, window)),
        (CRAB, throttlecrab_itself(burst.into(), seconds.into())),
    ]
}

/// Each client on a thread of its own, at the same time.
fn at_once<T: Send>(
    clients: Vec<(&'static str, Client)>,
    run: impl Fn(Client) -> T + Sync,
) -> Vec<(&'static str, T)> {
    thread::scope(|scope| {
        let run = &run;
        let start = |(name, client)| (name, scope.spawn(move || run(client)));
        let running: Vec<_> = clients.into_iter().map(start).collect();
        let end = running.into_iter();
        end.map(|(name, it)| (name, it.join().unwrap())).collect()
    })
}

/// Between two requests of a client that is not patient.
const PAUSE: Duration = Duration::from_micros(500);

/// The times before and after each admitted request of a client that sends as fast as it can, and
/// the first refusal.
fn greedy(mut client: Client) -> (Vec<(Instant, Instant)>, Answer) {
    let start = Instant::now();
    let (mut admitted, mut refusal) = (Vec::new(), None);
    while start.elapsed() < 2 * WINDOW + WINDOW / 10 {
        let before = Instant::now();
        let answer = client();
        if answer.allowed {
            admitted.push((before, Instant::now()));
        } else {
            refusal.get_or_insert(answer);
            thread::sleep(PAUSE);
        }
    }
    (admitted, refusal.unwrap())
}

/// The most requests that were certainly admitted within less than a window.
fn most_in_a_window(admitted: &[(Instant, Instant)]) -> usize {
    let from = |(index, (start, _)): (usize, &(Instant, Instant))| {
        let later = &admitted[index..];
        later.partition_point(|(_, end)| *end - *start < WINDOW)
    };
    admitted.iter().enumerate().map(from).max().unwrap_or(0)
}

fn window() {
    println!("Limit of 10 in 2 seconds, a client that sends as fast as it can for 4.2 seconds:");
    let mut clients = clients(get(ten), 10, 2);
    let gcra = ours(&Limiter::new(), get(ten_under_gcra));
    clients.insert(1, ("limit-runtime, gcra", through(gcra)));
    for (name, (admitted, refusal)) in at_once(clients, greedy) {
        println!(
            "  {name:<20} at most {:>2} within 2 s; first refusal states {:?}",
            most_in_a_window(&admitted),
            refusal.waits,
        );
    }
}

/// Uses up 2 in 3 seconds, and is refused a fifth of a second later.
fn refused(client: &mut Client) -> (Answer, Instant) {
    assert!(client().allowed && client().allowed);
    thread::sleep(Duration::from_millis(200));
    let refusal = client();
    assert!(!refusal.allowed);
    (refusal, Instant::now())
}

/// The time after which a client that keeps asking is admitted.
fn first_admitted(mut client: Client) -> (Answer, Duration) {
    let (refusal, since) = refused(&mut client);
    while !client().allowed {
        thread::sleep(PAUSE);
    }
    (refusal, since.elapsed())
}

/// Whether a client is admitted that waits as long as the refusal states in its finest unit.
fn waits_as_stated(mut client: Client) -> bool {
    let (refusal, _) = refused(&mut client);
    let shortest = refusal.waits.iter().map(|(_, wait)| *wait).min();
    thread::sleep(shortest.unwrap());
    client().allowed
}

fn retry_after() {
    println!("\nLimit of 2 in 3 seconds, refused 0.2 s after two requests:");
    let (asking, waiting) = thread::scope(|scope| {
        let clients = || clients(get(two), 2, 3);
        let asking = scope.spawn(move || at_once(clients(), first_admitted));
        let waiting = at_once(clients(), waits_as_stated);
        (asking.join().unwrap(), waiting)
    });
    for ((name, (refusal, after)), (_, admitted)) in asking.into_iter().zip(waiting) {
        println!(
            "  {name:<20} states {:?}; free after {after:.3?}; the client that waits is {}",
            refusal.waits,
            if admitted { "admitted" } else { "refused" },
        );
    }
    let mut client = throttlecrab_itself(1, 60);
    let admitted = (0..100).filter(|_| client().allowed).count();
    println!("  throttlecrab, limit of 1 in 60 seconds: {admitted} of 100 requests are admitted");
}

/// How many units of a limit of 20 for all clients are gone after one client, which may send 2, has
/// been refused 10 times.
fn taken_by_refusals(mut router: Router) -> usize {
    let admitted = (0..12).filter(|_| send(&mut router, address(1), None).allowed);
    assert_eq!(admitted.count(), 2);
    let others = (2..40).take_while(|client| send(&mut router, address(*client), None).allowed);
    20 - 2 - others.count()
}

fn several_limits() {
    println!("\n20 for all clients, 2 for each; one client is refused 10 times, which takes:");
    let everyone = || layer(GlobalKeyExtractor, 20, DAY);
    let client = || layer(PeerIpKeyExtractor, 2, DAY);
    for (name, router) in [
        (
            "limit-runtime, for all first",
            ours(&Limiter::new(), get(everyone_first)),
        ),
        (
            "limit-runtime, for each first",
            ours(&Limiter::new(), get(client_first)),
        ),
        (
            "tower_governor, for all outside",
            bare().layer(client()).layer(everyone()),
        ),
        (
            "tower_governor, for each outside",
            bare().layer(everyone()).layer(client()),
        ),
    ] {
        println!(
            "  {name:<34} {:>2} of the 20 for all",
            taken_by_refusals(router)
        );
    }
}

/// Of 100 requests of one peer, each with another forwarding header, the admitted ones.
fn spoofed(router: &mut Router) -> usize {
    let admitted = (0..100).filter(|number| {
        let header = address(*number).to_string();
        send(router, IpAddr::from([192, 0, 2, 1]), Some(&header)).allowed
    });
    admitted.count()
}

/// Of 100 requests of each of two clients behind a proxy, which appends their addresses to what
/// they sent, the admitted ones.
fn behind_a_proxy(router: &mut Router) -> usize {
    let admitted = (0..200).filter(|number| {
        let header = format!("{}, 198.51.100.{}", address(*number), number % 2);
        send(router, IpAddr::from([10, 0, 0, 1]), Some(&header)).allowed
    });
    admitted.count()
}

fn forwarding_headers() {
    println!("\nLimit of 5 for each client; 100 requests of each, with changing X-Forwarded-For:");
    let proxies = TrustedProxies::new(["10.0.0.0/8"]).unwrap();
    let proxies = proxies.header(ForwardedHeader::XForwardedFor);
    let trusting = Limiter::builder().trusted_proxies(proxies).build();
    for (name, router) in [
        ("limit-runtime", ours(&Limiter::new(), get(five_a_day))),
        (
            "limit-runtime, proxy trusted",
            ours(&trusting, get(five_a_day)),
        ),
        (
            "tower_governor, PeerIp",
            bare().layer(layer(PeerIpKeyExtractor, 5, DAY)),
        ),
        (
            "tower_governor, SmartIp",
            bare().layer(layer(SmartIpKeyExtractor, 5, DAY)),
        ),
    ] {
        let mut router = router;
        println!(
            "  {name:<30} {:>3} of one direct client; {:>3} of two behind a proxy",
            spoofed(&mut router),
            behind_a_proxy(&mut router),
        );
    }
}

const CLIENTS: u32 = 100_000;

type FakeGovernor = RateLimiter<
    IpAddr,
    DefaultKeyedStateStore<IpAddr>,
    FakeRelativeClock,
    NoOpMiddleware<<FakeRelativeClock as Clock>::Instant>,
>;

/// Prints the bytes that 100,000 clients take, and what is left of them after their windows have
/// passed and ten other clients have made 4,000 checks, 1 ms apart.
fn left(name: &str, mut check: impl FnMut(u32), advance: impl Fn(Duration)) {
    let filled = allocation_counter::measure(|| (0..CLIENTS).for_each(&mut check));
    advance(2 * WINDOW);
    let changed = allocation_counter::measure(|| {
        for number in 0..4_000 {
            advance(Duration::from_millis(1));
            check(CLIENTS + number % 10);
        }
    });
    // Where each key is a string, the number of allocations shows whether keys are left.
    println!(
        "  {name:<20} {:>6.2} MB in {:>6} allocations, then {:>5.2} MB in {:>6}",
        filled.bytes_current as f64 / 1e6,
        filled.count_current,
        (filled.bytes_current + changed.bytes_current) as f64 / 1e6,
        filled.count_current + changed.count_current,
    );
}

fn memory() {
    println!("\nMemory of 100,000 clients, and what is left after their windows:");
    let clock = TestClock::new();
    let limiter = Limiter::builder().clock(clock.clone()).build();
    let check = |key| {
        check(
            &limiter,
            &limits!("10/2s"),
            Strategy::MovingWindow,
            address(key),
        );
    };
    left(OURS, check, |pause| clock.advance(pause));
    println!("    {:?}", limiter.usage());

    let clock = FakeRelativeClock::default();
    let quota = Quota::with_period(WINDOW / 10).unwrap();
    let quota = quota.allow_burst(NonZeroU32::new(10).unwrap());
    let peer: FakeGovernor =
        RateLimiter::new(quota, DefaultKeyedStateStore::default(), clock.clone());
    let check = |key| drop(black_box(peer.check_key(&address(key))));
    left("governor", check, |pause| clock.advance(pause));
    print!("    {} keys", peer.len());
    peer.retain_recent();
    println!(", {} after retain_recent()", peer.len());

    let mut crab = Throttlecrab::new(AdaptiveStore::new());
    let now = Cell::new(SystemTime::now());
    let check = |key| {
        let key = address(key).to_string();
        let _ = black_box(crab.rate_limit(&key, 10, 10, 2, 1, now.get()));
    };
    left(CRAB, check, |pause| now.set(now.get() + pause));
}

const KEYS: u32 = 1_000;
const ROOMY: Limits = limits!("4_000_000_000/minute");

fn print_costs(case: &str, turns: usize, times: u64, contenders: &mut [Contender<'_>]) {
    let turns = Turns::run(turns, times, contenders);
    print!("  {case:<28}");
    for (index, contender) in contenders.iter().enumerate() {
        print!(" {} {:.0};", contender.name, turns.nanos(index));
    }
    println!();
}

fn governor_limiter<K: Clone + Eq + Hash>() -> DefaultKeyedRateLimiter<K> {
    let burst = NonZeroU32::new(1_000_000_000).unwrap();
    let quota = Quota::with_period(DAY / burst.get()).unwrap();
    RateLimiter::keyed(quota.allow_burst(burst))
}

/// throttlecrab's limiter takes `&mut self`: a server has to lock it.
fn check_crab(crab: &Mutex<Throttlecrab<AdaptiveStore>>, key: &str) -> bool {
    const COUNT: i64 = 1_000_000_000;
    let mut crab = crab.lock().unwrap_or_else(PoisonError::into_inner);
    let result = crab.rate_limit(key, COUNT, COUNT, 86_400, 1, SystemTime::now());
    black_box(result).unwrap().0
}

fn cost_of_checks() {
    println!("\nProcessor time of a check, ns:");
    let check = |limiter: &Limiter, key: &str| check(limiter, &ROOMY, Strategy::MovingWindow, key);
    let texts: Vec<String> = (0..20_000).map(text).collect();
    let text_of = |number: u32| &texts[number as usize];

    let (limiter, peer) = (Limiter::new(), governor_limiter());
    let [mut one, mut other] = [(); 2].map(|()| KeyNumbers::new(KEYS, Order::Random, 0));
    print_costs(
        "1,000 addresses",
        101,
        5_000,
        &mut [
            Contender::new(OURS, |times| {
                one.take(times, |number| {
                    limit_benches::check(&limiter, &ROOMY, Strategy::MovingWindow, address(number))
                });
            }),
            Contender::new("governor", |times| {
                other.take(times, |number| check_peer(&peer, &address(number)));
            }),
        ],
    );

    let (limiter, peer) = (Limiter::new(), governor_limiter::<String>());
    let crab = Mutex::new(Throttlecrab::new(AdaptiveStore::new()));
    let [mut one, mut other, mut third] = [(); 3].map(|()| KeyNumbers::new(KEYS, Order::Random, 0));
    print_costs(
        "1,000 text keys",
        101,
        5_000,
        &mut [
            Contender::new(OURS, |times| {
                one.take(times, |number| check(&limiter, text_of(number)));
            }),
            Contender::new("governor", |times| {
                other.take(times, |number| check_peer(&peer, text_of(number)));
            }),
            Contender::new(CRAB, |times| {
                third.take(times, |number| check_crab(&crab, text_of(number)));
            }),
        ],
    );

    let (limiter, peer) = (Limiter::new(), governor_limiter::<String>());
    let crab = Mutex::new(Throttlecrab::new(AdaptiveStore::new()));
    let [mut one, mut other, mut third] = [(); 3].map(|()| texts.iter().cycle());
    print_costs(
        "20,000 new text keys",
        20,
        1_000,
        &mut [
            Contender::new(OURS, |times| {
                for _ in 0..times {
                    check(&limiter, one.next().unwrap());
                }
            }),
            Contender::new("governor", |times| {
                for _ in 0..times {
                    check_peer(&peer, other.next().unwrap());
                }
            }),
            Contender::new(CRAB, |times| {
                for _ in 0..times {
                    check_crab(&crab, third.next().unwrap());
                }
            }),
        ],
    );
}

fn cost_of_requests() {
    println!("\nProcessor time of a request through the router, ns:");
    let quiet = Limiter::builder().header_style(HeaderStyle::Off).build();
    let route = |route| Router::new().route("/", route);
    let contender = |name: &str, mut router: Router| {
        send(&mut router, address(1), None);
        Contender::new(name, move |times| {
            for _ in 0..times {
                let mut request = Request::get("/").body(Body::empty()).unwrap();
                let peer = SocketAddr::from((address(1), 40_000));
                request.extensions_mut().insert(ConnectInfo(peer));
                drop(ready(router.call(request)));
            }
        })
    };
    print_costs(
        "admitted, refused",
        101,
        500,
        &mut [
            contender("bare", bare()),
            contender("limit-runtime", route(get(handlers::annotated))),
            contender("without headers", ours(&quiet, get(handlers::annotated))),
            contender(
                "tower_governor",
                bare().layer(handlers::tower_governor(u32::MAX, 1)),
            ),
            contender("limit-runtime's 429", route(get(handlers::refused))),
            contender(
                "tower_governor's 429",
                bare().layer(handlers::tower_governor(1, 86_400)),
            ),
        ],
    );
}

fn main() {
    let start = Instant::now();
    window();
    retry_after();
    several_limits();
    forwarding_headers();
    memory();
    cost_of_checks();
    cost_of_requests();
    println!("\n{:.0} s in all", start.elapsed().as_secs_f64());
}
