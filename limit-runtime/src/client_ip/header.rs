//! The header in which proxies send the client's address.

use super::error::TrustedProxiesError;
use http::{HeaderName, header};
use std::str::FromStr;

/// The header in which trusted proxies send the client's address.
///
/// Exactly one header is read. Parse it from the header's name, or use a variant or a constant:
///
/// ```
/// use limit_runtime::{ForwardedHeader, TrustedProxiesError};
///
/// # fn main() -> Result<(), TrustedProxiesError> {
/// assert_eq!("X-Forwarded-For".parse(), Ok(ForwardedHeader::XForwardedFor));
/// assert_eq!("CF-Connecting-IP".parse(), Ok(ForwardedHeader::CF_CONNECTING_IP));
/// let header: ForwardedHeader = "fly-client-ip".parse()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ForwardedHeader {
    /// `X-Forwarded-For` ([MDN]): a list to which each proxy appends the address of its own peer.
    ///
    /// [MDN]: https://developer.mozilla.org/docs/Web/HTTP/Reference/Headers/X-Forwarded-For
    #[default]
    XForwardedFor,
    /// [`Forwarded`, RFC 7239](https://www.rfc-editor.org/rfc/rfc7239): a list of structured
    /// elements. The `for` parameter of each is read.
    Forwarded,
    /// A header with one address, which the outermost proxy *replaces*. If the proxy forwards the
    /// value that a client sent, clients can choose the address that they are counted by.
    Single(HeaderName),
}

impl ForwardedHeader {
    /// The header that [Cloudflare] sets.
    ///
    /// [Cloudflare]: https://developers.cloudflare.com/fundamentals/reference/http-headers/
    pub const CF_CONNECTING_IP: Self = Self::Single(HeaderName::from_static("cf-connecting-ip"));

    /// A header that [nginx] is often configured to send, with
    /// `proxy_set_header X-Real-IP $remote_addr`.
    ///
    /// [nginx]: https://nginx.org/en/docs/http/ngx_http_proxy_module.html#proxy_set_header
    pub const X_REAL_IP: Self = Self::Single(HeaderName::from_static("x-real-ip"));

    /// The name of the header, in lower case.
    #[must_use]
    pub fn name(&self) -> &HeaderName {
        match self {
            Self::XForwardedFor => &X_FORWARDED_FOR,
            Self::Forwarded => &header::FORWARDED,
            Self::Single(name) => name,
        }
    }

    /// The variant for a header name. `X-Forwarded-For` and `Forwarded` are never `Single`.
    pub(super) fn of_name(name: HeaderName) -> Self {
        if name == X_FORWARDED_FOR {
            Self::XForwardedFor
        } else if name == header::FORWARDED {
            Self::Forwarded
        } else {
            Self::Single(name)
        }
    }
}

impl FromStr for ForwardedHeader {
    type Err = TrustedProxiesError;

    /// Parses a header name, in any case. Any name other than `X-Forwarded-For` and `Forwarded` is
    /// a header with a [single](Self::Single) address.
    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match HeaderName::from_bytes(name.trim().as_bytes()) {
            Ok(name) => Ok(Self::of_name(name)),
            Err(_) => Err(TrustedProxiesError::NotAHeader { found: name.into() }),
        }
    }
}

static X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_parsed_from_its_name_in_any_case() {
        for (name, header) in [
            ("x-forwarded-for", ForwardedHeader::XForwardedFor),
            (" X-Forwarded-For ", ForwardedHeader::XForwardedFor),
            ("FORWARDED", ForwardedHeader::Forwarded),
            ("CF-Connecting-IP", ForwardedHeader::CF_CONNECTING_IP),
            ("X-Real-Ip", ForwardedHeader::X_REAL_IP),
        ] {
            assert_eq!(name.parse(), Ok(header.clone()), "{name}");
            assert!(header.name().as_str().eq_ignore_ascii_case(name.trim()));
        }
    }

    #[test]
    fn an_invalid_header_name_is_in_the_error() {
        for name in ["", "x forwarded for", "x-forwarded-for:", "é"] {
            assert_eq!(
                name.parse::<ForwardedHeader>(),
                Err(TrustedProxiesError::NotAHeader { found: name.into() })
            );
        }
    }
}
