//! The response to a request that exceeds its limits: 429 by default.

use super::{
    buffer::{Text, parse_number},
    error_status::with_refusal_status,
    exceeded::{Exceeded, OnLimited},
    grpc,
    header_cache::with_cached_parts,
    header_names::X_SHOULD_RETRY,
    json_string::write_json_string,
    problem::{NO_STORE, json, write_error_object},
    retry_after::{complete_retry_after, set_retry_after},
    settings::ResponseSettings,
};
use crate::decision::{Decision, Verdict, strictest, whole_seconds};
use axum::{body::Bytes, response::Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use std::time::Duration;

/// The problem type for exceeded quotas. draft-ietf-httpapi-ratelimit-headers defines it for the
/// registry of RFC 9457.
const QUOTA_EXCEEDED: &str = "https://iana.org/assignments/http-problem-types#quota-exceeded";

/// The response to a refused request, without the rate-limit headers.
///
/// `policy_on_limited`, the function of the policy, takes precedence over the limiter's
/// `on_limited`. Without either, the response is the default problem document.
pub(crate) fn too_many_requests(
    settings: &ResponseSettings,
    exceeded: &Exceeded<'_>,
    policy_on_limited: Option<&OnLimited>,
) -> Response {
    let mut response = match (policy_on_limited, settings.on_limited.as_deref()) {
        (Some(respond), _) | (None, Some(respond)) => with_refusal_status(respond(exceeded)),
        (None, None) => default_response(settings, exceeded),
    };
    if grpc::content_type(&exceeded.parts().headers).is_some() {
        let message = grpc::Message(exceeded.to_string().into());
        response.extensions_mut().insert(message);
    }
    let map = response.headers_mut();
    map.entry(header::CACHE_CONTROL).or_insert(NO_STORE);
    if !complete_retry_after(map) {
        match exceeded.retry_after() {
            Some(_) if exceeded.omits_retry_after() => {}
            Some(wait) => set_retry_after(map, wait, settings.retry_after_style),
            None => {
                map.entry(X_SHOULD_RETRY)
                    .or_insert(HeaderValue::from_static("false"));
            }
        }
    }
    response
}

/// The default response. If only one limit refused the request, the body is constant and cached.
fn default_response(settings: &ResponseSettings, exceeded: &Exceeded<'_>) -> Response {
    let cached_body = exceeded.single_violation().and_then(|(label, limit)| {
        with_cached_parts(label, limit, |cached| {
            let body = cached
                .refusal_body
                .get_or_insert_with(|| body_for(exceeded, StatusCode::TOO_MANY_REQUESTS));
            body.clone()
        })
    });
    match cached_body {
        Some(body) => json(StatusCode::TOO_MANY_REQUESTS, body),
        None => {
            let status = if exceeded.decision().exceeds_capacity() {
                settings.exceeds_capacity_status
            } else {
                StatusCode::TOO_MANY_REQUESTS
            };
            json(status, body_for(exceeded, status))
        }
    }
}

/// The body of the default response.
fn body_for(exceeded: &Exceeded<'_>, status: StatusCode) -> Bytes {
    let code = if exceeded.decision().exceeds_capacity() {
        "cost_above_limit"
    } else {
        "rate_limit_exceeded"
    };
    let mut detail = Text::<256>::new();
    write_json_string(&mut detail, exceeded);
    let mut body = Text::<768>::new();
    if status == StatusCode::TOO_MANY_REQUESTS {
        body.str(r#"{"type":""#).str(QUOTA_EXCEEDED);
        body.str(r#"","title":"Quota exceeded""#);
    } else {
        body.str(r#"{"title":"#);
        write_json_string(&mut body, status.canonical_reason().unwrap_or_default());
    }
    body.str(r#","status":"#).number(status.as_u16().into());
    body.str(r#","detail":"#).bytes(detail.as_bytes());
    body.str(r#","violated-policies":["#);
    for (index, label) in exceeded.violated_labels().enumerate() {
        body.str(if index > 0 { "," } else { "" });
        write_json_string(&mut body, label);
    }
    body.str("],");
    write_error_object(&mut body, status, code, detail.as_bytes());
    body.str("}");
    Bytes::copy_from_slice(body.as_bytes())
}

/// Replaces "the cost exceeds the capacity" by a wait for limits under which nothing remains.
/// `None` if the decision does not change.
///
/// So the response to a client that has used up its limit does not depend on whether the cost was
/// known when the request was refused.
pub(crate) fn as_exhausted(decision: &Decision) -> Option<Decision> {
    let mut refused = decision
        .outcomes()
        .iter()
        .filter(|outcome| !outcome.is_allowed());
    if !decision.exceeds_capacity() || refused.all(|outcome| outcome.remaining() > 0) {
        return None;
    }
    let outcomes =
        decision
            .outcomes()
            .iter()
            .map(|&outcome| match (outcome.verdict(), outcome.remaining()) {
                (Verdict::ExceedsCapacity, 0) => outcome.refused(outcome.left().next_after),
                (Verdict::ExceedsCapacity, _) => outcome.into_allowed(),
                _ => outcome,
            });
    Some(Decision::new(outcomes))
}

/// Replaces the wait of the decision by that in `Retry-After`, which may include jitter or be set
/// by the application. `None` if both are equal.
///
/// So the reset in the rate-limit headers never contradicts `Retry-After`.
pub(crate) fn with_wait_of_header(
    decision: &Decision,
    wait: Option<Duration>,
    headers: &HeaderMap,
) -> Option<Decision> {
    let wait = wait?;
    let seconds = headers.get(header::RETRY_AFTER).and_then(parse_number);
    let header_wait = match seconds {
        Some(seconds) if seconds != whole_seconds(wait).max(1) => Duration::from_secs(seconds),
        _ => wait,
    };
    if decision.retry_after() == Some(header_wait) {
        return None;
    }
    let micros = u64::try_from(header_wait.as_micros()).unwrap_or(u64::MAX);
    let strictest = strictest(decision.outcomes().iter());
    let outcomes = decision.outcomes().iter().enumerate();
    Some(Decision::new(outcomes.map(|(index, &outcome)| {
        if Some(index) == strictest {
            outcome.refused(micros)
        } else {
            // No limit may have a longer wait than the strictest, which has the wait of the header.
            match outcome.retry_after() {
                Some(wait) if wait > header_wait => outcome.refused(micros),
                _ => outcome,
            }
        }
    })))
}
