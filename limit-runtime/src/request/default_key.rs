//! The default key: of rules and layers without a `key`.

use super::client_ip::client_ip;
use crate::{
    extract::{
        maybe_ready::MaybeReady,
        output::Answer,
        rejection::{Rejection, rejection},
    },
    key::{IntoKey, Key},
    limiter::Limiter,
    policy::source::{IsBuiltIn, KeySource},
};
use http::request::Parts;
use std::future::Future;

/// The key source of attributes without `key = …`: the limiter's default key.
#[derive(Debug)]
pub struct DefaultKey;

impl<S: Sync> KeySource<S> for DefaultKey {
    fn is_cheap(&self, parts: &Parts, is_built_in: IsBuiltIn) -> bool {
        Limiter::find(parts).has_cheap_default_key(is_built_in)
    }

    #[inline]
    fn key(
        self,
        parts: &mut Parts,
        _: &S,
    ) -> Answer<Key, impl Future<Output = Result<Key, Rejection>> + Send> {
        MaybeReady::Pending(default_key(parts))
    }
}

/// The key from the limiter's `default_key` function, or else the client's address.
pub(crate) async fn default_key(parts: &mut Parts) -> Result<Key, Rejection> {
    match Limiter::find(parts).default_key_fn().cloned() {
        Some(key) => key(parts).await,
        None => match client_ip(parts) {
            Ok(address) => Ok(address.into_key()),
            Err(error) => Err(rejection(error)),
        },
    }
}
