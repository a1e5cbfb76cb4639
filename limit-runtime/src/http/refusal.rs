//! The answers that clients get in place of the handler's: problem details (RFC 9457) as JSON.

use super::{
    admit::Demands,
    headers::{self, HeaderStyle, labelled, whole_seconds},
};
use crate::decision::{Decision, Verdict};
use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use std::{fmt::Write, time::Duration};

const QUOTA_EXCEEDED: &str = "https://iana.org/assignments/http-problem-types#quota-exceeded";
const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
/// Milliseconds; the client libraries of OpenAI and Anthropic read it before `Retry-After`.
const RETRY_AFTER_MS: HeaderName = HeaderName::from_static("retry-after-ms");
/// The same libraries repeat a 429 by themselves unless this says not to.
const X_SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// 429 for a request that was refused by `decision`.
pub(super) fn too_many(demands: &Demands, decision: &Decision, style: HeaderStyle) -> Response {
    let mut violated = String::new();
    let mut limits = String::new();
    for (label, outcome) in labelled(demands, decision) {
        if outcome.verdict == Verdict::Allowed {
            continue;
        }
        let separator = if violated.is_empty() { "" } else { "," };
        // Writing to a string cannot fail.
        let _ = write!(violated, "{separator}\"{label}\"");
        let separator = if limits.is_empty() { "" } else { "; " };
        let _ = write!(limits, "{separator}{}", outcome.limit);
    }
    let (detail, code) = if decision.can_never_fit() {
        let cost = demands.iter().map(|demand| demand.cost).max().unwrap_or(1);
        (
            format!(
                "The cost of this request, {cost}, is above the rate limit of {limits}: it can never fit, so do not retry it as it is"
            ),
            "cost_above_limit",
        )
    } else {
        (
            format!("Rate limit exceeded: {limits}"),
            "rate_limit_exceeded",
        )
    };
    let detail = json_string(&detail);
    let body = format!(
        r#"{{"type":"{QUOTA_EXCEEDED}","title":"Quota exceeded","status":429,"detail":{detail},"violated-policies":[{violated}],"error":{{"message":{detail},"type":"rate_limit_error","code":"{code}"}}}}"#
    );
    let mut response = json(StatusCode::TOO_MANY_REQUESTS, body);
    let map = response.headers_mut();
    map.insert(header::CACHE_CONTROL, NO_STORE);
    match decision.retry_after() {
        Some(wait) => retry_after(map, wait),
        None => {
            map.insert(X_SHOULD_RETRY, HeaderValue::from_static("false"));
        }
    }
    headers::write(map, demands, decision, style);
    response
}

/// Problem details with nothing but a status and a sentence.
pub(super) fn problem(status: StatusCode, detail: &str) -> Response {
    let title = json_string(status.canonical_reason().unwrap_or_default());
    let body = format!(
        r#"{{"title":{title},"status":{},"detail":{}}}"#,
        status.as_u16(),
        json_string(detail)
    );
    json(status, body)
}

fn json(status: StatusCode, body: String) -> Response {
    (
        status,
        [(header::CONTENT_TYPE, PROBLEM_JSON)],
        Body::from(body),
    )
        .into_response()
}

fn retry_after(map: &mut HeaderMap, wait: Duration) {
    map.insert(
        header::RETRY_AFTER,
        HeaderValue::from(whole_seconds(wait).max(1)),
    );
    let millis = wait.as_micros().div_ceil(1_000).max(1);
    map.insert(
        RETRY_AFTER_MS,
        HeaderValue::from(u64::try_from(millis).unwrap_or(u64::MAX)),
    );
}

/// `text` as a JSON string, quotes included (RFC 8259, section 7).
fn json_string(text: &str) -> String {
    let mut json = String::with_capacity(text.len() + 2);
    json.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => json.extend(['\\', c]),
            c if c < ' ' => {
                let _ = write!(json, "\\u{:04x}", u32::from(c));
            }
            c => json.push(c),
        }
    }
    json.push('"');
    json
}
