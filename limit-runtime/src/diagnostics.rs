#![doc = include_str!("docs/diagnostics.md")]

use std::{
    fmt,
    sync::atomic::{AtomicU32, Ordering},
};

/// A misconfiguration that can be detected. The [table](self) shows the fixes.
///
/// `Display` is the text that is logged: the code, what was seen, what it means, and the fix.
///
/// ```
/// use limit_runtime::diagnostics::Misconfiguration;
///
/// let text = Misconfiguration::NoPeerAddress.to_string();
/// assert!(text.starts_with("LIMIT003: rate limiting is misconfigured: "));
/// assert!(text.contains("into_make_service_with_connect_info::<SocketAddr>()"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Misconfiguration {
    /// `LIMIT001`: a forwarding header from a peer that is not a trusted proxy.
    UntrustedForwarding,
    /// `LIMIT002`: all requests come from one private address.
    SinglePrivateAddress,
    /// `LIMIT003`: requests without the address of their peer.
    NoPeerAddress,
    /// `LIMIT004`: a request is charged twice to one budget.
    ChargedTwice,
    /// `LIMIT005`: a trusted proxy sends another forwarding header than the configured one.
    WrongForwardingHeader,
    /// `LIMIT006`: two layers of one limiter have the same name and different limits.
    ConflictingLayers,
    /// `LIMIT007`: an exception of a layer has matched no request for a long time.
    UnusedException,
    /// `LIMIT008`: a limited request has a route that ends with an exception which has not matched.
    IncompleteException,
    /// `LIMIT009`: a request is limited by the process-wide limiter, not by the one with a layer.
    OutsideLayer,
    /// `LIMIT010`: two rules of one request have the same budget.
    SharedBudget,
    /// `LIMIT011`: a key, limits, scope or cost function failed with a success status.
    SuccessfulRejection,
    /// `LIMIT012`: an `on_limited` function responded with a success status.
    SuccessfulRefusal,
    /// `LIMIT013`: a limiter that counts in memory has settings of a remote store.
    UnusedStoreSettings,
    /// `LIMIT014`: two handlers at different places have one path and rules of one name.
    DuplicateHandlers,
    /// `LIMIT015`: a layer has a concurrency limit of zero.
    NoConcurrency,
    /// `LIMIT016`: a concurrency limit is counted in this process, because the store has no leases.
    PermitsOfOneProcess,
}

impl Misconfiguration {
    /// The code to look for in logs. It does not change between versions.
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
            Self::SinglePrivateAddress => "LIMIT002",
            Self::NoPeerAddress => "LIMIT003",
            Self::ChargedTwice => "LIMIT004",
            Self::WrongForwardingHeader => "LIMIT005",
            Self::ConflictingLayers => "LIMIT006",
            Self::UnusedException => "LIMIT007",
            Self::IncompleteException => "LIMIT008",
            Self::OutsideLayer => "LIMIT009",
            Self::SharedBudget => "LIMIT010",
            Self::SuccessfulRejection => "LIMIT011",
            Self::SuccessfulRefusal => "LIMIT012",
            Self::UnusedStoreSettings => "LIMIT013",
            Self::DuplicateHandlers => "LIMIT014",
            Self::NoConcurrency => "LIMIT015",
            Self::PermitsOfOneProcess => "LIMIT016",
        }
    }

    /// Error if requests fail, info if it is likely that nothing is wrong, else warn.
    const fn level(self) -> Level {
        match self {
            Self::NoPeerAddress | Self::SuccessfulRejection => Level::Error,
            Self::UnusedException => Level::Info,
            _ => Level::Warn,
        }
    }

    /// What was seen, what it means, and the fix.
    const fn message(self) -> &'static str {
        match self {
            Self::UntrustedForwarding => {
                "rate limiting may be misconfigured: a peer that is not a trusted proxy sent a \
                 forwarding header. The header is ignored, so all clients behind this peer share \
                 one budget. If the peer is your proxy, trust it: `Limiter::builder()\
                 .trusted_proxies(TrustedProxies::new([\"10.0.0.0/8\"])?)`. If clients connect \
                 directly, nothing is wrong."
            }
            Self::SinglePrivateAddress => {
                "rate limiting may be misconfigured: all requests so far come from one private \
                 address. All clients share one budget. Configure the proxy in front of this \
                 server to send a forwarding header, and trust it with `Limiter::builder()\
                 .trusted_proxies(…)`. If there is no such proxy, preserve source addresses in the \
                 network (`externalTrafficPolicy: Local`, host networking). If there is only one \
                 client, nothing is wrong."
            }
            Self::NoPeerAddress => {
                "rate limiting is misconfigured: client address unavailable. A limit counts by \
                 client address, and requests carry no `ConnectInfo<SocketAddr>`, so they fail \
                 with 500. Start the server with `axum::serve(listener, \
                 app.into_make_service_with_connect_info::<SocketAddr>())`, or give the limit \
                 another key. On a server without socket addresses (a Unix socket, Lambda), insert \
                 the address in a middleware around all layers of the limiter: \
                 `.layer(axum::middleware::from_fn(move |mut request: Request, next: Next| async \
                 move { request.extensions_mut().insert(ConnectInfo(address)); \
                 next.run(request).await }))`. In tests, add \
                 `.layer(MockConnectInfo(SocketAddr::from(([127, 0, 0, 1], 0))))`."
            }
            Self::ChargedTwice => {
                "rate limiting is misconfigured: a request is charged twice to one budget. A layer \
                 and a handler, or two layers, have the same scope and key, so clients get half of \
                 the limit. Limit in one place, or give one of them another name or scope."
            }
            Self::WrongForwardingHeader => {
                "rate limiting is misconfigured: a trusted proxy sends another forwarding header \
                 than the configured one. All clients behind this proxy share one budget. \
                 Configure the header that your proxy sends: \
                 `TrustedProxies::new(…)?.header(ForwardedHeader::…)`."
            }
            Self::ConflictingLayers => {
                "rate limiting is misconfigured: two layers of one limiter have the same name and \
                 different limits. They share one budget, so requests through one layer use up the \
                 budget of the other. Give each layer a name of its own: \
                 `limiter.limit_layer(\"another name\", limits)`. A function that makes layers can \
                 take the name as an argument."
            }
            Self::UnusedException => {
                "rate limiting may be misconfigured: an exception of a layer has matched none of \
                 at least 1,000 requests within one hour. It may have no effect. Write the route \
                 exactly as in the router, with its parameters, such as \
                 `.except(\"/items/{id}\")`. If the route is rarely requested, nothing is wrong."
            }
            Self::IncompleteException => {
                "rate limiting may be misconfigured: a limited request has a route that ends with \
                 an exception of the layer, and the exception has matched no request. It does not \
                 exempt this route. Write the whole route as seen from the layer, with its \
                 parameters and slashes, such as `.except(\"/api/health\")`. If the exception is \
                 for another route, nothing is wrong."
            }
            Self::OutsideLayer => {
                "rate limiting is misconfigured: a layer of a limiter does not cover a limited \
                 route. A layer covers only the routes that were added before it. The default \
                 process-wide limiter limits this request, so the settings and the store of the \
                 layer's limiter do not apply. Call `.layer(limiter.layer())` after adding the \
                 routes, or use the limiter in the whole process with `limiter.install()?`."
            }
            Self::SharedBudget => {
                "rate limiting is misconfigured: two rules of one request have the same scope, key \
                 and strategy. They have one budget, which is charged once, at the larger cost, \
                 and the limits of both rules apply. Write the limits in one string \
                 (`\"10/second; 100/minute\"`), or give one of the rules a `name` of its own or, if \
                 both have one `scope`, another scope."
            }
            Self::SuccessfulRejection => {
                "rate limiting is misconfigured: a key, limits, scope or cost function failed with \
                 a success status. The client gets 500, because it would take a success status for \
                 the handler's response. Give the error an error status: \
                 `Err((StatusCode::UNAUTHORIZED, \"…\"))`."
            }
            Self::SuccessfulRefusal => {
                "rate limiting is misconfigured: an `on_limited` function responded with a success \
                 status. The client gets 429, because it would take a success status for the \
                 handler's response. Give the response an error status: \
                 `(StatusCode::TOO_MANY_REQUESTS, body)`."
            }
            Self::UnusedStoreSettings => {
                "rate limiting is misconfigured: a limiter that counts in memory has settings of a \
                 remote store. The settings have no effect; remove them, or connect to a remote \
                 store: `Limiter::builder().remote(\"redis://…\")`, or \
                 `RATE_LIMIT_STORE=redis://…` in the environment."
            }
            Self::DuplicateHandlers => {
                "rate limiting is misconfigured: two limited handlers have the same module and \
                 name, and rules of the same name or key. They share one budget, so requests to \
                 one handler use up the budget of the other. This happens to handlers within the \
                 bodies of two functions. Rename one of the handlers, or give the rules different \
                 names: `name = \"…\"`. If the budget is meant to be shared, say so with `scope = \
                 \"…\"`."
            }
            Self::NoConcurrency => {
                "rate limiting is misconfigured: a layer has a concurrency limit of 0, which would \
                 refuse every request. It counts as 1. Write the number of requests that may be in \
                 flight at once, at least 1: `.concurrency(4)`."
            }
            Self::PermitsOfOneProcess => {
                "rate limiting may be misconfigured: a concurrency limit is counted in this process \
                 alone, because the limiter's store does not keep leases. With several processes, \
                 each of them admits as many requests at once as the limit says. Implement \
                 `Store::leases`, or use Redis, Valkey or memcached. If there is one process, \
                 nothing is wrong."
            }
        }
    }
}

impl fmt::Display for Misconfiguration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code(), self.message())
    }
}

/// Own type, because `tracing` takes the level of an event only as a constant.
#[derive(Clone, Copy)]
enum Level {
    Error,
    Warn,
    Info,
}

/// Logs a misconfiguration, unless this process has already logged it. Returns whether it did.
pub(crate) fn warn_once(misconfiguration: Misconfiguration) -> bool {
    warn_once_with(misconfiguration, format_args!(""))
}

/// Like [`warn_once`], with details in the field `found`, unless they are empty.
pub(crate) fn warn_once_with(
    misconfiguration: Misconfiguration,
    found: fmt::Arguments<'_>,
) -> bool {
    static LOGGED: Logged = Logged::new();
    let is_first = LOGGED.insert(misconfiguration);
    if is_first {
        log(misconfiguration, found);
    }
    is_first
}

#[cold]
fn log(misconfiguration: Misconfiguration, found: fmt::Arguments<'_>) {
    let code = misconfiguration.code();
    let found = (found.as_str() != Some("")).then(|| tracing::field::display(found));
    match misconfiguration.level() {
        Level::Error => tracing::error!(code, found, "{misconfiguration}"),
        Level::Warn => tracing::warn!(code, found, "{misconfiguration}"),
        Level::Info => tracing::info!(code, found, "{misconfiguration}"),
    }
}

/// The misconfigurations that have been logged, as a bit set.
struct Logged(AtomicU32);

impl Logged {
    const fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    /// Returns whether it was not in the set.
    fn insert(&self, misconfiguration: Misconfiguration) -> bool {
        let bit = 1 << misconfiguration as u32;
        // Most calls find the bit set and need no write.
        self.0.load(Ordering::Relaxed) & bit == 0
            && self.0.fetch_or(bit, Ordering::Relaxed) & bit == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    const ALL: [Misconfiguration; 16] = [
        Misconfiguration::UntrustedForwarding,
        Misconfiguration::SinglePrivateAddress,
        Misconfiguration::NoPeerAddress,
        Misconfiguration::ChargedTwice,
        Misconfiguration::WrongForwardingHeader,
        Misconfiguration::ConflictingLayers,
        Misconfiguration::UnusedException,
        Misconfiguration::IncompleteException,
        Misconfiguration::OutsideLayer,
        Misconfiguration::SharedBudget,
        Misconfiguration::SuccessfulRejection,
        Misconfiguration::SuccessfulRefusal,
        Misconfiguration::UnusedStoreSettings,
        Misconfiguration::DuplicateHandlers,
        Misconfiguration::NoConcurrency,
        Misconfiguration::PermitsOfOneProcess,
    ];

    #[test]
    fn each_is_logged_by_one_of_several_threads() {
        let logged = Logged::new();
        for misconfiguration in ALL {
            let times = thread::scope(|scope| {
                let threads: Vec<_> = (0..8)
                    .map(|_| scope.spawn(|| usize::from(logged.insert(misconfiguration))))
                    .collect();
                threads
                    .into_iter()
                    .map(|t| t.join().unwrap())
                    .sum::<usize>()
            });
            assert_eq!(times, 1, "{misconfiguration:?}");
        }
    }

    #[test]
    fn the_message_begins_with_the_code() {
        for (index, misconfiguration) in ALL.into_iter().enumerate() {
            assert_eq!(misconfiguration.code(), format!("LIMIT{:03}", index + 1));
            assert!(
                misconfiguration
                    .to_string()
                    .starts_with(&format!("{}: ", misconfiguration.code()))
            );
        }
    }
}
