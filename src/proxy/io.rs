//! The bytes of a connection: a socket with what was read ahead of it, in the clear or under TLS, reporting to its
//! [`Watch`].

use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::memory::Pressure;
use super::watch::Watch;

/// While memory is short, so much is read at once.
pub(crate) const LITTLE: usize = 8 * 1024;

/// A socket and the bytes that were read from it to see what it speaks.
#[derive(Debug)]
pub(crate) struct Socket {
    stream: TcpStream,
    ahead: Vec<u8>,
    taken: usize,
}

impl Socket {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self { stream, ahead: Vec::new(), taken: 0 }
    }

    /// Whether the peer has ended or reset it, and nothing is left to read: asks the kernel.
    pub(crate) fn is_over(&self) -> bool {
        let mut byte = [std::mem::MaybeUninit::uninit(); 1];
        match socket2::SockRef::from(&self.stream).peek(&mut byte) {
            Ok(count) => count == 0,
            Err(error) => error.kind() != io::ErrorKind::WouldBlock,
        }
    }

    /// Puts back what was read ahead.
    pub(crate) fn with_ahead(stream: TcpStream, ahead: Vec<u8>) -> Self {
        Self { stream, ahead, taken: 0 }
    }
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.ahead.is_empty() {
            let this = &mut *self;
            let rest = this.ahead.get(this.taken..).unwrap_or_default();
            let count = rest.len().min(buf.remaining());
            buf.put_slice(&rest[..count]);
            this.taken += count;
            if this.taken >= this.ahead.len() {
                this.ahead = Vec::new();
                this.taken = 0;
            }
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Any of the transports of a connection, reporting to its watch.
#[derive(Debug)]
pub(crate) struct Io {
    transport: Transport,
    watch: Arc<Watch>,
}

#[derive(Debug)]
pub(crate) enum Transport {
    Plain(Socket),
    /// TLS of a client.
    Server(Box<tokio_rustls::server::TlsStream<Socket>>),
    /// TLS to an endpoint.
    Client(Box<tokio_rustls::client::TlsStream<Socket>>),
}

impl Io {
    pub(crate) fn new(transport: Transport, watch: Arc<Watch>) -> Self {
        Self { transport, watch }
    }

    /// Whether there may be bytes to read; without a system call. TLS may hold some that its socket does not.
    pub(crate) fn may_have_more(&self, cx: &mut Context<'_>) -> bool {
        match &self.transport {
            Transport::Plain(socket) => !socket.ahead.is_empty() || socket.stream.poll_read_ready(cx).is_ready(),
            Transport::Server(_) | Transport::Client(_) => true,
        }
    }

    /// Whether nothing has come that was not read, the end included: asks the kernel, whatever the runtime knows.
    pub(crate) fn is_quiet(&self) -> bool {
        let mut byte = [std::mem::MaybeUninit::uninit(); 1];
        let peeked = socket2::SockRef::from(self.stream()).peek(&mut byte);
        peeked.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Whether it is in the clear.
    pub(crate) fn is_plain(&self) -> bool {
        matches!(self.transport, Transport::Plain(_))
    }

    fn stream(&self) -> &TcpStream {
        match &self.transport {
            Transport::Plain(socket) => &socket.stream,
            Transport::Server(tls) => &tls.get_ref().0.stream,
            Transport::Client(tls) => &tls.get_ref().0.stream,
        }
    }

    /// Lets the peer see an error instead of an orderly end when this is dropped.
    pub(crate) fn reset_at_end(&self) {
        let _ = socket2::SockRef::from(self.stream()).set_linger(Some(std::time::Duration::ZERO));
    }

    fn wrote(&self, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match &result {
            Poll::Pending => self.watch.on_write_blocked(),
            Poll::Ready(_) => self.watch.on_progress(),
        }
        result
    }
}

impl Drop for Io {
    fn drop(&mut self) {
        if self.watch.is_cut() {
            self.reset_at_end();
        }
    }
}

macro_rules! each {
    ($self:ident, $io:ident => $call:expr) => {
        match &mut $self.transport {
            Transport::Plain($io) => $call,
            Transport::Server($io) => $call,
            Transport::Client($io) => $call,
        }
    };
}

/// Not now: when everybody else who is ready has been asked, and the kernel for who is ready by then.
fn later<T>(cx: &mut Context<'_>) -> Poll<T> {
    // Its first poll is always to be continued, and says when.
    let _ = pin!(tokio::task::yield_now()).poll(cx);
    Poll::Pending
}

impl AsyncRead for Io {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.watch.may_read() {
            return later(cx);
        }
        let before = buf.filled().len();
        let result = if self.watch.pressure() == Pressure::None {
            each!(self, io => Pin::new(io).poll_read(cx, buf))
        } else {
            let count = buf.remaining().min(LITTLE);
            let mut little = ReadBuf::new(buf.initialize_unfilled_to(count));
            let result = each!(self, io => Pin::new(io).poll_read(cx, &mut little));
            let count = little.filled().len();
            buf.advance(count);
            result
        };
        if buf.filled().len() > before {
            self.watch.on_read();
            self.watch.spend(buf.filled().len() - before);
        }
        result
    }
}

impl AsyncWrite for Io {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let result = each!(self, io => Pin::new(io).poll_write(cx, buf));
        self.wrote(result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = each!(self, io => Pin::new(io).poll_write_vectored(cx, bufs));
        self.wrote(result)
    }

    fn is_write_vectored(&self) -> bool {
        match &self.transport {
            Transport::Plain(io) => io.is_write_vectored(),
            Transport::Server(io) => io.is_write_vectored(),
            Transport::Client(io) => io.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = each!(self, io => Pin::new(io).poll_flush(cx));
        if result.is_pending() {
            self.watch.on_write_blocked();
        } else {
            self.watch.on_write();
        }
        result
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, io => Pin::new(io).poll_shutdown(cx))
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;
    use std::time::{Duration, Instant};

    use super::super::memory::{Memory, Meter};
    use super::*;

    fn watch(pressure: Pressure) -> Arc<Watch> {
        Watch::client(&Meter::new(Memory::of(pressure)), Instant::now(), Duration::ZERO, Duration::ZERO)
    }

    /// What is read at once, unless it is not yet time.
    fn read(io: &mut Io) -> Option<Vec<u8>> {
        let mut bytes = [0; 4];
        let mut room = ReadBuf::new(&mut bytes);
        let polled = Pin::new(io).poll_read(&mut Context::from_waker(Waker::noop()), &mut room);
        polled.is_ready().then(|| room.filled().to_vec())
    }

    #[tokio::test]
    async fn whoever_has_read_enough_waits_for_its_next_turn() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let stream = TcpStream::connect(listener.local_addr().expect("its address")).await.expect("a connection");
        let watch = watch(Pressure::None);
        let socket = Socket::with_ahead(stream, b"0123456789".to_vec());
        let mut io = Io::new(Transport::Plain(socket), watch.clone());
        assert_eq!(read(&mut io).as_deref(), Some(&b"0123"[..]));
        watch.allow(3);
        assert_eq!(read(&mut io).as_deref(), Some(&b"4567"[..]));
        assert_eq!(read(&mut io), None);
        watch.allow(3);
        assert_eq!(read(&mut io).as_deref(), Some(&b"89"[..]));
    }

    #[tokio::test]
    async fn while_memory_is_short_little_is_read_at_once() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        for (pressure, most) in [(Pressure::None, 3 * LITTLE), (Pressure::Connections, LITTLE)] {
            let stream = TcpStream::connect(listener.local_addr().expect("its address")).await.expect("a connection");
            let socket = Socket::with_ahead(stream, vec![b'x'; 3 * LITTLE]);
            let mut io = Io::new(Transport::Plain(socket), watch(pressure));
            let mut bytes = vec![0; 4 * LITTLE];
            let mut room = ReadBuf::new(&mut bytes);
            let polled = Pin::new(&mut io).poll_read(&mut Context::from_waker(Waker::noop()), &mut room);
            assert!(polled.is_ready());
            assert_eq!(room.filled(), vec![b'x'; most], "{pressure:?}");
        }
    }
}
