//! A client's connection that speaks HTTP/1: one request after the other, and what becomes of the connection after each.

mod answer;
mod wire;

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http::{Method, Response, StatusCode, Version, header};
use tokio::io::AsyncWrite;

use super::Error;
use super::body::{Body, ClientBody};
use super::connection::Connection;
use super::h1::{Decoder, Framing, Malformed, RequestHead, Sending};
use super::head;
use super::headers::has_token;
use super::io::Io;
use super::serve::{refusal, serve};
use super::watch::Wait;
use super::worker::Phase;
use answer::{Asked, Told};
use wire::NoHead;
pub(crate) use wire::{BodyError, Wire};

/// How long a client that is refused may go on sending before its connection is cut.
const LINGER: Duration = Duration::from_secs(5);

/// What becomes of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    /// It serves the next request.
    GoOn,
    /// It ends in order.
    Close,
    /// It ends, while the client may still be sending.
    Linger,
    /// It is cut: an answer is not whole, or nobody is there.
    Cut,
    /// It becomes a tunnel.
    Tunnel,
}

/// Serves a connection until it ends.
pub(super) async fn serve_all(connection: Rc<Connection>, io: Io) {
    let wire = Rc::new(RefCell::new(Wire::new(io)));
    let most = connection.listener.max_header_bytes;
    let mut sending = Sending::default();
    let mut registration = None;
    let then = loop {
        if wire.borrow().has_begun() {
            connection.watch.on_read();
        }
        let head = std::future::poll_fn(|cx| {
            registration.get_or_insert_with(|| connection.worker.on_phase(cx.waker().clone()));
            let mut wire = wire.borrow_mut();
            // Whoever has just connected, perhaps out of the listen queue, has one request left.
            if connection.must_close() && connection.requests.get() > 0 && !wire.has_begun() {
                return Poll::Ready(None);
            }
            if connection.worker.phase() == Phase::Over {
                return Poll::Ready(None);
            }
            wire.poll_head(cx, most).map(Some)
        });
        let head = match head.await {
            None => break Then::Close,
            Some(Ok(head)) => head,
            Some(Err(NoHead::Ended)) => break Then::Cut,
            Some(Err(NoHead::Malformed(why))) => {
                let asked = Asked { by_head: false, modern: true, keep_alive: false };
                write(&connection, &wire, &mut sending, unreadable(&connection, why), asked, false).await;
                break Then::Linger;
            }
        };
        match Box::pin(exchange(&connection, &wire, &mut sending, head)).await {
            Then::GoOn => sending.rest(),
            then => break then,
        }
    };
    match then {
        Then::GoOn | Then::Cut => {}
        Then::Close => std::future::poll_fn(|cx| wire.borrow_mut().poll_shutdown(cx)).await,
        Then::Linger => {
            connection.watch.expect(Wait::Idle, LINGER, Instant::now());
            std::future::poll_fn(|cx| wire.borrow_mut().poll_linger(cx)).await;
        }
        Then::Tunnel => {
            if let (Some(heir), Some(wire)) = (connection.heir.take(), Rc::into_inner(wire)) {
                let _ = heir.send(wire.into_inner().into_tunnel());
            }
        }
    }
}

/// Serves one request.
async fn exchange(
    connection: &Rc<Connection>,
    wire: &Rc<RefCell<Wire>>,
    sending: &mut Sending<Body>,
    head: RequestHead,
) -> Then {
    let RequestHead { request, framed, expects, te, keep_alive } = head;
    let modern = request.version() == Version::HTTP_11;
    let trailers = te && request.headers().get_all(header::TE).iter().any(|value| has_token(value, "trailers"));
    // A framing in doubt is refused by whoever checks the head; nothing after it is a request.
    let body = if framed { head::framing(request.headers(), request.version()) } else { Ok(Decoder::Done) };
    let mut asked =
        Asked { by_head: *request.method() == Method::HEAD, modern, keep_alive: keep_alive && body.is_ok() };
    let clear = body.is_ok();
    let body = body.unwrap_or(Decoder::Done);
    let client_body = if body == Decoder::Done { ClientBody::Empty } else { ClientBody::Http1(wire.clone()) };
    wire.borrow_mut().begin(body, expects && modern);
    let most = connection.listener.max_header_bytes;
    let response = {
        let mut serving = std::pin::pin!(serve(connection.clone(), request.map(|()| client_body)));
        let answered = std::future::poll_fn(|cx| {
            if connection.worker.phase() == Phase::Over {
                return Poll::Ready(None);
            }
            if let Poll::Ready(response) = serving.as_mut().poll(cx) {
                return Poll::Ready(Some(response));
            }
            wire.borrow_mut().poll_left(cx, most).map(|()| None)
        });
        match answered.await {
            Some(response) => response,
            None => return Then::Cut,
        }
    };
    let switching = response.status() == StatusCode::SWITCHING_PROTOCOLS;
    // Whether somebody still reads the body; if not, the rest of it is in the way of the next request.
    let read = Rc::strong_count(wire) > 1 || wire.borrow_mut().skip();
    asked.keep_alive &= read;
    let keep_alive = match write(connection, wire, sending, response, asked, trailers).await {
        Some(told) if sending.is_done() => told.keep_alive,
        Some(Told { framing: Framing::Close, .. }) => {
            wire.borrow().reset_at_end();
            return Then::Cut;
        }
        _ => return Then::Cut,
    };
    match (switching, keep_alive) {
        (true, _) => Then::Tunnel,
        (false, _) if !clear || !wire.borrow_mut().skip() => Then::Linger,
        (false, true) => Then::GoOn,
        (false, false) if wire.borrow().has_begun() => Then::Linger,
        (false, false) => Then::Close,
    }
}

/// Writes an answer, all of it or as much as there will ever be. `None` when the client has left or time is over.
async fn write(
    connection: &Connection,
    wire: &RefCell<Wire>,
    sending: &mut Sending<Body>,
    mut response: Response<Body>,
    asked: Asked,
    trailers: bool,
) -> Option<Told> {
    let told = Told::of(&response, asked);
    let body = std::mem::replace(response.body_mut(), Body::empty());
    let body = if told.bodiless { Body::empty() } else { body };
    sending.begin(body, told.framing, trailers, |out| told.write(out, &response, asked, || connection.worker.date()));
    let most = connection.listener.max_header_bytes;
    std::future::poll_fn(|cx| {
        if connection.worker.phase() == Phase::Over {
            return Poll::Ready(None);
        }
        if sending.poll(&mut Out(wire), cx).is_ready() {
            return Poll::Ready(Some(told));
        }
        wire.borrow_mut().poll_left(cx, most).map(|()| None)
    })
    .await
}

/// The answer to a head that could not be read.
fn unreadable(connection: &Connection, why: Malformed) -> Response<Body> {
    let error = match why {
        Malformed::Rule(rule) => Error::BadRequest(rule),
        Malformed::TooLarge => Error::HeadTooLarge,
        Malformed::TargetTooLong => Error::TargetTooLong,
    };
    connection.worker.shared.meters.own().refused(error.reason());
    tracing::debug!(peer = %connection.peer, status = error.status().as_u16(), %error, "refused");
    refusal(error, true)
}

/// Where an answer is written: the body that is sent may come to want the same wire.
struct Out<'a>(&'a RefCell<Wire>);

impl AsyncWrite for Out<'_> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.0.borrow_mut().io().poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.0.borrow_mut().io().poll_write_vectored(cx, bufs)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.borrow_mut().io().poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.borrow_mut().io().poll_shutdown(cx)
    }
}
