//! Refunds and forced charges that no request waits for, and the shutdown that does.

use super::limiter::{Backend, Inner, Limiter};
use crate::{
    decision::{LateCount, Receipt},
    store::{Action, Charge},
};
use std::{
    slice,
    sync::{Arc, Weak},
    time::Duration,
};

/// How long [`Limiter::shutdown`] waits.
const SHUTDOWN_TIME: Duration = Duration::from_secs(5);

impl Limiter {
    /// Waits until the remote store has everything that this process has counted for it: the
    /// settlements of [reservations](crate::Reservation), charges and refunds that got no answer,
    /// and the leases of [permits](crate::Permit) that are not held any more. Waits for 5 seconds
    /// at most, and returns the number of charges and refunds that are left; 0 if none is. Any that
    /// are left are logged at `WARN`.
    ///
    /// Call it when the server has stopped, so that the budgets of other processes are exact. A
    /// limiter in memory has nothing to send.
    ///
    /// ```
    /// use axum::Router;
    /// use limit_runtime::Limiter;
    /// use tokio::net::TcpListener;
    ///
    /// # async fn stop_signal() {}
    /// async fn serve(tcp: TcpListener, app: Router, limiter: Limiter) -> std::io::Result<()> {
    ///     axum::serve(tcp, app).with_graceful_shutdown(stop_signal()).await?;
    ///     let left = limiter.shutdown().await;
    ///     if left > 0 {
    ///         eprintln!("{left} corrections of budgets were not sent");
    ///     }
    ///     Ok(())
    /// }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// # assert_eq!(Limiter::new().shutdown().await, 0);
    /// # }
    /// ```
    pub async fn shutdown(&self) -> usize {
        let left = match &self.0.store {
            Backend::Memory(_) => 0,
            Backend::Remote(store) => store.drain(SHUTDOWN_TIME).await,
        };
        if left > 0 {
            tracing::warn!(
                left,
                "the rate-limit store has not confirmed all charges and refunds within {} s: budgets \
                 of other processes are not exact until their windows have ended",
                SHUTDOWN_TIME.as_secs()
            );
        }
        left
    }

    /// Refunds charges without waiting. In memory they are refunded at once, in a remote store
    /// soon.
    pub(crate) fn refund_soon(&self, charges: &[Charge<'_>], receipts: &[Receipt]) {
        match &self.0.store {
            Backend::Memory(store) => {
                store.refund(charges, receipts);
                self.wait_queues().wake_first_of(charges);
            }
            Backend::Remote(store) => store.refund_soon(charges, receipts),
        }
    }

    /// Consumes a charge even if it is denied, without waiting: in memory at once, in a remote
    /// store soon. Returns the receipt if this process has counted it.
    pub(crate) fn force_soon(&self, charge: &Charge<'_>) -> Option<Receipt> {
        match &self.0.store {
            Backend::Memory(store) => {
                let mut decision = store.check(slice::from_ref(charge), Action::Force);
                decision.take_receipts().into_iter().next()
            }
            Backend::Remote(store) => store.force_soon(charge),
        }
    }

    /// Consumes a charge in a remote store soon that the store is not known to have counted.
    /// Returns what shows when it has; `None` if there is no room for the charge.
    pub(crate) fn force_in_store_soon(&self, charge: &Charge<'_>) -> Option<Arc<LateCount>> {
        match &self.0.store {
            Backend::Memory(_) => None,
            Backend::Remote(store) => store.force_in_store_soon(charge),
        }
    }

    /// Waits until a remote store has confirmed what is kept for the budgets of these charges, for
    /// one deadline at most.
    pub(crate) async fn confirmed(&self, charges: &[Charge<'_>]) {
        if let Backend::Remote(store) = &self.0.store {
            store.confirmed(charges).await;
        }
    }
}

impl Inner {
    /// Wakes waiting requests when a remote store has confirmed a refund.
    pub(super) fn wake_after_refunds(self: &Arc<Self>) {
        if let Backend::Remote(store) = &self.store {
            let inner: Weak<Self> = Arc::downgrade(self);
            store.set_on_refund(Box::new(move |charges| {
                if let Some(inner) = inner.upgrade() {
                    inner.wait_queues.wake_first_of(charges);
                }
            }));
        }
    }
}
