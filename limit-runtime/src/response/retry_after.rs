//! `Retry-After` and `retry-after-ms` of refused requests.

use super::{
    buffer::{number, parse_number},
    header_names::RETRY_AFTER_MS,
};
use crate::decision::{whole_millis, whole_seconds};
use http::{HeaderMap, HeaderValue, header};
use std::time::{Duration, SystemTime};

/// The format of `Retry-After`; RFC 9110, section 10.2.3, allows both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum RetryAfterStyle {
    /// Whole seconds to wait, such as `6`. Correct even if the client's clock is wrong.
    #[default]
    Seconds,
    /// The date from which a retry is admitted, such as `Sun, 06 Nov 1994 08:49:37 GMT`.
    HttpDate,
}

/// Whether a response of the application has `Retry-After` or `retry-after-ms`. If it has one of them,
/// the other is added with an equal value, unless `Retry-After` is a date.
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

/// Sets `Retry-After` and `retry-after-ms` to this wait.
pub(super) fn set_retry_after(map: &mut HeaderMap, wait: Duration, style: RetryAfterStyle) {
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
