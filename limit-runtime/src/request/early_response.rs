//! Responses that are sent instead of calling the handler.

use crate::{
    limiter::Limiter,
    response::{grpc, rate_limit_info::RateLimitInfo},
};
use axum::{
    body::HttpBody,
    response::{IntoResponse, Response},
};
use http::request::Parts;
use std::mem;

/// A response that is sent instead of calling the handler. A pointer, because responses are large
/// to move, and admitted requests pass the place of this one several times.
#[derive(Debug)]
pub struct EarlyResponse(Box<Parcel>);

#[derive(Debug)]
struct Parcel {
    response: Response,
    /// An extension of a response that has the client's format. [`EarlyResponse::finish`] adds it.
    info: Option<RateLimitInfo>,
}

impl EarlyResponse {
    /// The response to a denied request, in the client's format.
    pub(crate) fn denied(response: Response, info: RateLimitInfo) -> Self {
        let info = Some(info);
        Self(Box::new(Parcel { response, info }))
    }

    /// [`finish_early_response`], which takes what it needs from the request's head.
    #[cold]
    pub(crate) fn finish<B>(mut self, parts: &mut Parts, body: B) -> Self
    where
        B: HttpBody + Send + 'static,
    {
        let Parcel { response, info } = &mut *self.0;
        match info.take() {
            None => finish_early_response(parts, body, response),
            Some(info) => {
                drain(parts, body);
                let extensions = response.extensions_mut();
                if extensions.is_empty() {
                    // Those of the request are of no use any more, but their memory is.
                    parts.extensions.clear();
                    mem::swap(extensions, &mut parts.extensions);
                }
                extensions.insert(info);
            }
        }
        self
    }
}

impl From<Response> for EarlyResponse {
    fn from(response: Response) -> Self {
        let info = None;
        Self(Box::new(Parcel { response, info }))
    }
}

impl IntoResponse for EarlyResponse {
    fn into_response(self) -> Response {
        self.0.response
    }
}

/// Completes a response that is sent instead of calling the handler.
///
/// Converts it for gRPC clients, and drains the request's body, since many clients read no response
/// before they have sent the whole body.
#[cold]
pub(crate) fn finish_early_response<B>(parts: &Parts, body: B, response: &mut Response)
where
    B: HttpBody + Send + 'static,
{
    drain(parts, body);
    grpc::convert_for_client(&parts.headers, response);
}

/// Reads the unread body, if that is worthwhile.
fn drain<B>(parts: &Parts, body: B)
where
    B: HttpBody + Send + 'static,
{
    if !body.is_end_stream() {
        let drain = Limiter::of(parts).drain();
        if drain.is_worthwhile(&parts.headers, &body) {
            drain.spawn(body);
        }
    }
}
