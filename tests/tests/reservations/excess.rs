//! What is used beyond the estimate is charged while the stream runs.

use axum::{Router, extract::State, routing::get};
use http::StatusCode;
use limit_runtime::{Limiter, Reservation, clock::TestClock, everyone, rate_limit};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use test_support::requests::{get_status, remaining, request, send};

type Kept = Arc<Mutex<Option<Reservation>>>;

#[rate_limit("1000/minute", key = everyone, scope = "tokens", cost = 100)]
async fn keep(State(kept): State<Kept>, reservation: Reservation) {
    *kept.lock().unwrap() = Some(reservation);
}

#[rate_limit("1000/minute", key = everyone, scope = "tokens", cost = 0)]
async fn left() {}

struct Running {
    router: Router,
    clock: TestClock,
    reservation: Reservation,
}

impl Running {
    async fn start() -> Self {
        let (clock, kept) = (TestClock::new(), Kept::default());
        let limiter = Limiter::builder().clock(clock.clone()).build();
        let router = Router::new()
            .route("/", get(keep))
            .route("/left", get(left))
            .with_state(kept.clone())
            .layer(limiter.layer());
        assert_eq!(get_status(&router, "/").await, StatusCode::OK);
        let reservation = kept.lock().unwrap().take().unwrap();
        Self {
            router,
            clock,
            reservation,
        }
    }

    async fn charged(&self) -> u64 {
        let response = send(&self.router, request("GET", "/left", "")).await;
        1_000 - remaining(&response)
    }
}

#[tokio::test]
async fn excess_is_charged_once_a_second_if_it_is_more_than_a_tenth() {
    let running = Running::start().await;
    let second = Duration::from_secs(1);
    running.reservation.add(200);
    assert_eq!(running.charged().await, 100, "in the first second");
    running.clock.advance(second);
    running.reservation.add(1);
    assert_eq!(running.charged().await, 201);
    running.clock.advance(second);
    running.reservation.add(20);
    assert_eq!(running.charged().await, 201, "a tenth");
    running.reservation.add(1);
    assert_eq!(running.charged().await, 222);
    running.reservation.add(100);
    assert_eq!(running.charged().await, 222, "in the same second");
    drop(running.reservation.clone());
    assert_eq!(running.charged().await, 222, "another handle is left");
    running.reservation.add(1);
    running.reservation.clone().commit(323);
    assert_eq!(running.charged().await, 323);
    running.clock.advance(second);
    running.reservation.add(1_000);
    assert_eq!(running.charged().await, 323, "it is settled");
}

#[tokio::test]
async fn nothing_is_given_back_before_the_end() {
    let running = Running::start().await;
    running.reservation.used(5);
    running.clock.advance(Duration::from_secs(2));
    running.reservation.used(6);
    assert_eq!(running.charged().await, 100);
    running.reservation.at_least(400);
    assert_eq!(running.charged().await, 400);
    // Less than what was charged in between is used in the end.
    running.reservation.clone().commit(50);
    assert_eq!(running.charged().await, 50);
}

/// After the window of the charge, what counts no longer is not given back to others.
#[tokio::test]
async fn a_settlement_after_the_window_gives_nothing_back_and_charges_the_excess() {
    let running = Running::start().await;
    running.clock.advance(Duration::from_secs(61));
    assert_eq!(running.charged().await, 0);
    running.reservation.clone().commit(30);
    assert_eq!(running.charged().await, 0);
    let running = Running::start().await;
    running.clock.advance(Duration::from_secs(61));
    running.reservation.clone().commit(130);
    assert_eq!(running.charged().await, 30);
}

macro_rules! debt {
    ($name:ident, $strategy:ident $(($($burst:tt)*))?) => {
        #[rate_limit("100/minute", key = everyone, strategy = $strategy $(($($burst)*))?, cost = 10)]
        async fn $name(reservation: Reservation) {
            reservation.commit(490);
        }
    };
}
debt!(moving, moving_window);
debt!(fixed, fixed_window);
debt!(sliding, sliding_window);
debt!(bucket, gcra(burst = 100));

/// The first second at which a request is served again after 490 units on 100 per minute.
#[tokio::test]
async fn a_debt_lasts_as_the_strategy_says() {
    for (name, handler, expected) in [
        ("moving", get(moving), 60..=60),
        ("fixed", get(fixed), 1..=60),
        // 490 of the previous window count until they have faded to 90.
        ("sliding", get(sliding), 108..=110),
        // 490 + 10 units drain to 100, at 100 a minute.
        ("gcra", get(bucket), 240..=240),
    ] {
        let clock = TestClock::new();
        let limiter = Limiter::builder().clock(clock.clone()).build();
        let router = Router::new().route("/", handler).layer(limiter.layer());
        assert_eq!(get_status(&router, "/").await, StatusCode::OK);
        let mut waited = 0;
        while get_status(&router, "/").await != StatusCode::OK {
            clock.advance(Duration::from_secs(1));
            waited += 1;
        }
        assert!(expected.contains(&waited), "{name}: {waited} s");
    }
}
