//! The page, one file without external resources.

use super::json_response::add_protection;
use axum::{body::Body, response::Response};
use http::{HeaderValue, header};
use std::hash::{BuildHasher, RandomState};

const PAGE: &str = include_str!("page.html");
/// Where the page has the nonce of its style and script.
const NONCE: &str = "{nonce}";

pub(super) async fn page() -> Response {
    let nonce = nonce();
    let mut response = Response::new(Body::from(PAGE.replace(NONCE, &nonce)));
    let headers = response.headers_mut();
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    headers.insert(header::CONTENT_TYPE, html);
    let policy = format!(
        "default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; connect-src \
         'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
         require-trusted-types-for 'script'"
    );
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    headers.insert(
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    );
    add_protection(headers);
    response
}

/// 128 bits that no other page has: keyed hashes under random keys of the operating system.
fn nonce() -> String {
    let [high, low] = [0_u8, 1].map(|part| RandomState::new().hash_one(part));
    format!("{high:016x}{low:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_is_used_once() {
        let (first, second) = (nonce(), nonce());
        assert_eq!(first.len(), 32);
        assert_ne!(first, second);
    }

    /// What would make text of the server markup, or is refused by the policy of the page.
    #[test]
    fn the_page_has_no_way_to_insert_markup_and_names_no_other_host() {
        for refused in [
            "innerHTML",
            "outerHTML",
            "insertAdjacent",
            "document.write",
            "eval(",
        ] {
            assert!(!PAGE.contains(refused), "{refused}");
        }
        let svg = "http://www.w3.org/2000/svg";
        assert_eq!(PAGE.matches("://").count(), PAGE.matches(svg).count());
        assert_eq!(PAGE.matches(NONCE).count(), 2);
    }
}
