//! A client's connection that speaks HTTP/2: hyper has its frames, and each stream is a request.

use std::convert::Infallible;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;

use super::body::ClientBody;
use super::connection::Connection;
use super::io::Io;
use super::opening::Ended;
use super::serve::serve;
use super::worker::{LocalExecutor, Phase};

/// What a client may send on all its streams together before any of it has gone on.
pub(super) const WINDOW: usize = 1024 * 1024;
/// Of an answer, what waits for the client to make room.
pub(super) const SEND_BUFFER: usize = 64 * 1024;

/// What a stream holds that few bytes can make it hold: fields that are named by their numbers.
const STREAM: usize = 16 * 1024;

/// How many bytes of frames are looked at before others have their turn. A small frame costs as much as a large one, and
/// some need no stream: a client that has many ready would keep the worker to itself.
const AT_ONCE: u32 = 32 * 1024;

/// Serves a connection until it ends.
pub(super) async fn serve_all(connection: Rc<Connection>, io: Io) -> Result<(), Ended> {
    let settings = &connection.listener.http2;
    let mut builder = http2::Builder::new(LocalExecutor);
    builder
        .max_concurrent_streams(settings.max_concurrent_streams)
        .header_table_size(settings.max_decoder_header_table_size)
        .max_header_list_size(u32::try_from(connection.listener.max_header_bytes).unwrap_or(u32::MAX))
        .initial_stream_window_size(256 * 1024)
        .initial_connection_window_size(WINDOW as u32)
        .max_send_buf_size(SEND_BUFFER)
        .max_pending_accept_reset_streams(20)
        .max_local_error_reset_streams(32);
    let cx = connection.clone();
    let service = service_fn(move |request| {
        cx.count_stream();
        cx.worker.meter.came(STREAM);
        let (parts, body) = request.into_parts();
        let serving = serve(cx.clone(), Box::new(parts), ClientBody::Http2(body));
        async { Ok::<_, Infallible>(*serving.await) }
    });
    let mut serving = pin!(builder.serve_connection(TokioIo::new(io), service));
    let mut registration = None;
    let mut shutting = false;
    std::future::poll_fn(|cx| {
        connection.is_served_by(cx.waker());
        registration.get_or_insert_with(|| connection.worker.on_phase(cx.waker().clone()));
        if connection.floods() {
            return Poll::Ready(Err(Ended::Flood));
        }
        if !shutting && connection.must_close() {
            shutting = true;
            serving.as_mut().graceful_shutdown();
        }
        if connection.worker.phase() == Phase::Over {
            return Poll::Ready(Ok(()));
        }
        connection.watch.allow(AT_ONCE);
        serving.as_mut().poll(cx).map_err(Ended::from)
    })
    .await
}
