//! The three calls to one memcached server on which the store is built.

use crate::store::{StoreError, error::StoreErrorKind};
use std::{fmt, future::Future, pin::Pin, sync::Arc};

/// One memcached server, to which many tasks can send calls concurrently.
pub(super) trait Transport: fmt::Debug + Send + Sync {
    /// Reads an item; `None` if there is none.
    fn get<'a>(&'a self, name: &'a str) -> Call<'a, Option<Stored>>;

    /// Writes an item if `condition` holds.
    fn set<'a>(&'a self, name: &'a str, value: Vec<u8>, write: Write) -> Call<'a, Written>;

    /// Adds to the decimal number in an item, and returns the sum; `None` if there is no item.
    fn add<'a>(&'a self, name: &'a str, number: u64) -> Call<'a, Option<u64>>;
}

/// The boxed future of a call.
pub(super) type Call<'a, T> = Pin<Box<dyn Future<Output = Result<T, CallError>> + Send + 'a>>;

/// The value of an item.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) value: Vec<u8>,
    /// Changes whenever the item is written.
    pub(super) cas: u64,
}

/// When and for how long an item is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Write {
    pub(super) condition: Condition,
    /// Seconds until the server forgets the item; 0: never.
    pub(super) lifetime: u32,
}

/// The condition of a write.
#[derive(Clone, Copy, Debug)]
pub(super) enum Condition {
    /// There is no item.
    Absent,
    /// The item has this CAS number.
    Unchanged(u64),
}

/// The result of a write.
#[derive(Clone, Copy, Debug)]
pub(super) enum Written {
    /// The item is written, and has this CAS number.
    Yes(u64),
    /// The condition does not hold.
    No,
}

/// The error of a call. It is cloned for each check that was decided with it.
#[derive(Clone, Debug)]
pub(super) struct CallError {
    message: Arc<str>,
    pub(super) kind: StoreErrorKind,
}

impl CallError {
    pub(super) fn new(message: impl Into<Arc<str>>) -> Self {
        Self {
            message: message.into(),
            kind: StoreErrorKind::Outage,
        }
    }

    pub(super) fn with_kind(self, kind: StoreErrorKind) -> Self {
        Self { kind, ..self }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<CallError> for StoreError {
    fn from(error: CallError) -> Self {
        Self::new(&*error.message).with_kind(error.kind)
    }
}
