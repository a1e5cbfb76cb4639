//! A budget is identified by what the author wrote, never by its position.

use crate::app::App;
use axum::{
    Router,
    body::Body,
    extract::Path,
    response::Response,
    routing::{get, post},
};
use http::{Request, StatusCode};
use limit_runtime::{
    Exceeded, Limiter, client_ip, everyone, header, limits, rate_limit, route, store::Scope,
};
use test_support::check_only::CheckOnly;

const OK: StatusCode = StatusCode::OK;
const LIMITED: StatusCode = StatusCode::TOO_MANY_REQUESTS;

/// What is left of the budget of a rule. Two handlers cannot have one path, so a test of two
/// releases looks at the budget by the path of the first.
async fn left(limiter: &Limiter, path: &str, rule: &str) -> u64 {
    let limits = limits!("20/day");
    let check = limiter.check(&limits, ()).scope(Scope::handler(path, rule));
    check.peek().await.unwrap().outcomes()[0].remaining()
}

#[tokio::test]
async fn rules_keep_their_budgets_when_others_come_and_go() {
    mod first {
        #[limit_runtime::rate_limit("20/day", name = "requests", key = limit_runtime::everyone)]
        #[limit_runtime::rate_limit("20/day", name = "tokens", key = limit_runtime::everyone, cost = 2)]
        pub(super) async fn complete() {}
    }
    mod second {
        use limit_runtime::rate_limit as limited;

        #[limited("100/second", name = "rps", key = limit_runtime::everyone)]
        #[axum::debug_handler]
        #[limit_runtime::rate_limit("20/day", name = "tokens", key = limit_runtime::everyone, cost = 2)]
        #[limit_runtime::rate_limit("20/day", name = "requests", key = limit_runtime::everyone)]
        pub(super) async fn complete() {}
    }
    let paths = ["first", "second"].map(|module| format!("{}::{module}::complete", module_path!()));
    for (path, handler) in paths
        .iter()
        .zip([get(first::complete), get(second::complete)])
    {
        let app = App::new(Router::new().route("/", handler));
        assert_eq!(app.get("/").await.status, OK);
        assert_eq!(left(&app.limiter, path, "requests").await, 19);
        assert_eq!(left(&app.limiter, path, "tokens").await, 18);
    }
}

#[tokio::test]
async fn without_a_name_the_key_as_written_is_the_identity() {
    #[rate_limit("20/day", key = everyone)]
    async fn plain() {}
    #[rate_limit("20/day", key = limit_runtime::everyone)]
    async fn by_path() {}
    let router = Router::new()
        .route("/plain", get(plain))
        .route("/by-path", get(by_path));
    let app = App::new(router);
    for (path, handler) in [("/plain", "plain"), ("/by-path", "by_path")] {
        assert_eq!(app.get(path).await.status, OK);
        let scope = format!("{}::{handler}", module_path!());
        assert_eq!(left(&app.limiter, &scope, "everyone").await, 19);
    }
}

#[tokio::test]
async fn an_alias_of_a_route_shares_its_budget() {
    #[rate_limit("2/minute")]
    async fn complete() {}
    let inner = Router::new().route("/completions", get(complete));
    let router = Router::new()
        .route("/v1/completions", get(complete))
        .route("/completions", get(complete))
        .nest("/api/{version}", inner)
        .fallback(complete);
    let app = App::new(router);
    assert_eq!(app.get("/v1/completions").await.status, OK);
    assert_eq!(app.get("/completions").await.status, OK);
    for path in ["/v1/completions", "/api/2/completions", "/nowhere"] {
        assert_eq!(app.get(path).await.status, LIMITED, "{path}");
    }
}

#[tokio::test]
async fn scope_route_gives_each_route_template_a_budget_of_its_own() {
    #[rate_limit("1/minute", scope = route)]
    async fn complete() {}
    let inner = Router::new().route("/{model}", get(complete));
    let router = Router::new()
        .route("/a/{model}", get(complete))
        .nest("/b", inner.clone())
        .nest("/c", inner)
        .fallback(complete);
    let app = App::new(router);
    for path in ["/a/x", "/b/x", "/c/x", "/nowhere"] {
        assert_eq!(app.get(path).await.status, OK, "{path}");
    }
    for path in ["/a/y", "/b/y", "/c/y", "/elsewhere"] {
        assert_eq!(app.get(path).await.status, LIMITED, "{path}");
    }
    let path = concat!(module_path!(), "::complete");
    let scope = Scope::handler(path, "client_ip");
    let key = std::net::Ipv4Addr::new(192, 0, 2, 1);
    for (scope, paths) in [(scope.on_route("/b/{model}"), "/b/x"), (scope, "/nowhere")] {
        app.limiter.reset_key(scope, key).await.unwrap();
        assert_eq!(app.get(paths).await.status, OK);
    }
}

#[tokio::test]
async fn two_handlers_on_one_route_have_budgets_of_their_own() {
    #[rate_limit("1/minute", scope = route)]
    async fn read() {}
    #[rate_limit("1/minute", scope = route)]
    async fn write() {}
    let router = Router::new().route("/", get(read).post(write));
    let app = App::new(router);
    let post = || app.send(http::Method::POST, "/", "192.0.2.1", "");
    assert_eq!([app.get("/").await.status, post().await.status], [OK, OK]);
    assert_eq!(
        [app.get("/").await.status, post().await.status],
        [LIMITED, LIMITED]
    );
}

#[tokio::test]
async fn the_type_parameters_of_a_handler_are_no_part_of_its_identity() {
    #[rate_limit("1/minute")]
    async fn generic<const N: usize>() {}
    let router = Router::new()
        .route("/1", get(generic::<1>))
        .route("/2", get(generic::<2>));
    let app = App::new(router);
    assert_eq!(app.get("/1").await.status, OK);
    assert_eq!(app.get("/2").await.status, LIMITED);
}

/// What the compiler cannot see to be one budget.
#[tokio::test]
async fn one_budget_twice_is_charged_once_at_the_larger_cost() {
    use limit_runtime::client_ip as ip;
    #[rate_limit("10/minute", key = client_ip, scope = "x")]
    #[rate_limit("20/hour", key = ip, scope = "x")]
    async fn twice() {}
    #[rate_limit("10/minute", key = client_ip, scope = "y")]
    #[rate_limit("20/hour", key = ip, scope = "y", cost = 3)]
    async fn dearer() {}
    let router = Router::new()
        .route("/", get(twice))
        .route("/dearer", get(dearer));
    let app = App::new(router);
    for left in [9, 8, 7] {
        let answer = app.get("/").await;
        let found = answer.header("ratelimit").unwrap();
        assert!(found.contains(&format!(";r={left};")), "{found}");
    }
    for left in [7, 4, 1] {
        let answer = app.get("/dearer").await;
        assert_eq!(answer.status, OK);
        let found = answer.header("ratelimit").unwrap();
        assert!(found.contains(&format!(";r={left};")), "{found}");
    }
    assert_eq!(app.get("/dearer").await.status, LIMITED);
}

#[tokio::test]
async fn one_budget_twice_is_judged_by_the_limits_of_both() {
    use limit_runtime::everyone as all;
    fn scope(Path(model): Path<String>) -> String {
        model
    }
    fn other(Path(model): Path<String>) -> String {
        model
    }
    #[rate_limit("100/minute", key = everyone, scope = scope, name = "a")]
    #[rate_limit("3/hour", key = all, scope = other, name = "b")]
    async fn computed() {}
    #[rate_limit("5/minute", key = everyone, scope = "z", strategy = fixed_window)]
    #[rate_limit("3/minute", key = all, scope = "z", strategy = fixed_window)]
    async fn same_window() {}
    let router = Router::new()
        .route("/{model}/predict", get(computed))
        .route("/same", get(same_window));
    let app = App::new(router);
    for path in ["/m/predict", "/same"] {
        for status in [OK, OK, OK, LIMITED] {
            assert_eq!(app.get(path).await.status, status, "{path}");
        }
    }
}

/// Only what no rule counts is given back.
#[tokio::test]
async fn one_budget_twice_counts_what_one_of_its_rules_counts() {
    use limit_runtime::client_ip as ip;
    fn is_error(response: &Response) -> bool {
        !response.status().is_success()
    }
    #[rate_limit("3/minute", key = client_ip, scope = "a", count_when = is_error)]
    #[rate_limit("3/hour", key = ip, scope = "a")]
    async fn first() {}
    #[rate_limit("3/minute", key = client_ip, scope = "b")]
    #[rate_limit("3/hour", key = ip, scope = "b", count_when = is_error)]
    async fn second() {}
    #[rate_limit("3/minute", key = client_ip, scope = "c", count_when = is_error)]
    #[rate_limit("3/hour", key = ip, scope = "c", count_when = is_error)]
    async fn both() {}
    let router = Router::new()
        .route("/first", get(first))
        .route("/second", get(second))
        .route("/both", get(both));
    let app = App::new(router);
    for (path, last) in [("/first", LIMITED), ("/second", LIMITED), ("/both", OK)] {
        for status in [OK, OK, OK, last] {
            assert_eq!(app.get(path).await.status, status, "{path}");
        }
    }
}

#[tokio::test]
async fn one_budget_twice_has_the_options_of_both_rules() {
    use limit_runtime::client_ip as ip;
    fn busy(_: &Exceeded<'_>) -> StatusCode {
        StatusCode::IM_A_TEAPOT
    }
    #[rate_limit("3/minute", key = client_ip, scope = "a")]
    #[rate_limit("1/hour", key = ip, scope = "a", on_limited = busy)]
    async fn answered() {}
    #[rate_limit("3/minute", key = client_ip, scope = "b")]
    #[rate_limit("1/hour", key = ip, scope = "b", on_limited = busy)]
    #[rate_limit("9/hour", name = "batch", cost = body.len())]
    async fn late(body: String) {
        let _ = body;
    }
    let router = Router::new()
        .route("/", get(answered))
        .route("/late", post(late));
    let app = App::new(router);
    let late = || app.send(http::Method::POST, "/late", "192.0.2.1", "x");
    assert_eq!([app.get("/").await.status, late().await.status], [OK, OK]);
    let refused = [app.get("/").await.status, late().await.status];
    assert_eq!(refused, [StatusCode::IM_A_TEAPOT; 2]);

    #[rate_limit("3/minute", key = client_ip, scope = "a", on_store_error = allow)]
    #[rate_limit("3/hour", key = ip, scope = "a", on_store_error = deny)]
    async fn denied() {}
    #[rate_limit("3/minute", key = client_ip, scope = "a", on_store_error = deny)]
    #[rate_limit("3/hour", key = ip, scope = "a")]
    async fn denied_too() {}
    let router = Router::new()
        .route("/", get(denied))
        .route("/too", get(denied_too));
    let app = App::with(router, Limiter::builder().store(CheckOnly::UNREACHABLE));
    for path in ["/", "/too"] {
        assert_eq!(app.get(path).await.status, StatusCode::SERVICE_UNAVAILABLE);
    }
}

/// The burst is no part of a budget.
#[tokio::test]
async fn two_bursts_in_one_bucket_are_charged_once_at_the_smaller_one() {
    use limit_runtime::client_ip as ip;
    #[rate_limit("10/minute", key = client_ip, scope = "x", strategy = gcra(burst = 9))]
    #[rate_limit("10/minute", key = ip, scope = "x", strategy = gcra(burst = 5))]
    async fn one_bucket() {}
    #[rate_limit("10/minute", key = client_ip, scope = "y", strategy = gcra(burst = 9))]
    #[rate_limit("100/hour", key = ip, scope = "y", strategy = gcra(burst = 5))]
    async fn two_buckets() {}
    let router = Router::new()
        .route("/one", get(one_bucket))
        .route("/two", get(two_buckets));
    let app = App::new(router);
    for path in ["/one", "/two"] {
        for status in [OK, OK, OK, OK, OK, LIMITED] {
            assert_eq!(app.get(path).await.status, status, "{path}");
        }
    }
}

#[tokio::test]
async fn the_name_of_a_header_is_one_however_it_is_written() {
    macro_rules! by_header {
        ($handler:ident, $key:expr, $header:literal, $other:expr) => {
            #[rate_limit("20/day", key = $key)]
            #[rate_limit("20/day", key = header($header))]
            #[rate_limit("20/day", key = header($other))]
            async fn $handler() {}
        };
    }
    by_header!(complete, limit_runtime::everyone, "X-Key", "X-Other");
    let app = App::new(Router::new().route("/", get(complete)));
    let request = Request::get("/")
        .header("x-key", "k")
        .header("x-other", "k");
    let answer = app.call(request.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.status, OK);
    let path = format!("{}::complete", module_path!());
    assert_eq!(left(&app.limiter, &path, "everyone").await, 19);
    for rule in ["header(\"x-key\")", "header(\"x-other\")"] {
        let (limits, scope) = (limits!("20/day"), Scope::handler(&path, rule));
        let check = app.limiter.check(&limits, "k").scope(scope);
        let decision = check.peek().await.unwrap();
        assert_eq!(decision.outcomes()[0].remaining(), 19, "{rule}");
    }
}

#[tokio::test]
async fn fixed_windows_that_share_a_budget_are_all_judged_and_charged_once() {
    use limit_runtime::everyone as all;
    #[rate_limit("2/hour", key = everyone, scope = "w", strategy = fixed_window)]
    #[rate_limit("2/minute", key = all, scope = "w", strategy = fixed_window)]
    async fn windows() {}
    let app = App::new(Router::new().route("/", get(windows)));
    let at = async |seconds| {
        app.clock.advance(std::time::Duration::from_secs(seconds));
        app.get("/").await.status
    };
    assert_eq!(at(0).await, OK);
    // Five seconds before the hour ends, and so into a minute that outlasts it.
    assert_eq!(at(3_595).await, OK);
    assert_eq!(at(0).await, LIMITED);
    assert_eq!(at(6).await, OK);
    assert_eq!(at(1).await, LIMITED);
    assert_eq!(at(53).await, OK);
}
