//! The address of a client behind trusted proxies: from the peer's address and headers to an address.

mod address;
mod error;
mod forwarded;
mod header;
mod networks;
pub(crate) mod proxy_check;
pub(crate) mod trusted_proxies;

pub use self::{
    error::TrustedProxiesError, header::ForwardedHeader, trusted_proxies::TrustedProxies,
};
