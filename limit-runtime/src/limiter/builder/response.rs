//! Settings of responses: headers, the response to refused requests, and their unread bodies.

use super::LimiterBuilder;
use crate::response::{
    exceeded::Exceeded, header_style::HeaderStyle, retry_after::RetryAfterStyle,
};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use std::time::Duration;

impl LimiterBuilder {
    /// The response to requests over their limits. Default: 429 with a JSON body.
    ///
    /// `Retry-After`, `retry-after-ms` and the headers of the [style](Self::header_style) are added
    /// to the response. A `Retry-After` that the response already has is kept, and
    /// `retry-after-ms` is set to an equal value. [`Exceeded::omit_retry_after`] leaves both out.
    ///
    /// A success status is replaced by 429, with a warning in the log. A gRPC error, which has a
    /// `grpc-status`, keeps its status.
    ///
    /// ```
    /// use axum::http::StatusCode;
    /// use limit_runtime::Limiter;
    ///
    /// let limiter = Limiter::builder()
    ///     .on_limited(|exceeded| {
    ///         (StatusCode::TOO_MANY_REQUESTS, format!("Slow down: {exceeded}"))
    ///     })
    ///     .build();
    /// ```
    pub fn on_limited<R: IntoResponse>(
        mut self,
        respond: impl Fn(&Exceeded<'_>) -> R + Send + Sync + 'static,
    ) -> Self {
        self.response.on_limited = Some(Box::new(move |exceeded| -> Response {
            respond(exceeded).into_response()
        }));
        self
    }

    /// The status for requests that can never be admitted, because their cost exceeds the capacity
    /// of a limit. Default: 429.
    ///
    /// Such a response has the header `x-should-retry: false`, at which clients of LLM APIs raise
    /// their rate-limit error at once. Other HTTP clients retry after a 429. Use
    /// `PAYLOAD_TOO_LARGE` to stop them. The JSON body contains the status, too. A client that has
    /// used up a limit gets the ordinary 429, whatever the cost of its request.
    ///
    /// Allowed: client errors, 400 to 499. Other values are ignored, with a warning in the log. A
    /// response of [`on_limited`](Self::on_limited) keeps its own status.
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
            self.response.exceeds_capacity_status = status;
        } else {
            let status = status.as_u16();
            tracing::warn!(
                status,
                "`exceeds_capacity_status` is {status}, which is not a client error, and is \
                 ignored; allowed: 400 to 499, such as `StatusCode::PAYLOAD_TOO_LARGE`"
            );
        }
        self
    }

    /// Whether responses to admitted requests have a [`RateLimitInfo`](crate::RateLimitInfo)
    /// extension. Default: `false`, because it costs a few allocations for each request.
    ///
    /// Responses to refused requests always have it.
    ///
    /// ```
    /// let limiter = limit_runtime::Limiter::builder().response_info(true).build();
    /// ```
    pub fn response_info(mut self, response_info: bool) -> Self {
        self.response.response_info = response_info;
        self
    }

    /// Maximum number of bytes to read and discard from the body of a refused request. Default:
    /// 1,000,000. With 0, no body is read.
    ///
    /// A server that drops a body while the client sends it resets the HTTP/2 stream, or closes the
    /// HTTP/1.1 connection. Many clients then report a broken connection instead of the 429. So,
    /// after the refusal, a background task reads the body, within this limit,
    /// [`drain_time`](Self::drain_time) and [`max_draining`](Self::max_draining). Beyond one of
    /// them, the body is dropped.
    ///
    /// A body is not read
    ///
    /// - if the `Content-Length` of the request is above this limit,
    /// - if the request has `Expect: 100-continue`: the client waits and has not sent the body,
    /// - outside of a Tokio runtime.
    ///
    /// The tasks need the timer of the runtime, which `#[tokio::main]` enables.
    ///
    /// ```
    /// use limit_runtime::Limiter;
    /// use std::time::Duration;
    ///
    /// // For uploads of images of up to 8 MB each: at most 64 of them at the same time.
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

    /// Maximum time to read the body of a refused request. Default: 1 second. See
    /// [`drain_bytes`](Self::drain_bytes).
    pub fn drain_time(mut self, time: Duration) -> Self {
        self.drain.max_time = time;
        self
    }

    /// Maximum number of bodies of refused requests that are read at the same time. Default: 256.
    /// See [`drain_bytes`](Self::drain_bytes).
    pub fn max_draining(mut self, bodies: usize) -> Self {
        self.drain.max_bodies = bodies;
        self
    }

    /// The rate-limit headers of responses. Default: [`HeaderStyle::Ietf`].
    pub fn header_style(mut self, style: HeaderStyle) -> Self {
        self.response.header_style = style;
        self
    }

    /// The format of `Retry-After`. Default: [`RetryAfterStyle::Seconds`].
    pub fn retry_after_style(mut self, style: RetryAfterStyle) -> Self {
        self.response.retry_after_style = style;
        self
    }

    /// Maximum random time that is added to `Retry-After`. Default: none.
    ///
    /// It spreads the retries of clients that were refused at the same time. The added time depends
    /// on the key and stays constant, so a client cannot get a shorter wait by asking again.
    ///
    /// ```
    /// use limit_runtime::Limiter;
    /// use std::time::Duration;
    ///
    /// let limiter = Limiter::builder().retry_jitter(Duration::from_secs(2)).build();
    /// ```
    pub fn retry_jitter(mut self, max_jitter: Duration) -> Self {
        self.response.retry_jitter = max_jitter;
        self
    }
}
