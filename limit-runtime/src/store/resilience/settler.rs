//! Background task that sends the charges which the store has not confirmed yet.

use super::{
    background,
    late_charges::{Kind, LateCharge},
    send,
    shared::{Shared, UnderWay},
};
use crate::{
    decision::Receipt,
    store::{Action, StoreError},
};
use std::{
    slice,
    sync::{Arc, Weak, atomic::Ordering},
    time::Duration,
};
use tokio::{runtime::Handle, task::JoinSet};

/// How long to wait for a store that does not answer.
const RETRY_INTERVAL: Duration = Duration::from_millis(50);
/// How many charges are under way at once.
const CONCURRENT: usize = 64;
/// A settler that has not reported for this long is gone, because its runtime has shut down.
const MAX_SILENCE: Duration = Duration::from_secs(3);

/// Starts a settler if one is needed. Without a tokio runtime it does nothing, and a later request
/// tries again.
pub(super) fn start_if_needed(shared: &Arc<Shared>) {
    if shared.late.is_empty() {
        return;
    }
    let Ok(runtime) = Handle::try_current() else {
        return;
    };
    if shared
        .late
        .needs_settler(shared.real_clock.now(), MAX_SILENCE)
    {
        background::spawn(&runtime, shared, run, |shared| {
            shared.late.settler_has_ended();
        });
    }
}

async fn run(shared: Weak<Shared>) {
    // The limiter has been dropped if there is nothing to upgrade to.
    while let Some(shared) = shared.upgrade() {
        let now = shared.real_clock.now();
        if !shared.late.settler_goes_on(now) {
            return;
        }
        let is_answered = send_some(&shared).await;
        drop(shared);
        if !is_answered {
            tokio::time::sleep(RETRY_INTERVAL).await;
        }
    }
}

/// Sends the next charges. Returns whether the store answered all of them.
async fn send_some(shared: &Arc<Shared>) -> bool {
    // While the store is not called, charges are added up, and none is sent.
    if send::is_open(shared) {
        return false;
    }
    let mut calls = JoinSet::new();
    for late in shared.late.next(CONCURRENT, shared.real_clock.now()) {
        let shared = shared.clone();
        calls.spawn(async move { settle(&shared, &late).await });
    }
    calls.join_all().await.into_iter().all(|answered| answered)
}

/// Sends one charge. Returns whether the store answered.
async fn settle(shared: &Arc<Shared>, late: &Arc<LateCharge>) -> bool {
    let charge = late.charge.as_charge();
    let charges = slice::from_ref(&charge);
    let is_sent_once = !shared.store.counts_ids_once();
    // A shutdown waits for what is not kept any more.
    let _under_way = is_sent_once.then(|| UnderWay::of(shared));
    if is_sent_once {
        shared.late.settle(late);
    }
    let result: Result<(), StoreError> = match late.kind {
        Kind::Force => {
            let was_sent = late.was_sent.swap(true, Ordering::Relaxed);
            let call = shared.store.check(charges, Action::Force);
            let counted = shared.with_deadline(call).await;
            counted.map(|decision| {
                // A store that has counted the id before does not answer when that was. A refund at
                // another time could give back what others have consumed.
                if let (false, Some(receipt)) = (was_sent, decision.receipts().first()) {
                    shared.refund_counted(&charge, receipt, late.count.as_deref());
                }
            })
        }
        Kind::Refund { at } => {
            let receipts = [Receipt::new(at)];
            let call = shared.store.refund(charges, &receipts);
            shared.with_deadline(call).await
        }
    };
    match result {
        // One node of a cluster may be out: the others come first. For the circuit breaker only
        // requests count.
        Err(error) if shared.may_send_again(&error) => {
            shared.late.postpone(late);
            false
        }
        // Confirmed, never to be accepted, or not to be sent twice.
        _ => {
            shared.invalidate_denials(charges);
            if let (Kind::Refund { .. }, Some(on_refund)) = (late.kind, shared.on_refund.get()) {
                on_refund(charges);
            }
            shared.late.settle(late);
            true
        }
    }
}
