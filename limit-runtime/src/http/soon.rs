//! An answer that is mostly there at once.

use std::{
    future::{Future, Ready, ready},
    pin::Pin,
    task::{Context, Poll},
};

/// A future that is ready where nothing has to be waited for. What takes longer is boxed, so that the futures of
/// handlers stay small and nobody else's state is compiled into them.
#[derive(Debug)]
pub struct Soon<'a, T>(State<'a, T>);

enum State<'a, T> {
    Now(Ready<T>),
    Later(Pin<Box<dyn Future<Output = T> + Send + 'a>>),
}

impl<'a, T> Soon<'a, T> {
    #[inline]
    pub(super) fn now(answer: T) -> Self {
        Self(State::Now(ready(answer)))
    }

    pub(super) fn later(answer: impl Future<Output = T> + Send + 'a) -> Self {
        Self(State::Later(Box::pin(answer)))
    }
}

impl<T> Future for Soon<'_, T> {
    type Output = T;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        match &mut self.0 {
            State::Now(answer) => Pin::new(answer).poll(cx),
            State::Later(answer) => answer.as_mut().poll(cx),
        }
    }
}

impl<T> std::fmt::Debug for State<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Now(_) => "Now",
            Self::Later(_) => "Later",
        })
    }
}
