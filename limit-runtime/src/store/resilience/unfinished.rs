//! Notices that a background task was dropped before its end, because its runtime has ended.

use super::shared::Shared;
use std::sync::Weak;

/// Held by a background task. Unless the task [finishes](Self::finish), `report` is called when it
/// is dropped, so that the next request starts another one at once.
pub(super) struct Unfinished {
    shared: Weak<Shared>,
    report: Option<fn(&Shared)>,
}

impl Unfinished {
    pub(super) fn new(shared: &Weak<Shared>, report: fn(&Shared)) -> Self {
        Self {
            shared: shared.clone(),
            report: Some(report),
        }
    }

    /// The task has ended by itself.
    pub(super) fn finish(mut self) {
        self.report = None;
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(report) = self.report
            && let Some(shared) = self.shared.upgrade()
        {
            report(&shared);
        }
    }
}
