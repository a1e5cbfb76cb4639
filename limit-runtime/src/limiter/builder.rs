//! Settings of a limiter.

use super::{
    Backend, DefaultKeyFn, Inner, Limiter,
    connect::Remote,
    drain::{Drain, DrainSettings},
    wait_queue::WaitQueues,
};
use crate::{
    client_ip::TrustedProxies,
    clock::Clock,
    extract::role_fn::{KeyFn, KeyOfRequest},
    key::MAX_IPV6_PREFIX,
    observe::layer_registry::LayerRegistry,
    policy::boxed::boxed,
    response::{
        exceeded::Exceeded, header_style::HeaderStyle, retry_after::RetryAfterStyle,
        settings::ResponseSettings,
    },
    store::{
        Fallback, Store,
        guard::{self, Guard},
        memory::{Bounds, MemoryStore},
    },
};
use axum::response::{IntoResponse, Response};
use http::{StatusCode, request::Parts};
use std::{any::TypeId, fmt, hash::RandomState, sync::Arc, time::Duration};

/// What the largest customers are given.
const MIN_IPV6_PREFIX: u8 = 48;

/// Settings of a [`Limiter`].
///
/// ```
/// use limit_runtime::{HeaderStyle, Limiter};
///
/// let limiter = Limiter::builder().header_style(HeaderStyle::Off).build();
/// ```
#[must_use = "call `.build()`"]
pub struct LimiterBuilder {
    enabled: bool,
    pub(super) clock: Option<Clock>,
    store: Option<Box<dyn Store>>,
    bounds: Bounds,
    pub(super) remote: Remote,
    pub(super) guard: guard::Settings,
    skip_when: Option<Box<super::SkipWhen>>,
    default_key: Option<DefaultKeyFn>,
    responses: ResponseSettings,
    drain: DrainSettings,
    trusted_proxies: Option<TrustedProxies>,
    ipv6_prefix: u8,
    longest_line: usize,
}

impl LimiterBuilder {
    pub(super) fn new() -> Self {
        Self {
            enabled: true,
            clock: None,
            store: None,
            bounds: Bounds::default(),
            remote: Remote::default(),
            guard: guard::Settings::default(),
            skip_when: None,
            default_key: None,
            responses: ResponseSettings::default(),
            drain: DrainSettings::default(),
            trusted_proxies: None,
            ipv6_prefix: MAX_IPV6_PREFIX,
            longest_line: 64,
        }
    }

    /// `false` lets every request through unlimited, and says so once in the log.
    pub fn enabled(mut self, enabled: bool) -> Self {
        self.enabled = enabled;
        self
    }

    /// Reads the time here: a [`TestClock`](crate::clock::TestClock) in tests. Stores of your own have their own time;
    /// one that is [connected](Self::connect) to reads it here, too.
    pub fn clock(mut self, clock: impl Into<Clock>) -> Self {
        self.clock = Some(clock.into());
        self
    }

    /// Counts in `store` and not in memory. It is guarded: see [`deadline`](Self::deadline) and
    /// [`on_store_error`](Self::on_store_error).
    pub fn store(mut self, store: impl Store) -> Self {
        self.store = Some(Box::new(store));
        self
    }

    /// How many keys are held in memory at most; a million if not called, and at least one.
    ///
    /// A key takes about 50 bytes, and more while it has more than four hits that count. Nobody who is
    /// limited is dropped to make room: past this number, new keys share budgets of their handler, which is
    /// stricter than one each. [`Limiter::usage`] tells how often that happened. LimitedFuture a strategy
    /// other than the moving window, a key with several limits counts once for each.
    pub fn max_keys(mut self, keys: usize) -> Self {
        self.bounds.max_keys = keys.max(1);
        self
    }

    /// Up to how many hits within a window the log in memory is exact; 1,024 if not called.
    ///
    /// Past B hits, those that came within T/B of each other count as one that came at the latest of their
    /// times. So a log never admits more than it should, takes at most about 8 B bytes, and a client that
    /// always comes as often as it may still gets B/(B+1) of its count. From 1 to 16,384; what lies
    /// outside counts as the nearest of these.
    pub fn log_entries(mut self, entries: u32) -> Self {
        self.bounds.log_entries = entries;
        self
    }

    /// Counts by this key where neither attribute nor layer names one: a function of extractors. By default
    /// the client's address, [`client_ip`](crate::client_ip()).
    ///
    /// ```
    /// use limit_runtime::{Limiter, header};
    ///
    /// let limiter = Limiter::builder().default_key(header("x-api-key")).build();
    /// ```
    pub fn default_key<F, M>(mut self, key: F) -> Self
    where
        F: KeyFn<(), M> + KeyOfRequest<M> + Clone + Send + Sync + 'static,
        M: 'static,
    {
        self.default_key = Some(DefaultKeyFn {
            function: boxed(key),
            type_id: (!F::IS_CONSTANT).then(TypeId::of::<F>),
        });
        self
    }

    /// What to do with requests that the store does not answer; [`Fallback::Local`] by default.
    pub fn on_store_error(mut self, fallback: Fallback) -> Self {
        self.guard.on_store_error = fallback;
        self
    }

    /// How long a request waits for the store at most: 50 ms by default.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.guard.deadline = deadline;
        self
    }

    /// Lets requests through unlimited when `skip` says so: a health check, a client on the loopback.
    ///
    /// ```
    /// use limit_runtime::Limiter;
    ///
    /// let limiter = Limiter::builder()
    ///     .skip_when(|parts| parts.uri.path() == "/health")
    ///     .build();
    /// ```
    pub fn skip_when(mut self, skip: impl Fn(&Parts) -> bool + Send + Sync + 'static) -> Self {
        self.skip_when = Some(Box::new(skip));
        self
    }

    /// Answers requests that are over their limits in your own words. `Retry-After` and the headers of
    /// the [style](Self::header_style) are added to the answer.
    ///
    /// A `Retry-After` that the response has already stays, and `retry-after-ms` says the same.
    /// [`Exceeded::omit_retry_after`] leaves both out. A response with a success status gets 429
    /// instead, with a warning in the log; a gRPC error (it has a `grpc-status`) is sent as it is.
    ///
    /// ```
    /// use axum::http::StatusCode;
    /// use limit_runtime::Limiter;
    ///
    /// let limiter = Limiter::builder()
    ///     .on_limited(|exceeded| (StatusCode::TOO_MANY_REQUESTS, format!("Slow down: {exceeded}")))
    ///     .build();
    /// ```
    pub fn on_limited<R: IntoResponse>(
        mut self,
        answer: impl Fn(&Exceeded<'_>) -> R + Send + Sync + 'static,
    ) -> Self {
        self.responses.on_limited = Some(Box::new(move |exceeded| -> Response {
            answer(exceeded).into_response()
        }));
        self
    }

    /// The status for requests that no wait helps: their cost is above a whole limit. 429 by default.
    ///
    /// With 429, clients of LLM APIs raise their rate-limit error at once, because of the header
    /// `x-should-retry: false`. Other HTTP clients repeat a 429; `PAYLOAD_TOO_LARGE` stops them. The
    /// JSON body follows the status. A client that has nothing left of a limit gets the ordinary
    /// 429, whatever the cost of its request.
    ///
    /// The status has to be a client error, 400 to 499: the request cannot succeed as it is.
    /// Others are not set, which the log says as a warning. A response of
    /// [`on_limited`](Self::on_limited) keeps its own status.
    ///
    /// ```
    /// use axum::http::StatusCode;
    /// use limit_runtime::Limiter;
    ///
    /// let limiter = Limiter::builder()
    ///     .exceeds_capacity_status(StatusCode::PAYLOAD_TOO_LARGE)
    ///     .build();
    /// ```
    pub fn exceeds_capacity_status(mut self, status: StatusCode) -> Self {
        if status.is_client_error() {
            self.responses.exceeds_capacity_status = status;
        } else {
            let status = status.as_u16();
            tracing::warn!(
                status,
                "`exceeds_capacity_status` is not set: {status} is not a client error; allowed: \
                 400 to 499, such as `StatusCode::PAYLOAD_TOO_LARGE`"
            );
        }
        self
    }

    /// Whether responses to admitted requests carry a [`RateLimitInfo`](crate::RateLimitInfo)
    /// extension, as those to refused requests always do. Off by default: it costs an allocation or
    /// a few for each request.
    ///
    /// ```
    /// let limiter = limit_runtime::Limiter::builder().response_info(true).build();
    /// ```
    pub fn response_info(mut self, on_admitted: bool) -> Self {
        self.responses.response_info = on_admitted;
        self
    }

    /// How many bytes of a refused request's unread body are read and thrown away; 1 MB by default.
    ///
    /// A server that drops a body while the client sends it resets the HTTP/2 stream, or closes the
    /// HTTP/1.1 connection, and many clients then report a broken connection in place of the 429.
    /// So the body is read by a task of its own after the refusal, within this bound,
    /// [`drain_time`](Self::drain_time) and [`max_draining`](Self::max_draining). Beyond them the
    /// body is dropped. A body is not read at all
    ///
    /// - if the request says `Content-Length` above this bound,
    /// - if it says `Expect: 100-continue`: the client waits, and has not sent it,
    /// - outside of a Tokio runtime.
    ///
    /// 0 turns draining off. The tasks need the timer of the runtime, which `#[tokio::main]`
    /// enables.
    ///
    /// ```
    /// use limit_runtime::Limiter;
    /// use std::time::Duration;
    ///
    /// // For uploads of images: up to 8 MB each, so at most 64 of them at the same time.
    /// let limiter = Limiter::builder()
    ///     .drain_bytes(8_000_000)
    ///     .drain_time(Duration::from_secs(3))
    ///     .max_draining(64)
    ///     .build();
    /// ```
    pub fn drain_bytes(mut self, bytes: u64) -> Self {
        self.drain.max_bytes = bytes;
        self
    }

    /// How long a refused request's unread body is read at most; one second by default. See
    /// [`drain_bytes`](Self::drain_bytes).
    pub fn drain_time(mut self, time: Duration) -> Self {
        self.drain.max_time = time;
        self
    }

    /// How many unread bodies of refused requests are read at the same time; 256 by default. See
    /// [`drain_bytes`](Self::drain_bytes).
    pub fn max_draining(mut self, bodies: usize) -> Self {
        self.drain.max_bodies = bodies;
        self
    }

    /// Which headers responses carry.
    pub fn header_style(mut self, style: HeaderStyle) -> Self {
        self.responses.header_style = style;
        self
    }

    /// How `Retry-After` is written.
    pub fn retry_after_style(mut self, style: RetryAfterStyle) -> Self {
        self.responses.retry_after_style = style;
        self
    }

    /// Adds up to this much to `Retry-After`, more or less for each key but always the same for one:
    /// clients that were refused together do not come again together. None by default.
    pub fn retry_jitter(mut self, greatest: Duration) -> Self {
        self.responses.retry_jitter = greatest;
        self
    }

    /// Whose forwarding header [`client_ip`](crate::client_ip()) believes. Without it, nobody's: the peer is
    /// the client.
    pub fn trusted_proxies(mut self, proxies: TrustedProxies) -> Self {
        self.trusted_proxies = Some(proxies);
        self
    }

    /// By how many leading bits of an IPv6 address [`client_ip`](crate::client_ip()) counts: from 48 to
    /// 64, and 64 if not called. A provider that gives each customer a /56 lets one client use 256 keys
    /// of a /64. What lies outside of 48 to 64 counts as the nearest of these, and a warning says so.
    ///
    /// A key function that returns an [`IpAddr`](std::net::IpAddr) counts by /64 whatever this says.
    ///
    /// ```
    /// use limit_runtime::Limiter;
    ///
    /// let limiter = Limiter::builder().ipv6_prefix(56).build();
    /// ```
    pub fn ipv6_prefix(mut self, bits: u8) -> Self {
        let used = bits.clamp(MIN_IPV6_PREFIX, MAX_IPV6_PREFIX);
        if used != bits {
            tracing::warn!(
                bits,
                used,
                "an IPv6 prefix to count by has 48 to 64 bits: the nearest of these is used"
            );
        }
        self.ipv6_prefix = used;
        self
    }

    /// Maximum number of requests that wait for the same budget, where a handler lets them `wait`.
    /// Default: 64.
    ///
    /// Further requests are refused at once. With 0, no request waits.
    pub fn longest_line(mut self, requests: usize) -> Self {
        self.longest_line = requests;
        self
    }

    /// The limiter.
    #[must_use]
    pub fn build(self) -> Limiter {
        if !self.enabled {
            tracing::warn!("rate limiting is switched off: every request is let through");
        }
        let clock = self.clock.unwrap_or_else(Clock::monotonic);
        Limiter(Arc::new(Inner {
            enabled: self.enabled,
            clock: clock.clone(),
            layers: LayerRegistry::default(),
            store: match self.store {
                Some(store) => Backend::Guarded(Guard::new(store, clock, self.guard, self.bounds)),
                None => Backend::Memory(MemoryStore::new(clock, self.bounds)),
            },
            skip_when: self.skip_when,
            default_key: self.default_key,
            responses: self.responses,
            drain: Drain::new(self.drain),
            trusted_proxies: self.trusted_proxies,
            ipv6_prefix: self.ipv6_prefix,
            wait_queues: WaitQueues::default(),
            longest_line: self.longest_line,
            jitter_seed: RandomState::new(),
        }))
    }
}

impl fmt::Debug for LimiterBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LimiterBuilder")
            .field("enabled", &self.enabled)
            .field("clock", &self.clock)
            .field("store", &self.store)
            .field("trusted_proxies", &self.trusted_proxies)
            .finish_non_exhaustive()
    }
}
