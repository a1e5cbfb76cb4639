//! Misconfigurations that are detected at run time. Each is logged once, with a code and the fix.
//!
//! A wrong set-up does not always cause an error: behind a proxy that is not configured, all
//! clients share one budget. What can be detected is logged with
//! [`tracing`](https://docs.rs/tracing), once per process. The program needs a subscriber, such as
//! `tracing_subscriber::fmt().init()`. The codes do not change between versions, so alerts can
//! match them.
//!
//! | Code | Level | What was seen | What it means | The fix |
//! |---|---|---|---|---|
//! | `LIMIT001` | warn | A forwarding header from a peer that is not a trusted proxy | The header is ignored. If the peer is a proxy, all clients behind it share one budget | Name the proxy with [`trusted_proxies`](crate::LimiterBuilder::trusted_proxies). Nothing is wrong where clients connect directly: anybody can send the header |
//! | `LIMIT002` | warn | The first 1,000 requests are all counted for one private address | Something in between hides the clients and says nothing of them: a load balancer that works on connections, Docker's or Kubernetes' address translation, a proxy that sends no header | Let the proxy send the header, or keep source addresses (`externalTrafficPolicy: Local`, host networking). Nothing is wrong where there is but one client |
//! | `LIMIT003` | error | A limit by client address, and requests that do not carry the peer's address | Each such request is refused with 500 | `app.into_make_service_with_connect_info::<SocketAddr>()` |
//! | `LIMIT004` | warn | A request is charged twice to one budget | A layer and a handler, or two layers, have the same scope and key: clients get half of what the limit says | Limit in one place, or give one of them another name or scope |
//! | `LIMIT005` | warn | A trusted proxy sends a forwarding header, and not the one that was configured | All clients behind the proxy share one budget | Configure the header that the proxy writes with [`TrustedProxies::header`](crate::TrustedProxies::header) |
//! | `LIMIT006` | warn | Two layers of one limiter have the same name and different limits | They share one budget, so that requests to one use up the other | Give each layer a name of its own |
//! | `LIMIT007` | info | An [`except`](crate::layer::RateLimitLayer::except) of a layer has matched no request in 1,000 requests and one hour | The exception may have no effect | Write the route as the router has it, such as `/items/{id}` |
//! | `LIMIT008` | warn | The route of a limited request ends with an exception that has not matched | The exception does not exempt this route | Write the whole route as seen where the layer is, such as `/api/health` |
//! | `LIMIT009` | warn | A request is limited by the process-wide limiter, and the program has a layer of another limiter | The layer does not cover the route: settings and store of its limiter do not apply | Add the routes before `.layer(limiter.layer())`, or call [`Limiter::install`](crate::Limiter::install) |
//! | `LIMIT010` | warn | Two rules of one request have the same budget | It is charged once, at the larger cost, and the limits of both apply | Write the limits in one string, or give one of the rules another scope |
//! | `LIMIT011` | error | A key, limits, scope or cost function has failed with a response whose status is a success | Clients get 500 instead | Give the error a status: `Err((StatusCode::UNAUTHORIZED, "…"))` |
//! | `LIMIT012` | warn | `on_limited` answers a refused request with a success status | Clients get 429 with its body instead, or they could not tell that they have been limited | Give the response a status: `(StatusCode::TOO_MANY_REQUESTS, body)` |
//! | `LIMIT013` | warn | Settings of a remote store, such as `key_prefix` or `RATE_LIMIT_SECRET`, and a limiter that counts in memory | The settings have no effect. The field `found` of the log line names them | Remove the settings, or connect to a remote store: `Limiter::builder().remote("redis://…")`, `RATE_LIMIT_STORE=redis://…` |
//!
//! `LIMIT001`, `LIMIT002` and `LIMIT005` are looked for in the first 10,000 requests that are
//! limited by [`client_ip`](crate::client_ip()); after that the search costs one relaxed load of
//! an atomic.

use std::{
    fmt,
    sync::atomic::{AtomicU32, Ordering},
};

/// A wrong set-up that can be recognised; see the [table](self).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Misconfiguration {
    /// `LIMIT001`: a forwarding header comes from a peer that is not a trusted proxy.
    UntrustedForwarding,
    /// `LIMIT002`: all traffic is counted for one private address.
    OneAddress,
    /// `LIMIT003`: requests do not carry the peer's address.
    NoPeerAddress,
    /// `LIMIT004`: a request is charged twice to one budget.
    ChargedTwice,
    /// `LIMIT005`: a trusted proxy sends another header than the one configured.
    OtherHeader,
    /// `LIMIT006`: two layers of one limiter have the same name and different limits.
    LayersDiffer,
    /// `LIMIT007`: an exception of a layer has matched no request for a long time.
    UnusedException,
    /// `LIMIT008`: the route of a limited request ends with an exception that has not matched.
    IncompleteException,
    /// `LIMIT009`: a request is limited by the process-wide limiter although there is a layer.
    OutsideLayer,
    /// `LIMIT010`: two rules of one request have the same budget.
    SharedBudget,
    /// `LIMIT011`: a function of the application has failed with a success status.
    SuccessfulRejection,
    /// `LIMIT012`: `on_limited` answers with a success status.
    SuccessfulRefusal,
    /// `LIMIT013`: a limiter in memory has settings of a remote store.
    UnusedStoreSettings,
}

impl Misconfiguration {
    /// The stable code: what to look for in logs.
    ///
    /// ```
    /// use limit_runtime::diagnostics::Misconfiguration;
    ///
    /// assert_eq!(Misconfiguration::NoPeerAddress.code(), "LIMIT003");
    /// ```
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::UntrustedForwarding => "LIMIT001",
            Self::OneAddress => "LIMIT002",
            Self::NoPeerAddress => "LIMIT003",
            Self::ChargedTwice => "LIMIT004",
            Self::OtherHeader => "LIMIT005",
            Self::LayersDiffer => "LIMIT006",
            Self::UnusedException => "LIMIT007",
            Self::IncompleteException => "LIMIT008",
            Self::OutsideLayer => "LIMIT009",
            Self::SharedBudget => "LIMIT010",
            Self::SuccessfulRejection => "LIMIT011",
            Self::SuccessfulRefusal => "LIMIT012",
            Self::UnusedStoreSettings => "LIMIT013",
        }
    }

    /// How severe it is: requests fail, limits are not what the source says, or perhaps nothing is wrong.
    const fn level(self) -> Level {
        match self {
            Self::NoPeerAddress | Self::SuccessfulRejection => Level::Error,
            Self::UnusedException => Level::Info,
            _ => Level::Warn,
        }
    }

    const fn bit(self) -> u32 {
        1 << self as u32
    }
}

/// The level of a log line: an event's own level has to be a constant.
#[derive(Clone, Copy)]
enum Level {
    Error,
    Warn,
    Info,
}

impl fmt::Display for Misconfiguration {
    /// The code, what is wrong, and the fix.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())?;
        f.write_str(match self {
            Self::UntrustedForwarding => {
                ": a forwarding header comes from a peer that is not a trusted proxy, so it is \
                 ignored and all clients behind that peer share one budget; if the peer is your \
                 proxy, name it: `Limiter::builder().trusted_proxies(TrustedProxies::new([\"10.0.0.0/8\"])?)`; \
                 if clients connect directly, nothing is wrong"
            }
            Self::OneAddress => {
                ": all requests so far are counted for one private address, so that all clients \
                 share one budget; let the proxy in front send a forwarding header and name it with \
                 `Limiter::builder().trusted_proxies(…)`, or keep source addresses where they are \
                 translated (`externalTrafficPolicy: Local`, host networking); if there is but one \
                 client, nothing is wrong"
            }
            Self::NoPeerAddress => {
                ": a limit by client address meets requests without `ConnectInfo<SocketAddr>`, so \
                 they are refused with 500; start the server with `axum::serve(listener, \
                 app.into_make_service_with_connect_info::<SocketAddr>())`, or give the limit \
                 another key; where there is no socket address (a Unix socket, Lambda), add a \
                 middleware around all layers of the limiter that inserts the address: \
                 `.layer(axum::middleware::from_fn(move |mut request: Request, next: Next| async move \
                 { request.extensions_mut().insert(ConnectInfo(address)); next.run(request).await }))`; \
                 in tests, add `.layer(MockConnectInfo(SocketAddr::from(([127, 0, 0, 1], 0))))`"
            }
            Self::ChargedTwice => {
                ": a request is charged twice to one budget, so that clients get half of what its \
                 limit allows: a layer and a handler, or two layers, have the same scope and key; \
                 limit in one place, or give one of them another name or scope"
            }
            Self::OtherHeader => {
                ": a trusted proxy sends a forwarding header, and not the one that is configured, \
                 so that all clients behind it share one budget; configure the header that your \
                 proxy writes: `TrustedProxies::new(…)?.header(ForwardedHeader::…)`"
            }
            Self::LayersDiffer => {
                ": two layers of one limiter have the same name and different limits, so they share \
                 one budget and requests to one use up the other; give each layer a name of its own: \
                 `limiter.limit_layer(\"another name\", limits)`; a function that makes layers takes \
                 the name as an argument"
            }
            Self::UnusedException => {
                ": an exception of a layer has matched none of at least 1,000 requests within an \
                 hour, so it may have no effect; write the route as the router has it, with its \
                 parameters, such as `.except(\"/items/{id}\")`; if the route is rarely requested, \
                 nothing is wrong"
            }
            Self::IncompleteException => {
                ": a limited request has a route that ends with an exception of the layer, and the \
                 exception has matched no request; write the whole route as seen where the layer is, \
                 such as `.except(\"/api/health\")`, with its parameters and slashes; if another \
                 route is meant, nothing is wrong"
            }
            Self::OutsideLayer => {
                ": a request is limited by the process-wide limiter, which was not installed, \
                 although the program has a layer of another limiter: a layer covers only the routes \
                 that were added before it; call `.layer(limiter.layer())` after adding the routes, or \
                 make the limiter that of the whole process with `limiter.install()?`"
            }
            Self::SharedBudget => {
                ": two rules of one request have the same scope, key and strategy, and so the same \
                 budget: it is charged once, at the larger cost, and the limits of both apply; write \
                 the limits in one string (`\"10/second; 100/minute\"`), or give one of the rules \
                 another scope"
            }
            Self::SuccessfulRejection => {
                ": a key, limits, scope or cost function has failed with a response whose status is \
                 a success, so clients get 500 instead; give the error a status: \
                 `Err((StatusCode::UNAUTHORIZED, \"…\"))`"
            }
            Self::SuccessfulRefusal => {
                ": `on_limited` answers refused requests with a success status, so 429 is sent \
                 instead; give the response a status: `(StatusCode::TOO_MANY_REQUESTS, body)`"
            }
            Self::UnusedStoreSettings => {
                ": settings of a remote store have no effect, because the limiter counts in memory; \
                 remove them, or connect to a remote store: `Limiter::builder().remote(\"redis://…\")`, \
                 or `RATE_LIMIT_STORE=redis://…` in the environment"
            }
        })
    }
}

/// Says `wrong` in the log unless that was done before; whether it was said now.
pub(crate) fn warn_once(wrong: Misconfiguration) -> bool {
    warn_once_with(wrong, format_args!(""))
}

/// As [`warn_once`], with what was found: a field `found` beside the message, if it is not empty.
pub(crate) fn warn_once_with(wrong: Misconfiguration, found: fmt::Arguments<'_>) -> bool {
    static SAID: Said = Said::new();
    let first = SAID.first(wrong);
    if first {
        log(wrong, found);
    }
    first
}

#[cold]
fn log(wrong: Misconfiguration, found: fmt::Arguments<'_>) {
    let code = wrong.code();
    let found = (found.as_str() != Some("")).then(|| tracing::field::display(found));
    match wrong.level() {
        Level::Error => tracing::error!(code, found, "{wrong}"),
        Level::Warn => tracing::warn!(code, found, "{wrong}"),
        Level::Info => tracing::info!(code, found, "{wrong}"),
    }
}

/// What has been said: a bit for each.
struct Said(AtomicU32);

impl Said {
    const fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    fn first(&self, wrong: Misconfiguration) -> bool {
        let bit = wrong.bit();
        self.0.load(Ordering::Relaxed) & bit == 0
            && self.0.fetch_or(bit, Ordering::Relaxed) & bit == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    const ALL: [Misconfiguration; 13] = [
        Misconfiguration::UntrustedForwarding,
        Misconfiguration::OneAddress,
        Misconfiguration::NoPeerAddress,
        Misconfiguration::ChargedTwice,
        Misconfiguration::OtherHeader,
        Misconfiguration::LayersDiffer,
        Misconfiguration::UnusedException,
        Misconfiguration::IncompleteException,
        Misconfiguration::OutsideLayer,
        Misconfiguration::SharedBudget,
        Misconfiguration::SuccessfulRejection,
        Misconfiguration::SuccessfulRefusal,
        Misconfiguration::UnusedStoreSettings,
    ];

    #[test]
    fn each_is_said_once_whoever_sees_it() {
        let said = Said::new();
        for wrong in ALL {
            let times = thread::scope(|scope| {
                let threads: Vec<_> = (0..8)
                    .map(|_| scope.spawn(|| usize::from(said.first(wrong))))
                    .collect();
                threads
                    .into_iter()
                    .map(|t| t.join().unwrap())
                    .sum::<usize>()
            });
            assert_eq!(times, 1, "{wrong:?}");
        }
    }

    #[test]
    fn the_message_begins_with_the_code() {
        for (index, wrong) in ALL.into_iter().enumerate() {
            assert_eq!(wrong.code(), format!("LIMIT{:03}", index + 1));
            assert!(
                wrong
                    .to_string()
                    .starts_with(&format!("{}: ", wrong.code()))
            );
        }
    }
}
