//! The answers that clients get in place of the handler's: problem details (RFC 9457) as JSON.

use super::{
    admission::tell_with_outer,
    alike,
    exceeded::{Denial, Exceeded},
    grpc,
    headers::{Headers, Told},
    rate_limit_info::RateLimitInfo,
    rejection,
    standing::{Costs, Standing},
    text::{Text, number, parse_number},
};
use crate::{
    decision::{Decision, Verdict, strictest, whole_millis, whole_seconds},
    limiter::Limiter,
    store::StoreError,
};
use axum::{
    body::{Body, Bytes},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, header, request::Parts};
use std::{
    fmt::{self, Display, Write},
    sync::Arc,
    time::{Duration, SystemTime},
};

/// From the registry of RFC 9457; defined by draft-ietf-httpapi-ratelimit-headers.
const QUOTA_EXCEEDED: &str = "https://iana.org/assignments/http-problem-types#quota-exceeded";
const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
/// Milliseconds; the client libraries of OpenAI and Anthropic read it before `Retry-After`.
pub(super) const RETRY_AFTER_MS: HeaderName = HeaderName::from_static("retry-after-ms");
/// The same libraries repeat a 429 by themselves unless this says not to.
pub(super) const X_SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// How `Retry-After` is written; RFC 9110, section 10.2.3, allows both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum RetryAfterStyle {
    /// Whole seconds to wait, such as `6`: right whatever the client's clock says.
    #[default]
    Seconds,
    /// The date from which the client may come again, such as `Sun, 06 Nov 1994 08:49:37 GMT`.
    HttpDate,
}

/// Why a request does not reach its handler. The response is made where the head of the request is at hand.
pub(super) enum Refused {
    /// Its limits have no room for it.
    Exceeded(Box<Exceedance>),
    /// The store could not answer.
    Store(StoreError),
    /// The response exists already.
    Response(Response),
}

/// A denial together with the request's state.
pub(super) struct Exceedance {
    pub(super) standing: Arc<Standing>,
    pub(super) costs: Costs,
    pub(super) decision: Decision,
}

impl Refused {
    /// The response for the request with this head.
    #[cold]
    pub(super) fn into_response(self, parts: &Parts) -> Response {
        match self {
            Self::Exceeded(exceedance) => {
                let Exceedance {
                    standing,
                    costs,
                    decision,
                } = &*exceedance;
                let denial = Denial {
                    demands: &standing.demands,
                    costs,
                    decision,
                };
                refuse(&standing.limiter, parts, &denial, standing.outer.as_deref())
            }
            Self::Store(error) => error.into_response(),
            Self::Response(response) => response,
        }
    }

    /// The response where the arguments have taken the head of the request: `head` is the copy that
    /// was made if this response may need one.
    #[cold]
    pub(super) fn into_late_response(self, head: Option<&Parts>) -> Response {
        match head {
            Some(head) => rejection::for_client(&head.headers, self.into_response(head)),
            None => self.into_response(&Request::new(()).into_parts().0),
        }
    }
}

/// The response to a refused request: that of the handler's `on_limited`, of the limiter's, or the
/// standard 429. Its headers cover all policies, those of the layers around included.
#[cold]
pub(super) fn refuse(
    limiter: &Limiter,
    parts: &Parts,
    denial: &Denial<'_>,
    outer: Option<&Standing>,
) -> Response {
    let exhausted = as_exhausted(denial.decision);
    let denial = &Denial {
        decision: exhausted.as_ref().unwrap_or(denial.decision),
        ..*denial
    };
    let (demands, decision) = (denial.demands, denial.decision);
    let exceeded = Exceeded::new(limiter, parts, denial);
    let mut response = too_many(limiter, &exceeded);
    let wait = exceeded.retry_after();
    let mut info = RateLimitInfo::of_refused(demands, denial.costs, decision, wait);
    info.add_admitted(outer);
    response.extensions_mut().insert(info);
    let shown = with_shown_wait(decision, wait, response.headers());
    let decision = shown.as_ref().unwrap_or(decision);
    if let ([demand], None) = (demands.as_slice(), outer) {
        let (outcomes, style) = (decision.outcomes(), limiter.header_style());
        Headers::of_one(demand.spec.name, outcomes, style).add_to(response.headers_mut());
        return response;
    }
    let mut told = Told::default();
    told.add(demands, decision);
    tell_with_outer(limiter, outer, told, &mut response);
    response
}

/// The decision for a client with nothing left whose request could never fit: that of any other
/// request of the client, which has to wait. `None` where the decision stays.
///
/// So the response to a client that has used up its limit does not depend on whether the cost was
/// known when the request was refused.
fn as_exhausted(decision: &Decision) -> Option<Decision> {
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

/// The decision with the wait that `Retry-After` shows, which may have jitter or be the application's.
/// `None` where it is the store's. So the headers of a policy never contradict `Retry-After`.
fn with_shown_wait(
    decision: &Decision,
    wait: Option<Duration>,
    headers: &HeaderMap,
) -> Option<Decision> {
    let wait = wait?;
    let seconds = headers.get(header::RETRY_AFTER).and_then(parse_number);
    let shown = match seconds {
        Some(seconds) if seconds != whole_seconds(wait).max(1) => Duration::from_secs(seconds),
        _ => wait,
    };
    if decision.retry_after() == Some(shown) {
        return None;
    }
    let micros = u64::try_from(shown.as_micros()).unwrap_or(u64::MAX);
    let strictest = strictest(decision.outcomes().iter());
    let outcomes = decision.outcomes().iter().enumerate();
    Some(Decision::new(outcomes.map(|(index, &outcome)| {
        if Some(index) == strictest {
            outcome.refused(micros)
        } else {
            // None waits longer than what is shown, or it would be the one that is shown.
            match outcome.retry_after() {
                Some(wait) if wait > shown => outcome.refused(micros),
                _ => outcome,
            }
        }
    })))
}

/// The same without the headers of the policies.
fn too_many(limiter: &Limiter, exceeded: &Exceeded<'_>) -> Response {
    let mut response = match (exceeded.of_handler(), limiter.on_limited()) {
        (Some(answer), _) => rejection::with_limited_status(answer(exceeded)),
        (None, Some(answer)) => rejection::with_limited_status(answer(exceeded)),
        (None, None) => standard(limiter, exceeded),
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
            Some(wait) => retry_after(map, wait, limiter.retry_after_style()),
            None => {
                map.entry(X_SHOULD_RETRY)
                    .or_insert(HeaderValue::from_static("false"));
            }
        }
    }
    response
}

/// Whether a response of the application says when to retry. Then the header that it does not set is
/// made to say the same, as far as it can be known.
fn complete_retry_after(map: &mut HeaderMap) -> bool {
    let millis = map.get(RETRY_AFTER_MS).and_then(parse_number);
    match (map.get(header::RETRY_AFTER), millis) {
        (None, None) => return false,
        (None, Some(millis)) => {
            map.insert(header::RETRY_AFTER, number(millis.div_ceil(1_000)));
        }
        (Some(wait), _) => {
            if let Some(seconds) = parse_number(wait) {
                let millis = seconds.saturating_mul(1_000);
                map.entry(RETRY_AFTER_MS).or_insert_with(|| number(millis));
            }
        }
    }
    true
}

/// The response where the application has none of its own. The bodies for one limit are the same,
/// and cached.
fn standard(limiter: &Limiter, exceeded: &Exceeded<'_>) -> Response {
    let remembered = exceeded.only_violated().and_then(|(label, limit)| {
        alike::look(label, limit, |alike| {
            let body = alike
                .refusal
                .get_or_insert_with(|| body_for(exceeded, StatusCode::TOO_MANY_REQUESTS));
            body.clone()
        })
    });
    match remembered {
        Some(body) => json(StatusCode::TOO_MANY_REQUESTS, body),
        None => {
            let status = if exceeded.decision.exceeds_capacity() {
                limiter.exceeds_capacity_status()
            } else {
                StatusCode::TOO_MANY_REQUESTS
            };
            json(status, body_for(exceeded, status))
        }
    }
}

/// A body that people, programs and the client libraries of language models understand.
fn body_for(exceeded: &Exceeded<'_>, status: StatusCode) -> Bytes {
    let code = if exceeded.decision.exceeds_capacity() {
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
    for (index, label) in exceeded.violated().enumerate() {
        body.str(if index > 0 { "," } else { "" });
        write_json_string(&mut body, label);
    }
    body.str("],");
    write_error_object(&mut body, status, code, detail.as_bytes());
    body.str("}");
    Bytes::copy_from_slice(body.as_bytes())
}

/// The `error` object that client libraries of language models show. `message` is a JSON string.
fn write_error_object<const N: usize>(
    body: &mut Text<N>,
    status: StatusCode,
    code: &'static str,
    message: &[u8],
) {
    let kind = match status {
        StatusCode::UNAUTHORIZED => "authentication_error",
        StatusCode::FORBIDDEN => "permission_error",
        StatusCode::TOO_MANY_REQUESTS => "rate_limit_error",
        status if status.is_server_error() => "server_error",
        _ => "invalid_request_error",
    };
    body.str(r#""error":{"message":"#).bytes(message);
    body.str(r#","type":""#).str(kind);
    body.str(r#"","code":""#).str(code).str(r#""}"#);
}

impl IntoResponse for StoreError {
    /// 503; why is in the log, and nothing that clients have to know.
    fn into_response(self) -> Response {
        tracing::debug!(error = %self, "the rate limiter's store could not answer");
        let mut response = problem(
            StatusCode::SERVICE_UNAVAILABLE,
            "rate_limiter_unavailable",
            "The rate limiter cannot answer at the moment",
        );
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        response
    }
}

/// Problem details with the `error` object of our other responses. `code` is stable from version to
/// version.
pub(super) fn problem(status: StatusCode, code: &'static str, detail: &str) -> Response {
    let mut message = Text::<256>::new();
    write_json_string(&mut message, detail);
    let mut body = Text::<512>::new();
    body.str(r#"{"title":"#);
    write_json_string(&mut body, status.canonical_reason().unwrap_or_default());
    body.str(r#","status":"#).number(status.as_u16().into());
    body.str(r#","detail":"#).bytes(message.as_bytes()).str(",");
    write_error_object(&mut body, status, code, message.as_bytes());
    body.str("}");
    let mut response = json(status, Bytes::copy_from_slice(body.as_bytes()));
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, NO_STORE);
    let message = grpc::Message(detail.to_owned().into());
    response.extensions_mut().insert(message);
    response
}

fn json(status: StatusCode, body: Bytes) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    // Room for those of the policies, so that the map does not have to grow.
    let headers = response.headers_mut();
    headers.reserve(HEADERS);
    headers.insert(header::CONTENT_TYPE, PROBLEM_JSON);
    response
}

/// Headers of a refusal, with those that the server adds.
const HEADERS: usize = 10;

fn retry_after(map: &mut HeaderMap, wait: Duration, style: RetryAfterStyle) {
    let seconds = whole_seconds(wait).max(1);
    let value = match style {
        RetryAfterStyle::Seconds => Some(number(seconds)),
        RetryAfterStyle::HttpDate => HeaderValue::try_from(http_date(SystemTime::now(), wait)).ok(),
    };
    map.insert(
        header::RETRY_AFTER,
        value.unwrap_or_else(|| number(seconds)),
    );
    map.insert(RETRY_AFTER_MS, number(whole_millis(wait).max(1)));
}

/// The first whole second that is not before `now + wait`.
fn http_date(now: SystemTime, wait: Duration) -> String {
    // Dates end with the year 9999, which is what the crate can write.
    const LAST: Duration = Duration::from_secs(253_402_300_799);
    let at = now
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
        .saturating_add(wait);
    let seconds = Duration::from_secs(whole_seconds(at)).min(LAST);
    httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + seconds)
}

/// `text` as a JSON string, quotes included (RFC 8259, section 7).
fn write_json_string<const N: usize>(json: &mut Text<N>, text: impl Display) {
    json.str("\"");
    // Writing to a text cannot fail.
    let _ = write!(Escaped(json), "{text}");
    json.str("\"");
}

/// Escapes what is written through it.
struct Escaped<'a, const N: usize>(&'a mut Text<N>);

impl<const N: usize> Write for Escaped<'_, N> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let is_plain = |byte| byte >= b' ' && byte != b'"' && byte != b'\\';
        if text.bytes().all(is_plain) {
            self.0.str(text);
            return Ok(());
        }
        for c in text.chars() {
            match c {
                '"' | '\\' => write!(self.0, "\\{c}")?,
                c if c < ' ' => write!(self.0, "\\u{:04x}", u32::from(c))?,
                c => self.0.write_char(c)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_http_date_is_rounded_up_to_the_second() {
        let at = |millis| SystemTime::UNIX_EPOCH + Duration::from_millis(millis);
        let half = Duration::from_millis(500);
        assert_eq!(
            http_date(at(784_111_776_500), half),
            "Sun, 06 Nov 1994 08:49:37 GMT"
        );
        assert_eq!(
            http_date(at(784_111_776_501), half),
            "Sun, 06 Nov 1994 08:49:38 GMT"
        );
        assert_eq!(
            http_date(at(0), Duration::MAX),
            "Fri, 31 Dec 9999 23:59:59 GMT"
        );
    }

    #[test]
    fn a_json_string_escapes_what_json_demands() {
        let mut json = Text::<8>::new();
        write_json_string(&mut json, "a\"b\\c\n");
        assert_eq!(json.as_bytes(), br#""a\"b\\c\u000a""#);
    }
}
