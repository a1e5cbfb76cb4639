//! The key of rules that name none.

use super::client_ip::client_ip;
use crate::{
    extract::{
        maybe_ready::MaybeReady,
        output::MaybeResolved,
        rejection::{Rejection, rejection},
        role::{KeyRole, Resolved},
    },
    key::{IntoKey, Key},
    limiter::Limiter,
    policy::source::{IsBuiltIn, Source},
};
use http::request::Parts;
use std::future::Future;

/// The source of the limiter's default key, for attributes that name no key.
#[derive(Debug)]
pub struct DefaultKey;

impl<S: Sync> Source<KeyRole, S> for DefaultKey {
    const IS_ALWAYS_READY: bool = false;

    /// The client's address is ready, a function of the application may not be.
    #[inline]
    fn is_ready(&self, parts: &Parts) -> bool {
        Limiter::find(parts).default_key_fn().is_none()
    }

    fn is_cheap(&self, parts: &Parts, is_built_in: IsBuiltIn) -> bool {
        Limiter::find(parts).has_cheap_default_key(is_built_in)
    }

    #[inline]
    fn resolve_now(self, parts: &Parts) -> Resolved<KeyRole> {
        client_key(parts)
    }

    #[inline]
    fn resolve(
        self,
        parts: &mut Parts,
        _: &S,
    ) -> MaybeResolved<KeyRole, impl Future<Output = Resolved<KeyRole>> + Send> {
        MaybeReady::Pending(default_key(parts))
    }
}

/// The default key of the limiter that checks this request: the key that was set, or else the
/// client's address.
pub(crate) async fn default_key(parts: &mut Parts) -> Result<Key, Rejection> {
    match Limiter::find(parts).default_key_fn().cloned() {
        Some(key) => key(parts).await,
        None => client_key(parts),
    }
}

/// The client's address as the key.
#[inline]
fn client_key(parts: &Parts) -> Result<Key, Rejection> {
    match client_ip(parts) {
        Ok(address) => Ok(address.into_key()),
        Err(error) => Err(rejection(error)),
    }
}
