//! Limits that count something other than requests: their headers, messages and lists.

use crate::app::{Answer, App};
use axum::{Router, extract::Path, routing::get};
use http::{HeaderName, StatusCode};
use limit_runtime::{
    DecisionEvent, Exceeded, HeaderNames, HeaderStyle, Limiter, Limits, RateLimit, RateLimitInfo,
    Unit, everyone, limits, rate_limit,
};
use std::sync::{Arc, Mutex};

/// 20 requests and 1,000 tokens a minute; the path is the number of tokens.
#[rate_limit("20/minute", key = everyone, name = "requests")]
#[rate_limit("1_000 tokens/minute", key = everyone, name = "chat", cost = tokens.0)]
async fn chat(tokens: Path<u64>) {
    let _ = tokens;
}

async fn nothing() {}

fn app(style: HeaderStyle) -> App {
    let limiter = Limiter::builder().header_style(style);
    App::with(Router::new().route("/{tokens}", get(chat)), limiter)
}

fn named() -> HeaderStyle {
    let name = HeaderName::from_static;
    let (limit, left, reset) = (name("x-quota"), name("x-left"), name("x-reset"));
    HeaderStyle::Named(Box::new(HeaderNames::new(limit, left, reset)))
}

#[track_caller]
fn has(answer: &Answer, status: StatusCode, headers: &[(&str, &str)]) {
    assert_eq!(answer.status, status);
    for (name, value) in headers {
        assert_eq!(answer.header(name), Some(*value), "{name}");
    }
}

const OK: StatusCode = StatusCode::OK;
const LIMITED: StatusCode = StatusCode::TOO_MANY_REQUESTS;
const POLICY: &str = r#""requests";q=20;w=60, "chat";q=1000;qu="tokens";w=60"#;

#[tokio::test]
async fn each_unit_has_an_item_in_the_header() {
    let app = app(HeaderStyle::Ietf);
    let admitted = app.get("/700").await;
    let state = r#""requests";r=19;t=60, "chat";r=300;t=60"#;
    has(
        &admitted,
        OK,
        &[("ratelimit-policy", POLICY), ("ratelimit", state)],
    );
    let refused = app.get("/301").await;
    has(
        &refused,
        LIMITED,
        &[
            ("ratelimit-policy", POLICY),
            ("ratelimit", state),
            ("retry-after", "60"),
        ],
    );
    let message = "Rate limit exceeded: 1,000 tokens per minute";
    assert!(refused.body.contains(message), "{}", refused.body);
    assert!(refused.body.contains(r#""violated-policies":["chat"]"#));
}

#[tokio::test]
async fn the_headers_of_openai_are_named_by_the_unit() {
    let app = app(HeaderStyle::OpenAi);
    let headers = [
        ("x-ratelimit-limit-requests", "20"),
        ("x-ratelimit-remaining-requests", "19"),
        ("x-ratelimit-reset-requests", "1m0s"),
        ("x-ratelimit-limit-tokens", "1000"),
        ("x-ratelimit-remaining-tokens", "300"),
        ("x-ratelimit-reset-tokens", "1m0s"),
    ];
    has(&app.get("/700").await, OK, &headers);
    has(&app.get("/301").await, LIMITED, &headers);
}

#[tokio::test]
async fn one_rule_has_the_headers_of_its_unit_and_no_others() {
    #[rate_limit("100 tokens/minute", key = everyone)]
    async fn tokens() {}

    #[rate_limit("100/minute", key = everyone, name = "tokens")]
    async fn requests() {}

    #[rate_limit("100/minute", unit = "gpu-seconds", key = everyone)]
    async fn gpu() {}

    let router = Router::new()
        .route("/tokens", get(tokens))
        .route("/requests", get(requests))
        .route("/gpu-seconds", get(gpu));
    let app = App::with(router, Limiter::builder().header_style(HeaderStyle::OpenAi));
    for unit in ["tokens", "requests", "gpu-seconds"] {
        let answer = app.get(&format!("/{unit}")).await;
        let names = answer.headers.keys().map(HeaderName::as_str);
        let mut names: Vec<_> = names
            .filter(|name| name.starts_with("x-ratelimit"))
            .collect();
        names.sort_unstable();
        let expected = ["limit", "remaining", "reset"];
        assert_eq!(
            names,
            expected.map(|part| format!("x-ratelimit-{part}-{unit}"))
        );
    }
    limit_runtime::testing::assert_limited(&app.router, ["/gpu-seconds"]).await;
}

#[tokio::test]
async fn headers_of_one_limit_describe_requests_or_the_longest_wait() {
    for (style, names) in [
        (
            HeaderStyle::XRateLimit,
            ["x-ratelimit-limit", "x-ratelimit-remaining"],
        ),
        (
            HeaderStyle::Both,
            ["x-ratelimit-limit", "x-ratelimit-remaining"],
        ),
        (named(), ["x-quota", "x-left"]),
    ] {
        let app = app(style);
        // 5 tokens are left beside 19 requests.
        let [limit, remaining] = names;
        has(
            &app.get("/995").await,
            OK,
            &[(limit, "20"), (remaining, "19")],
        );
        has(
            &app.get("/6").await,
            LIMITED,
            &[(limit, "1000"), (remaining, "5")],
        );
    }
}

#[tokio::test]
async fn the_strictest_of_each_unit_is_shown_with_those_of_layers() {
    #[rate_limit("50 tokens/minute", key = everyone, name = "inner", cost = 10)]
    async fn handler() {}

    let limiter = Limiter::new();
    let tokens = limits!("30 tokens/minute");
    let router = Router::new()
        .route("/", get(handler))
        .layer(limiter.limit_layer("outer", tokens).key(everyone).cost(7))
        .layer(
            limiter
                .limit_layer("requests", limits!("9/minute"))
                .key(everyone),
        );
    let app = App::new(router);
    let answer = app.get("/").await;
    let policy =
        r#""inner";q=50;qu="tokens";w=60, "outer";q=30;qu="tokens";w=60, "requests";q=9;w=60"#;
    let state = r#""outer";r=23;t=60, "requests";r=8;t=60"#;
    has(
        &answer,
        OK,
        &[("ratelimit-policy", policy), ("ratelimit", state)],
    );
}

#[tokio::test]
async fn units_of_ones_own_are_in_headers_and_messages() {
    #[rate_limit("3_000/minute; 90_000 frames/hour", unit = "frames", key = everyone, cost = 2_999)]
    async fn render() {}

    fn size() -> u64 {
        1_000
    }

    #[rate_limit("2/second", key = everyone, unit = "bytes", cost = size)]
    async fn upload() {}

    let router = Router::new()
        .route("/render", get(render))
        .route("/upload", get(upload));
    let app = App::new(router);
    let policy =
        r#""render-60s";q=3000;qu="frames";w=60, "render-3600s";q=90000;qu="frames";w=3600"#;
    has(
        &app.get("/render").await,
        OK,
        &[
            ("ratelimit-policy", policy),
            ("ratelimit", r#""render-60s";r=1;t=60"#),
        ],
    );
    let refused = app.get("/render").await;
    assert_eq!(refused.status, LIMITED);
    let message = "Rate limit exceeded: 3,000 frames per minute\"";
    assert!(refused.body.contains(message), "{}", refused.body);
    let never = app.get("/upload").await;
    has(
        &never,
        LIMITED,
        &[("ratelimit-policy", r#""upload";q=2;qu="content-bytes";w=1"#)],
    );
    let message =
        "The cost of this request, 1,000 bytes, is above the rate limit of 2 bytes per second";
    assert!(never.body.contains(message), "{}", never.body);
}

#[tokio::test]
async fn a_limit_whose_unit_changes_keeps_its_history() {
    let limiter = Limiter::new();
    let layered = |limits: Limits| {
        let layer = limiter.limit_layer("models", limits).key(everyone);
        App::new(Router::new().route("/", get(nothing)).layer(layer))
    };
    let requests = limits!("5/minute");
    let frames = requests.with_unit(Unit::new("frames").unwrap());
    let tokens = limits!("5 tokens/minute");
    for (limits, state) in [
        (requests, r#""models";r=4;t=60"#),
        (tokens, r#""models";r=3;t=60"#),
        (frames, r#""models";r=2;t=60"#),
        (requests, r#""models";r=1;t=60"#),
    ] {
        has(&layered(limits).get("/").await, OK, &[("ratelimit", state)]);
    }
}

#[tokio::test]
async fn functions_return_limits_of_any_unit() {
    fn tier() -> Limits {
        limits!("5/minute", unit = "frames")
    }

    #[rate_limit(tier, key = everyone)]
    async fn computed(limit: RateLimit) -> String {
        format!("{:?}", limit.remaining())
    }

    fn shown(exceeded: &Exceeded<'_>) -> (StatusCode, String) {
        let limits = exceeded.limits();
        (
            StatusCode::TOO_MANY_REQUESTS,
            format!("{exceeded}|{limits}|{}", limits.unit()),
        )
    }

    #[rate_limit(tier, key = everyone, cost = 6, on_limited = shown)]
    async fn refused() {}

    let router = Router::new()
        .route("/", get(computed))
        .route("/refused", get(refused));
    let app = App::new(router);
    let answer = app.get("/").await;
    has(
        &answer,
        OK,
        &[("ratelimit-policy", r#""computed";q=5;qu="frames";w=60"#)],
    );
    assert_eq!(answer.body, "Some(4)");
    let refused = app.get("/refused").await;
    let message = "The cost of this request, 6 frames, is above the rate limit of \
                   5 frames per minute: it can never fit, so reduce the cost before a retry";
    assert_eq!(
        refused.body,
        format!("{message}|5 frames per minute|frames")
    );
}

#[tokio::test]
async fn units_are_in_the_lists_and_events() {
    let seen: Arc<Mutex<Vec<Unit>>> = Arc::default();
    let of_events = seen.clone();
    let limiter = Limiter::builder().on_decision(move |event: &DecisionEvent<'_>| {
        of_events.lock().unwrap().push(event.unit);
    });
    let router = Router::new().route("/{tokens}", get(chat));
    let app = App::with(router, limiter.response_info(true));
    let response = test_support::requests::send(&app.router, {
        http::Request::get("/1001")
            .body(axum::body::Body::empty())
            .unwrap()
    });
    let response = response.await;
    let info = response.extensions().get::<RateLimitInfo>().unwrap();
    let units: Vec<_> = info.policies().iter().map(|policy| policy.unit()).collect();
    assert_eq!(units, [Unit::REQUESTS, Unit::TOKENS]);
    assert!(seen.lock().unwrap().contains(&Unit::TOKENS));
    let policies = app.limiter.policies();
    let policy = policies
        .iter()
        .find(|policy| policy.policy == "chat")
        .unwrap();
    assert_eq!(policy.limits, "1000 tokens per minute");
    assert_eq!(policy.unit, Some(Unit::TOKENS));
    let stats = app.limiter.stats();
    let policy = stats
        .policies
        .iter()
        .find(|policy| policy.policy == "requests")
        .unwrap();
    assert_eq!(policy.unit, Some(Unit::REQUESTS));
    let computed = policies
        .iter()
        .find(|policy| policy.policy == "computed")
        .unwrap();
    assert_eq!(computed.unit, None);
}
