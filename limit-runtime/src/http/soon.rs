//! An answer that is mostly there at once.

use std::{
    convert::Infallible,
    fmt,
    future::Future,
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll},
};

/// A boxed future.
pub(super) type Later<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// An answer, or its future where something has to be waited for. By default that is boxed, so that the futures of
/// handlers stay small and nobody else's state is compiled into them. It is no future itself: awaited, the answer
/// would have to lie in those, too.
pub enum Soon<T, F = Later<T>> {
    /// The answer.
    Now(T),
    /// To be awaited.
    Later(F),
}

/// The answer of a [`Soon`].
macro_rules! answer_of {
    ($soon:expr) => {
        match $soon {
            $crate::http::soon::Soon::Now(answer) => answer,
            $crate::http::soon::Soon::Later(answer) => answer.await,
        }
    };
}
pub(crate) use answer_of;

impl<T, F> fmt::Debug for Soon<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Soon").finish_non_exhaustive()
    }
}

/// The future of what is always there at once: there is none.
#[derive(Debug)]
pub(crate) struct Never<T>(Infallible, PhantomData<fn() -> T>);

impl<T> Future for Never<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<T> {
        match self.0 {}
    }
}
