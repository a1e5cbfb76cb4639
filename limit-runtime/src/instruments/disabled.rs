//! Without the feature `metrics`: nothing is kept, and nothing is recorded.

#![expect(
    clippy::unused_self,
    reason = "the methods of the feature are called alike"
)]

use super::labels::{RequestOutcome, UnitsKind};
use std::future::Future;

#[derive(Debug, Default)]
pub(crate) struct RequestCounters(());

impl RequestCounters {
    #[inline]
    pub(crate) fn add(&self, _: &str, _: &str, _: RequestOutcome) {}
}

#[derive(Debug, Default)]
pub(crate) struct PolicyInstruments(());

impl PolicyInstruments {
    #[inline]
    pub(crate) fn checked(&self, _: &str, _: u64, _: u64) {}

    #[inline]
    pub(crate) fn units(&self, _: &str, _: UnitsKind, _: u64) {}
}

#[derive(Debug, Default)]
pub(crate) struct MemoryInstruments(());

impl MemoryInstruments {
    #[inline]
    pub(crate) fn evicted(&self) {}

    #[inline]
    pub(crate) fn shared(&self) {}
}

#[derive(Debug)]
pub(crate) struct StoreInstruments;

impl StoreInstruments {
    pub(crate) fn new(_: &'static str) -> Self {
        Self
    }

    #[inline]
    pub(crate) fn timed<F: Future>(&self, call: F) -> F {
        call
    }

    #[inline]
    pub(crate) fn failed(&self, _: &'static str) {}
}
