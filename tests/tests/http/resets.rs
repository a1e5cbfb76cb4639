//! Times in headers: when more remains, and when a refused client may retry.

use crate::app::{Answer, App};
use axum::{Router, routing::get};
use http::{HeaderName, StatusCode};
use limit_runtime::{Exceeded, HeaderNames, HeaderStyle, Limiter, everyone, rate_limit};
use std::time::{Duration, SystemTime};

#[rate_limit("10/minute", key = everyone)]
async fn moving() {}

#[rate_limit("10/minute", key = everyone, strategy = fixed_window)]
async fn fixed() {}

#[rate_limit("10/minute", key = everyone, strategy = sliding_window)]
async fn sliding() {}

#[rate_limit("10/minute", key = everyone, strategy = gcra(burst = 10))]
async fn gcra() {}

#[rate_limit("10/minute", key = everyone, strategy = gcra(burst = 1))]
async fn even() {}

#[rate_limit("3/minute", key = everyone, strategy = gcra(burst = 10))]
async fn bursting() {}

#[rate_limit("600/second", key = everyone, strategy = gcra(burst = 5))]
async fn smooth() {}

#[rate_limit("2/5s; 10/minute", key = everyone)]
async fn both() {}

const PATHS: [&str; 8] = [
    "/moving",
    "/fixed",
    "/sliding",
    "/gcra",
    "/even",
    "/bursting",
    "/smooth",
    "/both",
];

fn app(style: HeaderStyle) -> App {
    let router = Router::new()
        .route("/moving", get(moving))
        .route("/fixed", get(fixed))
        .route("/sliding", get(sliding))
        .route("/gcra", get(gcra))
        .route("/even", get(even))
        .route("/bursting", get(bursting))
        .route("/smooth", get(smooth))
        .route("/both", get(both));
    App::with(router, Limiter::builder().header_style(style))
}

fn named() -> HeaderStyle {
    HeaderStyle::Named(Box::new(HeaderNames::new(
        HeaderName::from_static("x-quota"),
        HeaderName::from_static("x-quota-left"),
        HeaderName::from_static("x-quota-reset"),
    )))
}

fn whole_number(answer: &Answer, header: &str) -> u64 {
    answer.header(header).unwrap().parse().unwrap()
}

/// The parameter of a structured field's first item: `9` is `r` of `"predict";r=9;t=60`.
fn parameter(answer: &Answer, header: &str, name: &str) -> u64 {
    let first = answer.header(header).unwrap().split(", ").next().unwrap();
    let mut parameters = first.split(';').filter_map(|part| part.split_once('='));
    let (_, value) = parameters.find(|(key, _)| *key == name).unwrap();
    value.parse().unwrap()
}

#[tokio::test]
async fn t_is_when_more_remains_or_the_retry_after_of_a_refusal() {
    let app = app(HeaderStyle::Ietf);
    let mut states = Vec::new();
    for _ in 0..10 {
        states.push(
            app.get("/moving")
                .await
                .header("ratelimit")
                .unwrap()
                .to_owned(),
        );
        app.clock.advance(Duration::from_millis(900));
    }
    assert_eq!(states[0], r#""moving";r=9;t=60"#);
    assert_eq!(
        states[1], r#""moving";r=8;t=60"#,
        "59.1 seconds, rounded up"
    );
    assert_eq!(states[9], r#""moving";r=0;t=52"#);
    let refused = app.get("/moving").await;
    assert_eq!(refused.header("ratelimit"), Some(r#""moving";r=0;t=51"#));
    assert_eq!(refused.header("retry-after"), Some("51"));
    app.clock.advance(Duration::from_secs(51));
    let answer = app.get("/moving").await;
    assert_eq!(answer.status, StatusCode::OK);
}

#[tokio::test]
async fn t_of_a_cost_that_never_fits_is_when_more_remains() {
    fn eleven() -> u32 {
        11
    }
    #[rate_limit("10/minute", key = everyone, cost = eleven)]
    async fn never() {}
    #[rate_limit("10/minute", key = everyone, cost = 7)]
    async fn dear() {}
    let router = Router::new()
        .route("/never", get(never))
        .route("/dear", get(dear));
    let app = App::new(router);
    let refused = app.get("/never").await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.header("ratelimit"), Some(r#""never";r=10;t=0"#));
    assert_eq!(refused.header("retry-after"), None);
    app.get("/dear").await;
    app.clock.advance(Duration::from_millis(20_500));
    let refused = app.get("/dear").await;
    assert_eq!(refused.header("ratelimit"), Some(r#""dear";r=3;t=40"#));
    assert_eq!(refused.header("retry-after"), Some("40"));
}

#[tokio::test]
async fn of_two_limits_with_nothing_left_the_one_that_takes_longer_is_shown() {
    #[rate_limit("1/5s; 2/minute", key = everyone)]
    async fn twice() {}
    let app = App::new(Router::new().route("/", get(twice)));
    app.get("/").await;
    app.clock.advance(Duration::from_secs(59));
    let answer = app.get("/").await;
    assert_eq!(answer.header("ratelimit"), Some(r#""twice-5s";r=0;t=5"#));
    app.clock.advance(Duration::from_secs(5));
    assert_eq!(app.get("/").await.status, StatusCode::OK);
}

/// How many requests of a client are admitted in an hour; `pause` says how long it waits after an
/// answer.
async fn admitted(app: &App, path: &str, pause: impl Fn(&Answer) -> Duration) -> u32 {
    let (mut gone, mut admitted) = (Duration::ZERO, 0);
    while gone < Duration::from_secs(3_600) {
        let answer = app.get(path).await;
        admitted += u32::from(answer.status == StatusCode::OK);
        let pause = pause(&answer);
        app.clock.advance(pause);
        gone += pause;
    }
    admitted
}

/// A client asks every 900 ms, and sleeps for the reset when it reads that nothing is left.
#[tokio::test]
async fn a_client_that_sleeps_for_the_reset_when_nothing_is_left_gets_its_full_rate() {
    const THINKS: Duration = Duration::from_millis(900);
    for path in ["/moving", "/fixed", "/sliding", "/gcra", "/even", "/both"] {
        let ietf = || app(HeaderStyle::Ietf);
        let all_the_time = admitted(&ietf(), path, |_| Duration::from_millis(450)).await;
        let least = match path {
            // It counts what has faded to a part of a unit as one: nine a minute.
            "/sliding" => 540,
            // One every 6 s, and the client asks again after 6.3 s.
            "/even" => 570,
            _ => 595,
        };
        assert!(all_the_time >= least, "{path}: {all_the_time}");
        let by_t = |answer: &Answer| match parameter(answer, "ratelimit", "r") {
            0 => Duration::from_secs(parameter(answer, "ratelimit", "t")),
            _ => THINKS,
        };
        let found = admitted(&ietf(), path, by_t).await;
        assert!(found + 12 >= all_the_time, "{path}: {found} by t");
        for (style, left, reset) in [
            (
                HeaderStyle::XRateLimit,
                "x-ratelimit-remaining",
                "x-ratelimit-reset",
            ),
            (named(), "x-quota-left", "x-quota-reset"),
        ] {
            // The wall clock stands still beside the limiter's, so that each sleep is rounded up
            // anew.
            let began = SystemTime::now();
            let by_reset = |answer: &Answer| match whole_number(answer, left) {
                0 => {
                    let at = Duration::from_secs(whole_number(answer, reset));
                    (SystemTime::UNIX_EPOCH + at).duration_since(began).unwrap()
                }
                _ => THINKS,
            };
            let found = admitted(&app(style), path, by_reset).await;
            assert!(found + 100 >= all_the_time, "{path}: {found} by {reset}");
        }
    }
}

#[tokio::test]
async fn no_more_remains_than_the_limit_in_any_style() {
    let styles = [
        (
            HeaderStyle::XRateLimit,
            ["x-ratelimit-limit", "x-ratelimit-remaining"],
        ),
        (named(), ["x-quota", "x-quota-left"]),
        (
            HeaderStyle::OpenAi,
            [
                "x-ratelimit-limit-requests",
                "x-ratelimit-remaining-requests",
            ],
        ),
    ];
    for path in PATHS {
        for (style, [limit, remaining]) in &styles {
            let app = app(style.clone());
            for _ in 0..12 {
                let answer = app.get(path).await;
                let (limit, remaining) = (
                    whole_number(&answer, limit),
                    whole_number(&answer, remaining),
                );
                assert!(remaining <= limit, "{path}: {remaining} of {limit}");
            }
        }
        let app = app(HeaderStyle::Ietf);
        for _ in 0..12 {
            let answer = app.get(path).await;
            let q = parameter(&answer, "ratelimit-policy", "q");
            let r = parameter(&answer, "ratelimit", "r");
            assert!(r <= q, "{path}: {r} of {q}");
        }
    }
}

#[tokio::test]
async fn a_burst_above_the_count_is_shown_with_the_time_in_which_it_is_replenished() {
    let app = app(HeaderStyle::Ietf);
    let answer = app.get("/bursting").await;
    let policy = answer.header("ratelimit-policy");
    assert_eq!(policy, Some(r#""bursting";q=10;w=200"#));
    assert_eq!(answer.header("ratelimit"), Some(r#""bursting";r=9;t=20"#));
    let answer = app.get("/smooth").await;
    let policy = answer.header("ratelimit-policy");
    assert_eq!(policy, Some(r#""smooth";q=600;w=1"#));
    assert_eq!(answer.header("ratelimit"), Some(r#""smooth";r=4;t=1"#));
}

/// Sequences of requests at odd microseconds: `r` grows after `t`.
#[tokio::test]
async fn more_remains_after_t_and_a_refused_client_that_waits_t_is_admitted() {
    for path in PATHS {
        let app = app(HeaderStyle::Ietf);
        for step in 1..40_u64 {
            let answer = app.get(path).await;
            let (r, t) = (
                parameter(&answer, "ratelimit", "r"),
                parameter(&answer, "ratelimit", "t"),
            );
            if answer.status == StatusCode::TOO_MANY_REQUESTS {
                assert_eq!(answer.header("retry-after"), Some(&*t.to_string()));
            }
            assert!(t > 0, "{path}: something was consumed");
            if step % 5 == 0 {
                app.clock.advance(Duration::from_secs(t));
                // This request consumes one of them.
                let after = app.get(path).await;
                assert_eq!(after.status, StatusCode::OK, "{path}");
                let same_limit = |answer: &Answer| {
                    let state = answer.header("ratelimit").unwrap();
                    state.split(';').next().unwrap().to_owned()
                };
                if same_limit(&after) == same_limit(&answer) {
                    assert!(parameter(&after, "ratelimit", "r") >= r, "{path}");
                }
            }
            app.clock.advance(Duration::from_micros(step * 12_345));
        }
    }
}

/// With jitter, and where the application's response has its own.
#[tokio::test]
async fn t_of_a_refused_request_is_what_retry_after_shows() {
    #[rate_limit("1/minute; 5/hour", key = everyone)]
    async fn two() {}
    #[rate_limit("1/minute", key = everyone, on_limited = |_: &Exceeded<'_>| {
        (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "600")])
    })]
    async fn own() {}
    #[rate_limit("1/minute")]
    async fn jittered() {}
    let limiter = Limiter::builder()
        .header_style(HeaderStyle::Both)
        .retry_jitter(Duration::from_secs(90));
    let router = Router::new()
        .route("/two", get(two))
        .route("/own", get(own))
        .route("/jittered", get(jittered));
    let app = App::with(router, limiter);
    for path in ["/two", "/own", "/jittered"] {
        assert_eq!(app.get(path).await.status, StatusCode::OK);
        let refused = app.get(path).await;
        assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
        let wait = whole_number(&refused, "retry-after");
        assert_eq!(parameter(&refused, "ratelimit", "t"), wait, "{path}");
        let now = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap();
        let reset = whole_number(&refused, "x-ratelimit-reset") - now.as_secs();
        assert!(
            (wait..=wait + 1).contains(&reset),
            "{path}: {reset} and {wait}"
        );
    }
    assert_eq!(app.get("/own").await.header("retry-after"), Some("600"));
}

/// However the store rounds the time of a hit.
#[tokio::test]
async fn t_of_a_fresh_key_is_not_above_the_window() {
    #[rate_limit("3/hour", key = everyone)]
    async fn hour() {}
    #[rate_limit("5/second; 1_000/day", key = everyone)]
    async fn mixed() {}
    #[rate_limit("5/month", key = everyone)]
    async fn month() {}
    let router = Router::new()
        .route("/hour", get(hour))
        .route("/mixed", get(mixed))
        .route("/month", get(month));
    let app = App::new(router);
    app.clock.advance(Duration::from_micros(744));
    for path in ["/hour", "/mixed", "/month"] {
        let answer = app.get(path).await;
        let window = parameter(&answer, "ratelimit-policy", "w");
        assert_eq!(parameter(&answer, "ratelimit", "t"), window, "{path}");
    }
}
