//! Background tasks of a guarded store.

use super::shared::Shared;
use std::{
    future::Future,
    sync::{Arc, Weak},
};
use tokio::runtime::Handle;

/// Starts `run` as a task. If it is dropped before its end, because its runtime has ended, `report`
/// is called, so that the next request starts another one at once.
pub(super) fn spawn<F>(
    runtime: &Handle,
    shared: &Arc<Shared>,
    run: fn(Weak<Shared>) -> F,
    report: fn(&Shared),
) where
    F: Future<Output = ()> + Send + 'static,
{
    let shared = Arc::downgrade(shared);
    let unfinished = Unfinished {
        shared: shared.clone(),
        report: Some(report),
    };
    runtime.spawn(async move {
        run(shared).await;
        unfinished.finish();
    });
}

/// Held by a task. Its `report` is called when it is dropped, unless the task has ended by itself.
struct Unfinished {
    shared: Weak<Shared>,
    report: Option<fn(&Shared)>,
}

impl Unfinished {
    /// The task has ended by itself.
    fn finish(mut self) {
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
