//! An answer that began before its request had gone: both go on in a task of their own, whatever the client does. One that
//! reads nothing before it has sent everything would else wait for itself.

use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use http_body::Frame;
use tokio::sync::mpsc;

use super::h1::{BodyError, H1};
use super::pool::Pool;
use super::state::EndpointState;

/// What comes next of an answer; `None` is its end.
type Next = Option<Result<Frame<Bytes>, BodyError>>;

/// The body of such an answer. Dropped, it ends the exchange.
#[derive(Debug)]
pub(crate) struct Early {
    frames: mpsc::Receiver<Next>,
    ended: bool,
}

impl Early {
    /// Starts the task, which gives the connection back to the pool when both have ended well.
    pub(crate) fn start(connection: Box<H1>, pool: Rc<Pool>, endpoint: Arc<EndpointState>) -> Self {
        let (sender, frames) = mpsc::channel(1);
        tokio::task::spawn_local(async move {
            if let Some(mut connection) = go_on(connection, sender).await
                && connection.may_go_on()
            {
                pool.put(&endpoint, connection, Instant::now());
            }
        });
        Self { frames, ended: false }
    }

    /// The next frame.
    pub(crate) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Next> {
        if self.ended {
            return Poll::Ready(None);
        }
        // A task that ends without a word, as it does with its worker, has not finished the answer.
        let next = std::task::ready!(self.frames.poll_recv(cx)).unwrap_or(Some(Err(BodyError::Cut)));
        self.ended = !matches!(next, Some(Ok(_)));
        Poll::Ready(next)
    }

    /// Whether it has no more frames.
    pub(crate) fn is_end_stream(&self) -> bool {
        self.ended
    }
}

/// The connection, if the answer came to its end and somebody took it.
async fn go_on(mut connection: Box<H1>, frames: mpsc::Sender<Next>) -> Option<Box<H1>> {
    loop {
        let mut room = pin!(frames.reserve());
        let room = std::future::poll_fn(|cx| {
            if connection.poll_rest(cx).is_ready() {
                return Poll::Ready(None);
            }
            room.as_mut().poll(cx).map(Result::ok)
        });
        let room = room.await?;
        let mut left = pin!(frames.closed());
        let next = std::future::poll_fn(|cx| match left.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(None),
            Poll::Pending => connection.poll_frame(cx).map(Some),
        });
        match next.await? {
            Some(Ok(frame)) => room.send(Some(Ok(frame))),
            Some(Err(error)) => {
                room.send(Some(Err(error)));
                return None;
            }
            None => {
                room.send(None);
                return Some(connection);
            }
        }
    }
}
