//! How fast a client must be: time for the head of a request, for its body, and until the next one.
//!
//! Not a limit of how long an answer takes: that is ours. Invariant: whatever a client sends, or does not send or read,
//! its connection ends in bounded time.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes, HttpBody as _};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};
use tokio_stream::Stream;

/// How long a client may take.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For the head of a request.
    pub header: Duration,
    /// For its body.
    pub body: Duration,
    /// From an answer to the next request, or for reading a part of the answer.
    pub idle: Duration,
}

/// Where a connection stands, shared by those who read and write it and who watches the clock.
#[derive(Clone, Debug)]
pub(super) struct Pace {
    patience: Patience,
    phase: Arc<Mutex<Phase>>,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    /// The client's turn to begin a request, or to read the rest of an answer.
    Waiting(Instant),
    /// The client has begun one.
    Head(Instant),
    /// Our turn.
    Answering,
}

impl Pace {
    /// A new connection. Who opens one has something to say.
    pub(super) fn new(patience: Patience) -> Pace {
        Pace { patience, phase: Arc::new(Mutex::new(Phase::Waiting(Instant::now() + patience.header))) }
    }

    /// What it is measured by.
    pub(super) fn patience(&self) -> Patience {
        self.patience
    }

    /// The head of a request is there.
    pub(super) fn answering(&self) {
        self.change(|_| Phase::Answering);
    }

    /// The answer is made.
    pub(super) fn answered(&self) {
        let until = Instant::now() + self.patience.idle;
        self.change(|_| Phase::Waiting(until));
    }

    /// Until when the client has time, if it is its turn.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match *self.phase.lock().unwrap_or_else(PoisonError::into_inner) {
            Phase::Waiting(until) | Phase::Head(until) => Some(until),
            Phase::Answering => None,
        }
    }

    /// Returns once the client has had its time.
    pub(super) async fn run_out(self) {
        loop {
            let now = Instant::now();
            match self.deadline() {
                Some(deadline) if deadline <= now => return,
                // What is begun meanwhile ends later than what is awaited now, but for a head after a long pause.
                Some(deadline) => tokio::time::sleep_until(deadline.min(now + self.patience.header)).await,
                None => tokio::time::sleep(self.patience.header).await,
            }
        }
    }

    fn read(&self) {
        self.change(|phase| match phase {
            Phase::Waiting(_) => Phase::Head(Instant::now() + self.patience.header),
            other => other,
        });
    }

    fn wrote(&self) {
        self.change(|phase| match phase {
            Phase::Waiting(_) | Phase::Head(_) => Phase::Waiting(Instant::now() + self.patience.idle),
            Phase::Answering => Phase::Answering,
        });
    }

    fn change(&self, next: impl FnOnce(Phase) -> Phase) {
        let mut phase = self.phase.lock().unwrap_or_else(PoisonError::into_inner);
        *phase = next(*phase);
    }
}

/// A connection that tells its [`Pace`] what happens on it.
pub(super) struct Paced<S> {
    stream: S,
    pace: Pace,
}

impl<S> Paced<S> {
    pub(super) fn new(stream: S, pace: Pace) -> Paced<S> {
        Paced { stream, pace }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        if buffer.filled().len() > before {
            self.pace.read();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, bytes))?;
        self.pace.wrote();
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// The body of a request took too long.
#[derive(Debug, thiserror::Error)]
#[error("the body of the request took too long")]
pub(super) struct TooSlow;

/// The body, as long as it arrives in time. The time is for all of it: a client that sends a byte now and then gains
/// none.
pub(super) fn timed(body: Body, time: Duration) -> Body {
    if body.is_end_stream() {
        return body;
    }
    Body::from_stream(Timed { chunks: body.into_data_stream(), sleep: Box::pin(tokio::time::sleep(time)) })
}

/// Whether a body broke off because it took too long.
pub(super) fn was_too_slow(error: &axum::Error) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if error.is::<TooSlow>() {
            return true;
        }
        cause = error.source();
    }
    false
}

struct Timed {
    chunks: BodyDataStream,
    sleep: Pin<Box<Sleep>>,
}

impl Stream for Timed {
    type Item = Result<Bytes, axum::Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        // The time first: what trickles in is always ready.
        if self.sleep.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Some(Err(axum::Error::new(TooSlow))));
        }
        Pin::new(&mut self.chunks).poll_next(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience =
        Patience { header: Duration::from_millis(50), body: Duration::from_secs(60), idle: Duration::from_millis(400) };

    #[tokio::test]
    async fn each_turn_of_a_client_has_its_own_time() {
        let pace = Pace::new(PATIENCE);
        let left = |pace: &Pace| pace.deadline().map(|deadline| deadline.saturating_duration_since(Instant::now()));
        assert!(left(&pace) <= Some(PATIENCE.header));
        pace.read();
        let begun = pace.deadline();
        pace.read();
        assert_eq!(pace.deadline(), begun, "a byte more gives no more time");
        pace.answering();
        pace.wrote();
        pace.read();
        assert_eq!(pace.deadline(), None, "to ask for the body and to read it is no new request");
        pace.answered();
        assert!(left(&pace) > Some(PATIENCE.header));
        pace.read();
        assert!(left(&pace) <= Some(PATIENCE.header));
        let started = Instant::now();
        pace.clone().run_out().await;
        assert!(started.elapsed() < PATIENCE.idle, "{:?}", started.elapsed());
    }

    #[tokio::test]
    async fn a_body_has_its_time_as_a_whole() {
        let chunks = tokio_stream::iter(1..).then_every(Duration::from_millis(1));
        let body = timed(Body::from_stream(chunks), Duration::from_millis(30));
        let mut chunks = body.into_data_stream();
        let error = loop {
            match tokio_stream::StreamExt::next(&mut chunks).await {
                Some(Ok(_)) => {}
                Some(Err(error)) => break error,
                None => panic!("it never ends by itself"),
            }
        };
        assert!(was_too_slow(&error));
        assert!(!was_too_slow(&axum::Error::new(io::Error::other("broken"))));
    }

    trait Trickle: Stream<Item = i32> + Sized {
        fn then_every(self, pause: Duration) -> impl Stream<Item = Result<Bytes, io::Error>> {
            futures_util::StreamExt::then(self, move |_| async move {
                tokio::time::sleep(pause).await;
                Ok(Bytes::from_static(b"x"))
            })
        }
    }

    impl<S: Stream<Item = i32>> Trickle for S {}
}
