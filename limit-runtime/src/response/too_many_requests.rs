//! The response to a request that exceeds its limits: 429 by default.

use super::{
    buffer::{Text, joined, parse_number},
    error_status::with_refusal_status,
    exceeded::{Exceeded, OnLimited},
    header_names::{RETRY_AFTER_MS, X_SHOULD_RETRY},
    header_style::HeaderStyle,
    json_string::write_json_string,
    problem::{NO_STORE, json, write_error_object},
    retry_after::{complete_retry_after, set_retry_after},
    settings::ResponseSettings,
};
use crate::{
    decision::{Decision, Verdict, strictest, whole_seconds},
    extract::limits::LiteralLimits,
};
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
    let on_limited = policy_on_limited.or(settings.on_limited.as_deref());
    let mut response = match on_limited {
        Some(respond) => with_refusal_status(respond(exceeded)),
        None => default_response(settings, exceeded),
    };
    let map = response.headers_mut();
    // Only a response of the application has headers to respect.
    let has_retry_after = match on_limited {
        Some(_) => {
            map.entry(header::CACHE_CONTROL).or_insert(NO_STORE);
            complete_retry_after(map)
        }
        None => {
            map.insert(header::CACHE_CONTROL, NO_STORE);
            false
        }
    };
    if !has_retry_after {
        match exceeded.retry_after() {
            Some(_) if exceeded.omits_retry_after() => {}
            Some(wait) => set_retry_after(map, wait, settings.retry_after_style),
            // A retry may succeed at any time.
            None if exceeded.permit().is_some() => {}
            None => {
                map.entry(X_SHOULD_RETRY)
                    .or_insert(HeaderValue::from_static("false"));
            }
        }
    }
    response
}

/// The default response. If only one literal limit refused the request, the body is constant and
/// made once.
fn default_response(settings: &ResponseSettings, exceeded: &Exceeded<'_>) -> Response {
    if let Some((limits, index)) = exceeded.single_literal_violation() {
        let status = StatusCode::TOO_MANY_REQUESTS;
        let body = limits.refusal_body(index, || refusal_body(exceeded));
        return json(status, body);
    }
    let status = if exceeded.decision().exceeds_capacity() {
        settings.exceeds_capacity_status
    } else {
        StatusCode::TOO_MANY_REQUESTS
    };
    json(status, body_for(exceeded, status))
}

/// The standard 429 to a request that only one limit refused, if it is a literal one: with all its
/// headers, in the default styles. It is what [`too_many_requests`] and
/// [`LiteralHeaders`](super::headers::LiteralHeaders) make then, at once and without a search.
///
/// `wait` are the microseconds until a retry is admitted. The first refusal of a limit calls
/// `make_body`. `None` if the headers have other texts than those of the literal.
pub(crate) fn literal_refusal(
    limits: &LiteralLimits,
    limit_index: u8,
    remaining: u64,
    wait: u64,
    make_body: impl FnOnce() -> Bytes,
) -> Option<Response> {
    let (policy, prefix) = limits.headers(limit_index)?;
    let [state, retry_after, retry_after_ms] = refusal_values(prefix, remaining, wait)?;
    let body = limits.refusal_body(usize::from(limit_index), make_body);
    let mut response = json(StatusCode::TOO_MANY_REQUESTS, body);
    let map = response.headers_mut();
    map.insert(header::CACHE_CONTROL, NO_STORE);
    map.insert(header::RETRY_AFTER, retry_after);
    map.insert(RETRY_AFTER_MS, retry_after_ms);
    map.insert(HeaderStyle::RATE_LIMIT_POLICY, policy.clone());
    map.insert(HeaderStyle::RATE_LIMIT, state);
    Some(response)
}

/// The values of `RateLimit`, `Retry-After` and `retry-after-ms`. The reset of a refused request is
/// its wait, so the first two share the digits. Never `None`, because all are printable ASCII.
fn refusal_values(prefix: &str, remaining: u64, wait: u64) -> Option<[HeaderValue; 3]> {
    let (seconds, millis) = (wait.div_ceil(1_000_000).max(1), wait.div_ceil(1_000).max(1));
    let [mut of_remaining, mut of_seconds, mut of_millis] = [itoa::Buffer::new(); 3];
    let (seconds, millis) = (of_seconds.format(seconds), of_millis.format(millis));
    let mut state = joined([
        prefix.as_bytes(),
        of_remaining.format(remaining).as_bytes(),
        b";t=",
        seconds.as_bytes(),
        millis.as_bytes(),
    ]);
    let retry_after_ms = state.split_off(state.len().saturating_sub(millis.len()));
    let retry_after = state.slice(state.len().saturating_sub(seconds.len())..);
    Some([
        HeaderValue::from_maybe_shared(state).ok()?,
        HeaderValue::from_maybe_shared(retry_after).ok()?,
        HeaderValue::from_maybe_shared(retry_after_ms).ok()?,
    ])
}

/// The body of the standard 429.
pub(crate) fn refusal_body(exceeded: &Exceeded<'_>) -> Bytes {
    body_for(exceeded, StatusCode::TOO_MANY_REQUESTS)
}

/// The body of the default response.
fn body_for(exceeded: &Exceeded<'_>, status: StatusCode) -> Bytes {
    let code = if exceeded.permit().is_some() {
        "concurrency_limit_exceeded"
    } else if exceeded.decision().exceeds_capacity() {
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
    if let Some(permit) = exceeded.permit() {
        write_json_string(&mut body, permit.label());
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
/// by the application (`own_headers`). `None` if both are equal.
///
/// So the reset in the rate-limit headers never contradicts `Retry-After`.
pub(crate) fn with_wait_of_header(
    decision: &Decision,
    exceeded: &Exceeded<'_>,
    own_headers: Option<&HeaderMap>,
) -> Option<Decision> {
    let wait = exceeded.retry_after()?;
    let seconds = own_headers.and_then(|headers| headers.get(header::RETRY_AFTER));
    let header_wait = match seconds.and_then(parse_number) {
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
