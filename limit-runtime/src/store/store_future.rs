//! The futures of stores.

use super::error::StoreError;
use std::{future::Future, pin::Pin};

/// The boxed future that the methods of [`Store`](super::Store) return.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;
