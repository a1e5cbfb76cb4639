//! A check that is under way, and what happens to it when its request has ended.

use super::{
    answer::LateCounts,
    owned_charge::OwnedCharge,
    settler,
    shared::{Shared, UnderWay},
};
use crate::{
    decision::Decision,
    store::{Action, StoreError, charge::Charge, store_future::StoreFuture},
};
use smallvec::SmallVec;
use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::runtime::Handle;

/// How long an answer is awaited that comes after the deadline, or after the request has ended.
/// Shorter than the time-outs of connections, after which the client of a cluster repeats commands.
const LATE_ANSWER: Duration = Duration::from_millis(1_500);

/// A call of [`Store::check`](crate::store::Store::check).
///
/// If it is dropped before it has ended, a task waits for its end. What a check has consumed is
/// then refunded, because its request was not admitted: it was cancelled, or refused after the
/// deadline. A forced charge is kept, because its work is done.
pub(super) struct Call {
    shared: Arc<Shared>,
    charges: Arc<[OwnedCharge]>,
    action: Action,
    /// `None` once it has ended.
    check: Option<StoreFuture<'static, Decision>>,
    /// One for each charge, if what is consumed stays consumed.
    counts: Option<LateCounts>,
}

impl Call {
    pub(super) fn new(shared: &Arc<Shared>, charges: &[Charge<'_>], action: Action) -> Self {
        let charges: Arc<[OwnedCharge]> = charges.iter().map(OwnedCharge::new).collect();
        let check = {
            let (shared, charges) = (shared.clone(), charges.clone());
            async move {
                let charges: SmallVec<[_; 2]> =
                    charges.iter().map(OwnedCharge::as_charge).collect();
                shared.store.check(&charges, action).await
            }
        };
        Self {
            shared: shared.clone(),
            charges,
            action,
            check: Some(Box::pin(check)),
            counts: None,
        }
    }

    /// Keeps what the check consumes if it has not ended yet: the fallback admitted its request.
    /// Returns what shows when the store has counted each charge, or nothing if it has ended.
    pub(super) fn admit(mut self) -> LateCounts {
        if self.check.is_none() {
            return LateCounts::new();
        }
        let counts: LateCounts = self.charges.iter().map(|_| Some(Arc::default())).collect();
        self.counts = Some(counts.clone());
        counts
    }

    /// Keeps the forced charges, to send them until the store confirms them. Returns what shows
    /// when it has counted each of them.
    pub(super) fn send_later(mut self) -> LateCounts {
        self.check = None;
        self.shared.keep_late(&self.charges)
    }
}

impl Future for Call {
    type Output = Result<Decision, StoreError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(check) = &mut self.check else {
            // The caller polls again after the end. Library code does not panic.
            return Poll::Pending;
        };
        let result = check.as_mut().poll(context);
        if result.is_ready() {
            self.check = None;
        }
        result
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let Some(check) = self.check.take() else {
            return;
        };
        // Without a runtime there is no task that could wait.
        let Ok(runtime) = Handle::try_current() else {
            if self.action == Action::Force {
                self.shared.keep_late(&self.charges);
            }
            return;
        };
        let unanswered = Unanswered {
            _under_way: UnderWay::of(&self.shared),
            shared: self.shared.clone(),
            charges: self.charges.clone(),
            is_forced: self.action == Action::Force,
        };
        let counts = self.counts.take();
        runtime.spawn(async move {
            let result = tokio::time::timeout(LATE_ANSWER, check).await;
            if let Ok(Ok(decision)) = result {
                unanswered.answer(&decision, counts.as_ref());
            }
        });
    }
}

/// A check of which the answer is still awaited. Without one, forced charges are sent again, also
/// if the runtime ends.
struct Unanswered {
    shared: Arc<Shared>,
    charges: Arc<[OwnedCharge]>,
    is_forced: bool,
    /// Ends last, so that a shutdown finds what is kept instead.
    _under_way: UnderWay,
}

impl Unanswered {
    fn answer(mut self, decision: &Decision, counts: Option<&LateCounts>) {
        if !self.is_forced {
            let charges = self.charges.iter().zip(decision.receipts());
            for (index, (charge, receipt)) in charges.enumerate() {
                let count = counts.and_then(|counts| counts.get(index)?.as_deref());
                self.shared
                    .refund_counted(&charge.as_charge(), receipt, count);
            }
        }
        self.is_forced = false;
    }
}

impl Drop for Unanswered {
    fn drop(&mut self) {
        if self.is_forced {
            self.shared.keep_late(&self.charges);
        }
        settler::start_if_needed(&self.shared);
    }
}
