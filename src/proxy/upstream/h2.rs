//! A connection to an endpoint that speaks HTTP/2: hyper drives it, in a task of its own, and its streams share it.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Instant;

use hyper::client::conn::http2;
use hyper_util::rt::TokioIo;

use super::super::Error;
use super::super::body::Upload;
use super::super::io::Io;
use super::super::watch::{Wait, Watch, guarded};
use super::super::worker::LocalExecutor;

type Driver = http2::Connection<TokioIo<Io>, Upload, LocalExecutor>;

/// What an endpoint may send of one answer before the client has taken any of it.
pub(crate) const STREAM_WINDOW: usize = 256 * 1024;

/// A connection, for as long as anybody has a stream of it or may want one.
#[derive(Debug)]
pub(crate) struct H2 {
    sender: http2::SendRequest<Upload>,
    /// Here until the connection ends; knows what its endpoint allows at the moment.
    driver: Weak<RefCell<Driver>>,
    streams: Cell<usize>,
    last_used: Cell<Instant>,
}

impl H2 {
    /// Greets the endpoint and starts the connection's task. `io` reports to `watch`.
    pub(crate) async fn handshake(io: Io, watch: Arc<Watch>) -> Result<Rc<Self>, Error> {
        let (sender, driver) = http2::Builder::new(LocalExecutor)
            // Until the endpoint has said how many streams it takes: one that is queued behind another may wait for ever.
            .initial_max_send_streams(1)
            .initial_stream_window_size(STREAM_WINDOW as u32)
            .initial_connection_window_size(2 * 1024 * 1024)
            .max_send_buf_size(64 * 1024)
            .max_header_list_size(64 * 1024)
            .handshake(TokioIo::new(io))
            .await
            .map_err(|_| Error::UpstreamProtocol)?;
        let driver = Rc::new(RefCell::new(driver));
        let connection = Self {
            sender,
            driver: Rc::downgrade(&driver),
            streams: Cell::new(0),
            last_used: Cell::new(Instant::now()),
        };
        tokio::task::spawn_local(run(driver, watch));
        Ok(Rc::new(connection))
    }

    /// What sends a request on it. Take a [`StreamShare`] first.
    pub(crate) fn sender(&self) -> http2::SendRequest<Upload> {
        self.sender.clone()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Whether the endpoint takes one more stream.
    pub(crate) fn has_room(&self) -> bool {
        let Some(driver) = self.driver.upgrade() else { return false };
        driver.try_borrow().is_ok_and(|driver| self.streams.get() < driver.current_max_send_streams())
    }

    /// Since when it has had no stream, if it has none.
    pub(crate) fn idle_since(&self) -> Option<Instant> {
        (self.streams.get() == 0).then(|| self.last_used.get())
    }
}

/// One stream's share of a connection.
#[derive(Debug)]
pub(crate) struct StreamShare(Rc<H2>);

impl StreamShare {
    pub(crate) fn new(connection: Rc<H2>) -> Self {
        connection.streams.set(connection.streams.get() + 1);
        Self(connection)
    }
}

impl Drop for StreamShare {
    fn drop(&mut self) {
        self.0.streams.set(self.0.streams.get().saturating_sub(1));
        self.0.last_used.set(Instant::now());
    }
}

/// Ends with the connection, or when the endpoint stops reading.
async fn run(driver: Rc<RefCell<Driver>>, watch: Arc<Watch>) {
    let driving = std::future::poll_fn(|cx| Pin::new(&mut *driver.borrow_mut()).poll(cx));
    match guarded(driving, watch).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::trace!(%error, "upstream connection ended"),
        Err(Wait::Write) => tracing::debug!("an endpoint stopped reading"),
        Err(_) => tracing::debug!("an endpoint did not answer in time"),
    }
}
