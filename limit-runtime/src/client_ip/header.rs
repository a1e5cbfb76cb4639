//! Which header a proxy names the client in.

use super::error::TrustedProxiesError;
use http::{HeaderName, header};
use std::str::FromStr;

/// The one header that trusted proxies name the client in.
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
    /// [`X-Forwarded-For`](https://developer.mozilla.org/en-US/docs/Web/HTTP/Reference/Headers/X-Forwarded-For):
    /// each proxy appends the address that it was called from.
    #[default]
    XForwardedFor,
    /// [`Forwarded`, RFC 7239](https://www.rfc-editor.org/rfc/rfc7239): the same with a grammar; the
    /// `for` parameter counts.
    Forwarded,
    /// A header with one address, which the outermost proxy *replaces*. Where the proxy leaves
    /// alone what the client sent, clients choose whom they are counted as.
    Single(HeaderName),
}

impl ForwardedHeader {
    /// What [Cloudflare](https://developers.cloudflare.com/fundamentals/reference/http-headers/#cf-connecting-ip) sets.
    pub const CF_CONNECTING_IP: Self = Self::Single(HeaderName::from_static("cf-connecting-ip"));

    /// What [nginx](https://nginx.org/en/docs/http/ngx_http_proxy_module.html#proxy_set_header) is often set up
    /// to send: `proxy_set_header X-Real-IP $remote_addr`.
    pub const X_REAL_IP: Self = Self::Single(HeaderName::from_static("x-real-ip"));

    /// The name, in lower case.
    #[must_use]
    pub fn name(&self) -> &HeaderName {
        match self {
            Self::XForwardedFor => &X_FORWARDED_FOR,
            Self::Forwarded => &header::FORWARDED,
            Self::Single(name) => name,
        }
    }

    /// A header that is a list by its nature is read as a list, however it was named.
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

    /// A header by its name; any other than `X-Forwarded-For` and `Forwarded` has one address.
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
    fn a_header_is_known_by_its_name_in_any_case() {
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
    fn what_is_no_header_name_is_named() {
        for name in ["", "x forwarded for", "x-forwarded-for:", "é"] {
            assert_eq!(
                name.parse::<ForwardedHeader>(),
                Err(TrustedProxiesError::NotAHeader { found: name.into() })
            );
        }
    }
}
