//! Log lines about misconfigurations. One test in a process of its own: each is logged once.

#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests")]

use axum::{
    Router,
    extract::connect_info::ConnectInfo,
    http::{Request, StatusCode, request::Parts},
    routing::get,
};
use limit_runtime::{
    InstallError, Limiter, Limits, TrustedProxies, client_ip, everyone, layer::RateLimitLayer,
    limits, rate_limit, route,
};
use std::{net::SocketAddr, time::Duration};
use test_support::{log::Log, requests::get_status};

fn request(peer: Option<[u8; 4]>, header: Option<&str>, limiter: &Limiter) -> Parts {
    let mut request = Request::builder().extension(limiter.clone());
    if let Some(peer) = peer {
        request = request.extension(ConnectInfo(SocketAddr::from((peer, 4711))));
    }
    if let Some(header) = header {
        request = request.header(header, "192.0.2.1");
    }
    request.body(()).unwrap().into_parts().0
}

#[tokio::test]
async fn each_misconfiguration_is_logged_once_with_its_code_and_the_fix() {
    let log = Log::capture();

    handlers_of_one_path(&log);
    client_addresses(&log);
    names_of_layers(&log);
    layers_around_layers(&log).await;
    exceptions_that_match_nothing(&log).await;
    exceptions_that_are_incomplete(&log).await;
    requests_outside_of_layers(&log).await;
    settings_of_remote_stores_in_memory(&log).await;
    rules_of_one_budget(&log).await;
}

/// The only line since the last call, with all of `parts`.
fn assert_one_line(log: &Log, parts: &[&str]) {
    let lines = log.lines_about_set_up();
    let [line] = lines.as_slice() else {
        panic!("{parts:?} is not said once: {lines:#?}");
    };
    for part in parts {
        assert!(line.contains(part), "no {part:?} in {line}");
    }
}

fn assert_nothing(log: &Log) {
    assert_eq!(
        log.lines_about_set_up(),
        [""; 0],
        "nothing is wrong, or it was said before"
    );
}

fn client_addresses(log: &Log) {
    let plain = Limiter::new();
    let behind_proxies = Limiter::builder()
        .trusted_proxies(TrustedProxies::new(["10.0.0.0/8"]).unwrap())
        .build();
    let proxy = Some([10, 0, 0, 1]);

    for _ in 0..3 {
        client_ip(&request(proxy, None, &plain)).unwrap();
        client_ip(&request(proxy, Some("x-forwarded-for"), &behind_proxies)).unwrap();
    }
    assert_nothing(log);

    for (code, level, found, fix, parts) in [
        (
            "LIMIT001",
            "WARN",
            "header x-forwarded-for from 10.0.0.1",
            "trusted_proxies(",
            request(proxy, Some("x-forwarded-for"), &plain),
        ),
        (
            "LIMIT005",
            "WARN",
            "header forwarded from 10.0.0.1",
            ".header(ForwardedHeader::",
            request(proxy, Some("forwarded"), &behind_proxies),
        ),
        (
            "LIMIT003",
            "ERROR",
            "",
            "into_make_service_with_connect_info::<SocketAddr>()",
            request(None, None, &plain),
        ),
    ] {
        for _ in 0..3 {
            let _ = client_ip(&parts);
        }
        assert_one_line(log, &[code, level, found, fix]);
    }
}

fn names_of_layers(log: &Log) {
    fn guarded(limiter: &Limiter, name: &'static str, limits: Limits) -> RateLimitLayer {
        limiter.limit_layer(name, limits).key(everyone)
    }
    fn applied(layer: &RateLimitLayer) -> Router {
        Router::new()
            .route("/", get(|| async {}))
            .layer(layer.clone())
    }
    let (few, many) = (limits!("5/minute"), limits!("100/minute"));
    let (limiter, other) = (Limiter::new(), Limiter::new());
    let app = applied(&guarded(&limiter, "app", few));

    // The same limits, another name, another limiter, another scope, a layer that is not applied.
    let fine = [
        applied(&guarded(&limiter, "app", few)),
        applied(&guarded(&limiter, "api", many)),
        applied(&guarded(&other, "app", many)),
        applied(&guarded(&limiter, "app", many).scope("shared")),
    ];
    let unused = guarded(&limiter, "app", many);
    // A layer that is gone.
    drop(applied(&guarded(&limiter, "gone", few)));
    let next = applied(&guarded(&limiter, "gone", many));
    assert_nothing(log);

    let here = line!() + 1;
    let elsewhere = limiter.limit_layer("app", many);
    for _ in 0..3 {
        drop(applied(&elsewhere));
    }
    let found = format!("`app` at {}:{here}:", file!());
    let place_of_the_other = format!("`app` at {}:", file!());
    let parts = [
        "LIMIT006",
        "WARN",
        &found,
        &place_of_the_other,
        "with 5 per",
        "with 100 per",
        "a name of its own",
    ];
    assert_one_line(log, &parts);
    drop(applied(&unused));
    assert_nothing(log);
    drop((app, fine, next));
}

/// Routes with and without a router around them.
fn nested() -> Router {
    let routes = || {
        Router::new()
            .route("/health", get(|| async {}))
            .route("/items/{id}", get(|| async {}))
    };
    Router::new().nest("/api", routes()).merge(routes())
}

async fn layers_around_layers(log: &Log) {
    let limiter = Limiter::new();
    let layer = |name| limiter.limit_layer(name, limits!("9/minute")).key(everyone);
    let around = |outer: RateLimitLayer, inner: RateLimitLayer| {
        let routes = Router::new().route("/", get(|| async {}));
        routes.layer(inner).layer(outer)
    };
    let fine = [
        around(layer("outer"), layer("inner")),
        around(layer("shared"), layer("inner").scope("shared")),
        around(layer("outer"), layer("outer").scope(route)),
    ];
    for app in fine {
        get_status(&app, "/").await;
    }
    assert_nothing(log);
    let twice = [
        around(layer("app"), layer("app")),
        around(layer("a").scope("shared"), layer("b").scope("shared")),
    ];
    get_status(&twice[0], "/").await;
    assert_one_line(log, &["LIMIT004", "WARN", "another name or scope"]);
    get_status(&twice[1], "/").await;
    assert_nothing(log);
}

async fn exceptions_that_match_nothing(log: &Log) {
    const HOUR: Duration = Duration::from_secs(3_600);
    let (limiter, clock) = Limiter::for_test();
    let layer = limiter
        .limit_layer("app", limits!("1_000_000/second"))
        .key(everyone)
        .except("/health")
        .except("/helth")
        .except("/items/7");
    let app = nested().layer(layer.clone());
    // The requests of all routes are those of one layer.
    for _ in 0..499 {
        get_status(&app, "/health").await;
        get_status(&app, "/items/8").await;
    }
    clock.advance(2 * HOUR);
    get_status(&app, "/missing").await;
    assert_nothing(log);
    get_status(&app, "/items/9").await;
    let parts = ["LIMIT007", "INFO", "`/helth`, `/items/7` of", "`app` at"];
    assert_one_line(log, &parts);
    for _ in 0..1_000 {
        get_status(&app, "/items/9").await;
    }
    assert_nothing(log);

    let other = limiter.limit_layer("other", limits!("1_000_000/second"));
    let early = nested().layer(other.key(everyone).except("/helth"));
    for _ in 0..1_500 {
        get_status(&early, "/items/9").await;
    }
    clock.advance(HOUR - Duration::from_micros(1));
    get_status(&early, "/items/9").await;
    assert_nothing(log);
}

async fn exceptions_that_are_incomplete(log: &Log) {
    let (limiter, _clock) = Limiter::for_test();
    let layer = |name| limiter.limit_layer(name, limits!("9/minute")).key(everyone);
    // These match before a request could be mistaken for theirs; others do not look alike.
    let fine = nested().layer(layer("fine").except("/health").except("/alth"));
    get_status(&fine, "/health").await;
    get_status(&fine, "/api/health").await;
    // A path is what clients choose.
    let fallback = nested().layer(layer("fallback").except("/missing"));
    get_status(&fallback, "/api/missing").await;
    // It is not limited, so nothing is lost.
    let skipped = nested().layer(layer("skipped").except("/health").skip_when(|_| true));
    get_status(&skipped, "/api/health").await;
    assert_nothing(log);

    let app = nested().layer(layer("app").except("/health"));
    for _ in 0..3 {
        assert_eq!(get_status(&app, "/api/health").await, StatusCode::OK);
    }
    let parts = [
        "LIMIT008",
        "WARN",
        "`/health` of",
        "`app` at",
        "`/api/health`",
        ".except(",
    ];
    assert_one_line(log, &parts);
}

async fn requests_outside_of_layers(log: &Log) {
    #[rate_limit("1/minute", key = everyone)]
    async fn covered() {}
    #[rate_limit("2/minute", key = everyone)]
    async fn outside() {}

    let limiter = Limiter::new();
    let app: Router = Router::new()
        .route("/covered", get(covered))
        .layer(limiter.layer())
        .route("/outside", get(outside));
    assert_eq!(get_status(&app, "/covered").await, StatusCode::OK);
    assert_nothing(log);
    assert_eq!(get_status(&app, "/outside").await, StatusCode::OK);
    let parts = ["LIMIT009", "WARN", ".layer(limiter.layer())", ".install()?"];
    assert_one_line(log, &parts);

    let another: Router = Router::new()
        .layer(Limiter::new().limit_layer("app", limits!("9/minute")))
        .route("/outside", get(outside));
    assert_eq!(get_status(&another, "/outside").await, StatusCode::OK);
    assert_eq!(
        get_status(&app, "/outside").await,
        StatusCode::TOO_MANY_REQUESTS
    );
    assert_nothing(log);

    let refused = limiter.install().unwrap_err();
    assert_eq!(refused, InstallError::AlreadyUsed);
    assert!(refused.to_string().contains("before the first request"));
}

/// Two handlers within functions have the module's path.
fn handlers_of_one_path(log: &Log) {
    fn first() {
        #[rate_limit("1/minute", name = "twin")]
        async fn twin() {}
        let _ = twin;
    }
    fn second() {
        #[rate_limit("2/minute", name = "twin")]
        async fn twin() {}
        let _ = twin;
    }
    let _ = (first, second);
    let _ = Limiter::new();
    assert_one_line(
        log,
        &[
            "LIMIT014",
            "WARN",
            "`setup::twin` with `twin` at tests/tests/setup.rs:",
            " and at ",
        ],
    );
    let _ = Limiter::new();
    assert_nothing(log);
}

async fn settings_of_remote_stores_in_memory(log: &Log) {
    Limiter::connect("memory://").await.unwrap();
    let variables = [("RATE_LIMIT_ENABLED", "true")];
    Limiter::from_variables(variables).await.unwrap();
    assert_nothing(log);

    let variables = [
        ("RATE_LIMIT_STORE", "memory://"),
        ("RATE_LIMIT_SECRET", "hush"),
        ("RATE_LIMIT_ON_STORE_ERROR", "deny"),
    ];
    Limiter::from_variables(variables).await.unwrap();
    assert_one_line(
        log,
        &[
            "LIMIT013",
            "WARN",
            "RATE_LIMIT_SECRET, RATE_LIMIT_ON_STORE_ERROR",
            "remove them, or connect to a remote store",
        ],
    );

    let remote = Limiter::builder().remote("memory://").key_prefix("app");
    remote.connect().await.unwrap();
    assert_nothing(log);
}

#[rate_limit("9/minute", key = everyone)]
#[rate_limit("3/minute", key = everyone, dry_run)]
async fn on_trial() {}

async fn rules_of_one_budget(log: &Log) {
    let limiter = Limiter::new();
    let app = Router::new()
        .route("/", get(on_trial))
        .layer(limiter.layer());
    get_status(&app, "/").await;
    assert_nothing(log);
    limiter.set_dry_run("on_trial-2", false).unwrap();
    get_status(&app, "/").await;
    assert_one_line(
        log,
        &[
            "LIMIT010",
            "WARN",
            "a `name` of its own",
            "`on_trial` and `on_trial-2` of setup::on_trial",
        ],
    );
    get_status(&app, "/").await;
    assert_nothing(log);
}
