//! `Retry-After` and `retry-after-ms` of refused requests.

use super::{
    buffer::{number, numbers, parse_number},
    header_names::RETRY_AFTER_MS,
};
use crate::decision::{whole_millis, whole_seconds};
use http::{HeaderMap, HeaderValue, header};
use std::time::{Duration, SystemTime};

/// The format of `Retry-After`.
/// [RFC 9110, section 10.2.3](https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3) allows both.
///
/// ```
/// use limit_runtime::{Limiter, RetryAfterStyle};
///
/// let limiter = Limiter::builder()
///     .retry_after_style(RetryAfterStyle::HttpDate)
///     .build();
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum RetryAfterStyle {
    /// The wait in whole seconds, such as `6`. It does not depend on the client's clock.
    #[default]
    Seconds,
    /// The date at which a retry is admitted, such as `Sun, 06 Nov 1994 08:49:37 GMT`. It is wrong
    /// for clients with a wrong clock.
    HttpDate,
}

/// Returns whether a response of the application has `Retry-After` or `retry-after-ms`.
///
/// If it has one of them, adds the other with an equal value. For a `Retry-After` that is a date,
/// no `retry-after-ms` is added.
pub(super) fn complete_retry_after(map: &mut HeaderMap) -> bool {
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

/// Sets `Retry-After` and `retry-after-ms` to this wait, rounded up.
pub(super) fn set_retry_after(map: &mut HeaderMap, wait: Duration, style: RetryAfterStyle) {
    let seconds = whole_seconds(wait).max(1);
    let [mut retry_after, retry_after_ms] = numbers([seconds, whole_millis(wait).max(1)]);
    if style == RetryAfterStyle::HttpDate
        && let Ok(date) = HeaderValue::try_from(http_date(SystemTime::now(), wait))
    {
        retry_after = date;
    }
    map.insert(header::RETRY_AFTER, retry_after);
    map.insert(RETRY_AFTER_MS, retry_after_ms);
}

/// The date of `now + wait`, rounded up to a second.
fn http_date(now: SystemTime, wait: Duration) -> String {
    // The end of the year 9999, the last date that `httpdate` can format.
    const LAST: Duration = Duration::from_secs(253_402_300_799);
    let at = now
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
        .saturating_add(wait);
    let seconds = Duration::from_secs(whole_seconds(at)).min(LAST);
    httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + seconds)
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
}
