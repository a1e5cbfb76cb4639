//! Values that are usually ready, or else a boxed future of them.

use std::{
    convert::Infallible,
    fmt,
    future::Future,
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll},
};

/// A boxed future.
pub(crate) type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A value that is usually ready, or a future of it. The future is boxed by default, so that the
/// futures of handlers stay small.
///
/// It is no future itself: an `await` of it would reserve room for the value in the caller's
/// future. The macro `ready_or_await!` takes the value out.
pub enum MaybeReady<T, F = BoxFuture<T>> {
    /// The value.
    Ready(T),
    /// A future of the value.
    Pending(F),
}

/// The value of a [`MaybeReady`], after awaiting it if it is not ready.
macro_rules! ready_or_await {
    ($value:expr) => {
        match $value {
            $crate::extract::maybe_ready::MaybeReady::Ready(value) => value,
            $crate::extract::maybe_ready::MaybeReady::Pending(value) => value.await,
        }
    };
}
pub(crate) use ready_or_await;

impl<T, F> fmt::Debug for MaybeReady<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MaybeReady").finish_non_exhaustive()
    }
}

/// The future type of values that are always ready. It has no values.
#[derive(Debug)]
pub(crate) struct NoFuture<T>(Infallible, PhantomData<fn() -> T>);

impl<T> Future for NoFuture<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<T> {
        match self.0 {}
    }
}
