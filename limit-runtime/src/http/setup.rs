//! Wrong set-ups, recognised while requests arrive and said once each, with a code and the fix.
//!
//! A limiter can be set up so that it counts the wrong people without any error: behind a proxy
//! that it does not know of, all clients share one budget. What can be recognised is said in the
//! log, through [`tracing`](https://docs.rs/tracing), once in the life of the process (a program has a log once it
//! calls `tracing_subscriber::fmt().init()` or the like). The codes
//! stay the same from version to version, so that an alert may look for them.
//!
//! | Code | Level | What was seen | What it means | The fix |
//! |---|---|---|---|---|
//! | `LIMIT001` | warn | A forwarding header from a peer that is not a trusted proxy | The header is ignored. If the peer is a proxy, all clients behind it share one budget | Name the proxy with [`trusted_proxies`](crate::LimiterBuilder::trusted_proxies). Nothing is wrong where clients connect directly: anybody can send the header |
//! | `LIMIT002` | warn | The first 1,000 requests are all counted for one private address | Something in between hides the clients and says nothing of them: a load balancer that works on connections, Docker's or Kubernetes' address translation, a proxy that sends no header | Let the proxy send the header, or keep source addresses (`externalTrafficPolicy: Local`, host networking). Nothing is wrong where there is but one client |
//! | `LIMIT003` | error | A limit by client address, and requests that do not carry the peer's address | Each such request is refused with 500 | `app.into_make_service_with_connect_info::<SocketAddr>()` |
//! | `LIMIT004` | warn | A request is charged twice to one budget | A layer and a handler, or two layers, have the same scope and key: clients get half of what the limit says | Limit in one place, or give one of them another name or scope |
//! | `LIMIT005` | warn | A trusted proxy sends a forwarding header, and not the one that was configured | All clients behind the proxy share one budget | Configure the header that the proxy writes with [`TrustedProxies::header`](crate::TrustedProxies::header) |
//!
//! `LIMIT001`, `LIMIT002` and `LIMIT005` are looked for in the first 10,000 requests that are
//! limited by [`client_ip`](crate::client_ip()); after that the search costs one relaxed load of
//! an atomic.

use std::{
    fmt,
    sync::atomic::{AtomicU8, Ordering},
};

/// A wrong set-up that can be recognised; see the [table](self).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WrongSetup {
    /// `LIMIT001`: a forwarding header comes from a peer that is not a trusted proxy.
    UntrustedForwarding,
    /// `LIMIT002`: all traffic is counted for one private address.
    OneAddress,
    /// `LIMIT003`: requests do not carry the peer's address.
    NoPeerAddress,
    /// `LIMIT004`: a request is charged twice to one budget.
    ChargedTwice,
    /// `LIMIT006`: two rules of one request draw on one budget.
    SharedBudget,
    /// `LIMIT005`: a trusted proxy sends another header than the one configured.
    OtherHeader,
}

impl WrongSetup {
    /// The stable code: what to look for in logs.
    ///
    /// ```
    /// use limit_runtime::setup::WrongSetup;
    ///
    /// assert_eq!(WrongSetup::NoPeerAddress.code(), "LIMIT003");
    /// ```
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::UntrustedForwarding => "LIMIT001",
            Self::OneAddress => "LIMIT002",
            Self::NoPeerAddress => "LIMIT003",
            Self::ChargedTwice => "LIMIT004",
            Self::OtherHeader => "LIMIT005",
            Self::SharedBudget => "LIMIT006",
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl fmt::Display for WrongSetup {
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
                 another key; in tests, and over a Unix socket, add \
                 `.layer(MockConnectInfo(SocketAddr::from(([127, 0, 0, 1], 0))))`"
            }
            Self::ChargedTwice => {
                ": a request is charged twice to one budget, so that clients get half of what its \
                 limit allows: a layer and a handler, or two layers, have the same scope and key; \
                 limit in one place, or give one of them another name or scope"
            }
            Self::SharedBudget => {
                ": two rules of one handler draw on the same budget, so that they are charged once, at the \
                 larger cost, and the limits of both are judged; write the limits in one string, or give \
                 one of the rules another scope"
            }
            Self::OtherHeader => {
                ": a trusted proxy sends a forwarding header, and not the one that is configured, \
                 so that all clients behind it share one budget; configure the header that your \
                 proxy writes: `TrustedProxies::new(…)?.header(ForwardedHeader::…)`"
            }
        })
    }
}

/// Says `wrong` in the log unless that was done before; whether it was said now.
pub(crate) fn say_once(wrong: WrongSetup) -> bool {
    say_once_about(wrong, format_args!(""))
}

/// As [`say_once`], with what was found: a field `found` beside the message, if it is not empty.
pub(crate) fn say_once_about(wrong: WrongSetup, found: fmt::Arguments<'_>) -> bool {
    static SAID: Said = Said::new();
    let first = SAID.first(wrong);
    if first {
        log(wrong, found);
    }
    first
}

#[cold]
fn log(wrong: WrongSetup, found: fmt::Arguments<'_>) {
    let code = wrong.code();
    let found = (found.as_str() != Some("")).then(|| tracing::field::display(found));
    if wrong == WrongSetup::NoPeerAddress {
        tracing::error!(code, found, "{wrong}");
    } else {
        tracing::warn!(code, found, "{wrong}");
    }
}

/// What has been said: a bit for each.
struct Said(AtomicU8);

impl Said {
    const fn new() -> Self {
        Self(AtomicU8::new(0))
    }

    fn first(&self, wrong: WrongSetup) -> bool {
        let bit = wrong.bit();
        self.0.load(Ordering::Relaxed) & bit == 0
            && self.0.fetch_or(bit, Ordering::Relaxed) & bit == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    const ALL: [WrongSetup; 5] = [
        WrongSetup::UntrustedForwarding,
        WrongSetup::OneAddress,
        WrongSetup::NoPeerAddress,
        WrongSetup::ChargedTwice,
        WrongSetup::OtherHeader,
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
