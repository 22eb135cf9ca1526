//! Tunnels: bytes go both ways between a client and an endpoint until both have said their last. One at rest holds no
//! buffer; what is under way is in the worker's.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;
use tokio::time::Sleep;

use super::connection::Counted;
use super::exchange::Exchange;
use super::io::Io;
use super::watch::Watch;
use super::worker::Phase;

/// Joins the two connections, once the client's has been handed over. `early` is what the endpoint has said already.
pub(super) async fn join(
    mut exchange: Box<Exchange>,
    client: oneshot::Receiver<(Io, BytesMut)>,
    mut endpoint: Io,
    early: BytesMut,
) {
    let connection = exchange.connection.clone();
    let counted = Counted::new(&connection.worker, connection.index);
    let watch: &Watch = &connection.watch;
    watch.relax();
    let limit = connection.worker.shared.transport.dial_timeout;
    let (mut client, said) = match Box::pin(tokio::time::timeout(limit, client)).await {
        Ok(Ok(client)) => client,
        Ok(Err(_)) => return tracing::debug!("an upgrade came to nothing: the client has left"),
        Err(_) => return tracing::debug!("an upgrade was not completed in time"),
    };
    let worker = connection.worker.clone();
    let (mut up, mut down) = (Direction::after(said), Direction::after(early));
    let mut silence = Silence::new(worker.shared.tunnel_idle);
    let mut registration = None;
    let ended = std::future::poll_fn(|cx| {
        registration.get_or_insert_with(|| worker.on_phase(cx.waker().clone()));
        if worker.phase() == Phase::Over {
            return Poll::Ready(Ok(()));
        }
        let mut buffer = worker.buffer.borrow_mut();
        let (sent, received) = (
            up.poll(&mut client, &mut endpoint, &mut buffer, cx)?,
            down.poll(&mut endpoint, &mut client, &mut buffer, cx)?,
        );
        if sent.is_ready() && received.is_ready() {
            return Poll::Ready(io::Result::Ok(()));
        }
        silence.poll(up.count + down.count, cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    })
    .await;
    if let Err(error) = ended {
        tracing::debug!(%error, "a tunnel broke");
    }
    exchange.tunnelled(up.count, down.count);
    exchange.complete(Instant::now());
    drop(counted);
}

/// How long nothing has gone through. It is looked at four times while it may last, so that bytes cost it nothing.
#[derive(Debug)]
struct Silence {
    /// Until the next look; `None` when it may last for ever.
    sleep: Option<Pin<Box<Sleep>>>,
    quarter: Duration,
    /// What had gone through at the last look.
    count: u64,
    quarters: u8,
}

impl Silence {
    /// One that may last for `limit`; zero is no limit.
    fn new(limit: Duration) -> Self {
        let quarter = limit / 4;
        let sleep = (!quarter.is_zero()).then(|| Box::pin(tokio::time::sleep(quarter)));
        Self { sleep, quarter, count: 0, quarters: 0 }
    }

    /// A quarter has passed: whether it was the last one.
    fn look(&mut self, count: u64) -> bool {
        self.quarters = if count == self.count { self.quarters + 1 } else { 0 };
        self.count = count;
        self.quarters >= 4
    }

    /// Ready when it has lasted too long. `count` is what has gone through until now.
    fn poll(&mut self, count: u64, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let Some(sleep) = &mut self.sleep else { return Poll::Pending };
            ready!(sleep.as_mut().poll(cx));
            sleep.as_mut().reset(tokio::time::Instant::now() + self.quarter);
            if self.look(count) {
                return Poll::Ready(());
            }
        }
    }
}

/// One direction.
#[derive(Debug)]
struct Direction {
    /// What has been read and could not be written.
    rest: BytesMut,
    /// Bytes that were written, but perhaps not flushed.
    unflushed: bool,
    stage: Stage,
    /// Bytes that went through.
    count: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Open,
    /// Whoever is read from has said its last.
    Ending,
    /// Whoever is written to knows.
    Ended,
}

impl Direction {
    /// A direction in which `said` goes first.
    fn after(said: BytesMut) -> Self {
        Self { rest: said, unflushed: false, stage: Stage::Open, count: 0 }
    }

    /// Moves what can be moved. Ready when the direction has ended.
    fn poll(
        &mut self,
        from: &mut (impl AsyncRead + Unpin),
        to: &mut (impl AsyncWrite + Unpin),
        buffer: &mut [u8],
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            while !self.rest.is_empty() {
                let count = ready!(Pin::new(&mut *to).poll_write(cx, &self.rest))?;
                self.wrote(count)?;
                self.rest.advance(count);
            }
            self.rest = BytesMut::new();
            match self.stage {
                Stage::Ended => return Poll::Ready(Ok(())),
                Stage::Ending => {
                    ready!(Pin::new(&mut *to).poll_shutdown(cx))?;
                    self.stage = Stage::Ended;
                }
                Stage::Open => match read(from, buffer, cx)? {
                    Poll::Ready(0) => self.stage = Stage::Ending,
                    Poll::Ready(read) => {
                        let data = buffer.get(..read).unwrap_or_default();
                        let written = match Pin::new(&mut *to).poll_write(cx, data)? {
                            Poll::Ready(count) => {
                                self.wrote(count)?;
                                count
                            }
                            Poll::Pending => 0,
                        };
                        self.rest.extend_from_slice(data.get(written..).unwrap_or_default());
                    }
                    Poll::Pending => {
                        if self.unflushed {
                            ready!(Pin::new(&mut *to).poll_flush(cx))?;
                            self.unflushed = false;
                        }
                        return Poll::Pending;
                    }
                },
            }
        }
    }

    fn wrote(&mut self, count: usize) -> io::Result<()> {
        if count == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.count += count as u64;
        self.unflushed = true;
        Ok(())
    }
}

/// Reads into `buffer` what has come.
fn read(from: &mut (impl AsyncRead + Unpin), buffer: &mut [u8], cx: &mut Context<'_>) -> io::Result<Poll<usize>> {
    let mut room = ReadBuf::new(buffer);
    match Pin::new(from).poll_read(cx, &mut room) {
        Poll::Ready(result) => result.map(|()| Poll::Ready(room.filled().len())),
        Poll::Pending => Ok(Poll::Pending),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// Runs one direction to its end.
    async fn through(said: &str, mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) -> io::Result<u64> {
        let mut direction = Direction::after(BytesMut::from(said));
        let mut buffer = [0; 16];
        std::future::poll_fn(|cx| direction.poll(&mut from, &mut to, &mut buffer, cx)).await?;
        Ok(direction.count)
    }

    #[tokio::test]
    async fn all_of_it_arrives_in_order_however_slowly_it_is_taken_and_then_the_end() {
        let ((mut client, from), (to, mut endpoint)) = (tokio::io::duplex(7), tokio::io::duplex(3));
        let text = "0123456789".repeat(100);
        let (writing, moving, reading) = tokio::join!(
            async {
                client.write_all(text.as_bytes()).await.unwrap();
                client.shutdown().await.unwrap();
            },
            through("said before: ", from, to),
            async {
                let mut seen = String::new();
                endpoint.read_to_string(&mut seen).await.unwrap();
                seen
            }
        );
        let () = writing;
        assert_eq!(reading, format!("said before: {text}"));
        assert_eq!(moving.unwrap(), reading.len() as u64);
    }

    #[tokio::test]
    async fn a_silence_is_over_after_four_quarters_without_a_byte() {
        let mut silence = Silence::new(Duration::from_millis(40));
        for count in 1..10 {
            assert!(!silence.look(count) && !silence.look(count) && !silence.look(count) && !silence.look(count));
        }
        assert!(silence.look(9));
        let mut silence = Silence::new(Duration::from_millis(40));
        std::future::poll_fn(|cx| silence.poll(0, cx)).await;
    }

    #[tokio::test]
    async fn a_peer_that_has_gone_ends_it() {
        let ((mut client, from), (to, endpoint)) = (tokio::io::duplex(64), tokio::io::duplex(64));
        drop(endpoint);
        client.write_all(b"hello").await.unwrap();
        assert!(through("", from, to).await.is_err());
    }
}
