//! What identifies a budget: what the author wrote, never where it stands.

use crate::app::App;
use axum::{Router, extract::Path, routing::get};
use http::StatusCode;
use limit_runtime::{Limiter, client_ip, everyone, limits, rate_limit, route, store::Scope};

const OK: StatusCode = StatusCode::OK;
const LIMITED: StatusCode = StatusCode::TOO_MANY_REQUESTS;

/// Two releases of one program: handlers of one name in modules of one name cannot be, so the second
/// release is told of the first one's path by a budget that is looked at.
async fn left(limiter: &Limiter, path: &str, rule: &str) -> u32 {
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
async fn an_alias_of_a_route_is_no_way_around() {
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
        app.limiter.clear(scope, key).await.unwrap();
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
