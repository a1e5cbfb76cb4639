//! Finds the address of a client behind trusted proxies.
//!
//! Everything here is a function of the peer's address, the request's headers and the settings.

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
