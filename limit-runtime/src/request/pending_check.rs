//! Requests that end before their check is decided.

use super::{report, request_limits::RequestLimits};
use std::sync::Arc;

/// A check of limits, or an attempt to take permits, that has to be awaited. If it is dropped
/// without a decision, because the client has left or a timeout has ended the request, the request
/// is counted as abandoned.
pub(super) struct PendingCheck {
    pub(super) limits: Arc<RequestLimits>,
    is_decided: bool,
}

impl PendingCheck {
    pub(super) fn new(limits: Arc<RequestLimits>) -> Self {
        Self {
            limits,
            is_decided: false,
        }
    }

    pub(super) fn set_decided(&mut self) {
        self.is_decided = true;
    }
}

impl Drop for PendingCheck {
    fn drop(&mut self) {
        if !self.is_decided {
            report::abandoned(&self.limits);
        }
    }
}
