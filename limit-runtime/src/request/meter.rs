//! Streams and bodies that tell a reservation what they have produced.

use super::reservation::Reservation;
use axum::{
    BoxError,
    body::{Body, Bytes, HttpBody},
    response::Response,
};
use futures_core::Stream;
use http_body::{Frame, SizeHint};
use pin_project_lite::pin_project;
use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

impl Reservation {
    /// A stream that tells the reservation what each item uses, and settles it when the stream has
    /// ended or is dropped, as when the client has left.
    ///
    /// `tell` is called for each item before it is passed on. With a [clone](Clone) of the
    /// reservation in a task that produces the items, the clone can count what was made, and no
    /// meter is needed.
    ///
    /// ```
    /// use axum::response::sse::{Event, Sse};
    /// use futures_util::{Stream, StreamExt};
    /// use limit_runtime::{Reservation, rate_limit};
    /// use std::convert::Infallible;
    ///
    /// # fn run_model(prompt: &str) -> (u64, impl Stream<Item = String> + Send + use<>) {
    /// #     (3, futures_util::stream::iter(["a".to_owned(), "b".to_owned()]))
    /// # }
    /// #[rate_limit("100_000/minute", cost = 2_000)]
    /// async fn chat(
    ///     reservation: Reservation,
    ///     prompt: String,
    /// ) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    ///     let (prompt_tokens, tokens) = run_model(&prompt);
    ///     reservation.used(prompt_tokens);
    ///     let tokens = reservation.meter(tokens, |_, reservation| reservation.add(1));
    ///     Sse::new(tokens.map(|token| Ok(Event::default().data(token))))
    /// }
    /// ```
    pub fn meter<S, F>(self, stream: S, tell: F) -> Metered<S, F>
    where
        S: Stream,
        F: FnMut(&S::Item, &Self),
    {
        Metered {
            stream,
            tell,
            reservation: Some(self),
        }
    }

    /// A response that tells the reservation what its body uses, and settles it when the body has
    /// ended or is dropped, as when the client has left.
    ///
    /// `tell` is called with the data of each frame before it is passed on; [`usage`](crate::usage)
    /// has functions for the formats of model APIs. The length of the body and its trailers stay as
    /// they are. A layer that compresses the response goes around it.
    ///
    /// ```
    /// use axum::{body::Body, http::Response};
    /// use limit_runtime::{Reservation, rate_limit, usage};
    ///
    /// # async fn send_upstream(prompt: String) -> Response<Body> { unimplemented!() }
    /// #[rate_limit("100_000/minute", cost = 2_000)]
    /// async fn gateway(reservation: Reservation, prompt: String) -> Response<Body> {
    ///     let response = send_upstream(prompt).await;
    ///     reservation.meter_response(response, usage::openai())
    /// }
    /// ```
    pub fn meter_response<B, F>(self, response: http::Response<B>, tell: F) -> Response
    where
        B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
        F: FnMut(&Bytes, &Self) + Send + 'static,
    {
        response.map(|body| {
            Body::new(MeteredBody {
                body,
                tell,
                reservation: Some(self),
            })
        })
    }
}

pin_project! {
    /// The stream of [`Reservation::meter`].
    #[must_use = "a stream does nothing until it is polled"]
    pub struct Metered<S, F> {
        #[pin]
        stream: S,
        tell: F,
        // `None` once the stream has ended.
        reservation: Option<Reservation>,
    }
}

impl<S: Stream, F: FnMut(&S::Item, &Reservation)> Stream for Metered<S, F> {
    type Item = S::Item;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        let this = self.project();
        let Some(reservation) = this.reservation.as_ref() else {
            return Poll::Ready(None);
        };
        let item = ready!(this.stream.poll_next(cx));
        match &item {
            Some(item) => (this.tell)(item, reservation),
            None => *this.reservation = None,
        }
        Poll::Ready(item)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match self.reservation {
            Some(_) => self.stream.size_hint(),
            None => (0, Some(0)),
        }
    }
}

impl<S, F> fmt::Debug for Metered<S, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metered").finish_non_exhaustive()
    }
}

pin_project! {
    struct MeteredBody<B, F> {
        #[pin]
        body: B,
        tell: F,
        // `None` once the body has ended.
        reservation: Option<Reservation>,
    }
}

impl<B, F> HttpBody for MeteredBody<B, F>
where
    B: HttpBody<Data = Bytes>,
    F: FnMut(&Bytes, &Reservation),
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let mut this = self.project();
        let frame = ready!(this.body.as_mut().poll_frame(cx));
        if let (Some(Ok(frame)), Some(reservation)) = (&frame, this.reservation.as_ref())
            && let Some(data) = frame.data_ref()
        {
            (this.tell)(data, reservation);
        }
        // A server need not poll a body to its end if it knows that this was the last frame.
        if !matches!(frame, Some(Ok(_))) || this.body.is_end_stream() {
            *this.reservation = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
