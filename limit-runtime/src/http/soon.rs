//! An answer that is mostly there at once.

use std::{
    fmt,
    future::{Future, Ready, ready},
    pin::Pin,
    task::{Context, Poll},
};

/// A boxed future.
pub(super) type Later<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A future that is ready where nothing has to be waited for. What takes longer is boxed, so that the futures of
/// handlers stay small and nobody else's state is compiled into them.
pub struct Soon<T>(State<T>);

enum State<T> {
    Now(Ready<T>),
    Later(Later<T>),
}

impl<T> Soon<T> {
    #[inline]
    pub(super) fn now(answer: T) -> Self {
        Self(State::Now(ready(answer)))
    }

    pub(super) fn later(answer: impl Future<Output = T> + Send + 'static) -> Self {
        Self(State::Later(Box::pin(answer)))
    }
}

impl<T> Future for Soon<T> {
    type Output = T;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        match &mut self.0 {
            State::Now(answer) => Pin::new(answer).poll(cx),
            State::Later(answer) => answer.as_mut().poll(cx),
        }
    }
}

impl<T> fmt::Debug for Soon<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Soon").finish_non_exhaustive()
    }
}
