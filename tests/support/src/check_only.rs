//! A remote store of which only checks matter.

use limit_runtime::{
    Decision, Key, Receipt,
    store::{Action, Charge, Scope, Store, StoreError, StoreFuture},
};
use std::{fmt, future};

/// A remote store that answers checks with this function. All other calls succeed, and do nothing.
#[derive(Clone, Copy)]
pub struct CheckOnly(pub fn(&[Charge<'_>]) -> StoreFuture<'static, Decision>);

impl CheckOnly {
    /// A store that cannot be reached.
    pub const UNREACHABLE: Self =
        Self(|_| Box::pin(async { Err(StoreError::new("no route to 10.0.0.7")) }));
    /// A store that never answers.
    pub const SILENT: Self = Self(|_| Box::pin(future::pending()));
}

impl Store for CheckOnly {
    fn check<'a>(&'a self, charges: &'a [Charge<'a>], _: Action) -> StoreFuture<'a, Decision> {
        (self.0)(charges)
    }

    fn refund<'a>(&'a self, _: &'a [Charge<'a>], _: &'a [Receipt]) -> StoreFuture<'a, ()> {
        Box::pin(async { Ok(()) })
    }

    fn reset_key<'a>(&'a self, _: Scope<'a>, _: &'a Key) -> StoreFuture<'a, u64> {
        Box::pin(async { Ok(0) })
    }

    fn reset_all(&self) -> StoreFuture<'_, ()> {
        Box::pin(async { Ok(()) })
    }
}

impl fmt::Debug for CheckOnly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CheckOnly")
    }
}
