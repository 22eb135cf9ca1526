//! A client's connection that speaks HTTP/1: one request after the other, and what becomes of the connection after each.

mod answer;
mod wire;

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http::{Method, Response, Version, header};
use tokio::io::AsyncWrite;

use super::Error;
use super::body::{Body, ClientBody};
use super::connection::Connection;
use super::h1::{Decoder, Framing, Malformed, RequestHead, Sending};
use super::head;
use super::headers::has_token;
use super::io::{Io, LITTLE};
use super::serve::{refusal, serve};
use super::watch::Wait;
use super::worker::Phase;
use answer::{Asked, Told};
use wire::NoHead;
pub(crate) use wire::{BodyError, Wire};

/// How long a client that is refused may go on sending before its connection is cut.
const LINGER: Duration = Duration::from_secs(5);

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
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
    let over = || connection.worker.phase() == Phase::Over;
    let has_memory = || connection.worker.shared.memory.takes_requests();
    // What may come of the next request before this one is answered.
    let most_ahead = || if has_memory() { most } else { LITTLE };
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
            let closing = connection.must_close() && connection.requests.get() > 0 && !wire.has_begun();
            if closing || over() {
                return Poll::Ready(None);
            }
            wire.poll_head(cx, most, has_memory).map(Some)
        });
        // In a block of its own: what is only used here need not be kept while the answer is written.
        let told = {
            let (response, asked) = match head.await {
                None => break Then::Close,
                Some(Err(NoHead::Ended)) => break Then::Cut,
                Some(Err(NoHead::Malformed(why))) => (Some(unreadable(&connection, why.into())), Asked::UNREADABLE),
                Some(Err(NoHead::ShortOfMemory)) => {
                    (Some(unreadable(&connection, Error::ShortOfMemory)), Asked::UNREADABLE)
                }
                Some(Ok(head)) => {
                    let (mut serving, asked) = begin(&connection, &wire, head);
                    let response = std::future::poll_fn(|cx| {
                        if over() {
                            return Poll::Ready(None);
                        }
                        if let Poll::Ready(response) = serving.as_mut().poll(cx) {
                            return Poll::Ready(Some(response));
                        }
                        let ahead = connection.waiting.get();
                        wire.borrow_mut().poll_left(cx, most_ahead(), ahead).map(|()| None)
                    });
                    (response.await, asked)
                }
            };
            let Some(response) = response else { break Then::Cut };
            answer(&connection, &wire, &mut sending, response, asked)
        };
        std::future::poll_fn(|cx| {
            if over() || sending.poll(&mut Out(&wire), cx).is_ready() {
                return Poll::Ready(());
            }
            wire.borrow_mut().poll_left(cx, most_ahead(), false)
        })
        .await;
        if !sending.is_done() {
            if told.framing == Framing::Close {
                wire.borrow().reset_at_end();
            }
            break Then::Cut;
        }
        if told.switching {
            break Then::Tunnel;
        }
        // The rest of the body is whose who still reads it.
        let read = if is_held(&wire) { wire.borrow().is_end_stream() } else { wire.borrow_mut().skip() };
        if !told.clear || !read {
            break Then::Linger;
        }
        if !told.keep_alive {
            break if wire.borrow().has_begun() { Then::Linger } else { Then::Close };
        }
        sending.rest();
    };
    // What an answer that was cut held is given back now.
    drop(sending);
    match then {
        Then::Cut => {}
        Then::Close => {
            let last = !is_held(&wire);
            std::future::poll_fn(|cx| wire.borrow_mut().poll_end(cx, last)).await;
        }
        Then::Linger => {
            // Not idle: what still comes begins nothing and wins no time.
            connection.watch.expect(Wait::Quiet, LINGER, Instant::now());
            std::future::poll_fn(|cx| wire.borrow_mut().poll_linger(cx)).await;
        }
        Then::Tunnel => {
            if let (Some(heir), Some(wire)) = (connection.heir.take(), Rc::into_inner(wire)) {
                let _ = heir.send(wire.into_inner().into_tunnel());
            }
        }
    }
}

/// Begins with a request: what makes its answer, and what decides how that is told. On the heap, where it need not be
/// between requests.
fn begin(
    connection: &Rc<Connection>,
    wire: &Rc<RefCell<Wire>>,
    head: RequestHead,
) -> (Pin<Box<impl Future<Output = Box<Response<Body>>> + use<>>>, Asked) {
    let RequestHead { parts, framed, expects, te, keep_alive } = head;
    let modern = parts.version == Version::HTTP_11;
    let trailers = te && parts.headers.get_all(header::TE).iter().any(|value| has_token(value, "trailers"));
    // A framing in doubt is refused by whoever checks the head; nothing after it is a request.
    let framing = if framed { head::framing(&parts.headers, parts.version) } else { Ok(Decoder::Done) };
    let clear = framing.is_ok();
    let by_head = parts.method == Method::HEAD;
    let asked = Asked { by_head, modern, keep_alive: keep_alive && clear, trailers, clear };
    let framing = framing.unwrap_or(Decoder::Done);
    let empty = framing == Decoder::Done;
    let request = wire.borrow_mut().begin(framing, expects && modern);
    let body = if empty { ClientBody::Empty } else { ClientBody::Http1(wire.clone(), request) };
    (Box::pin(serve(connection.clone(), parts, body)), asked)
}

/// Whether somebody still has the body of the present request.
fn is_held(wire: &Rc<RefCell<Wire>>) -> bool {
    Rc::strong_count(wire) > 1
}

/// Begins with an answer.
fn answer(
    connection: &Connection,
    wire: &Rc<RefCell<Wire>>,
    sending: &mut Sending<Body>,
    mut response: Box<Response<Body>>,
    mut asked: Asked,
) -> Told {
    // Unless somebody still reads the body, the rest of it is in the way of the next request.
    asked.keep_alive &= is_held(wire) || wire.borrow_mut().skip();
    let told = Told::of(&response, asked);
    let body = std::mem::take(response.body_mut());
    let body = if told.bodiless { Body::empty() } else { body };
    let date = || connection.worker.date();
    sending.begin(body, told.framing, asked.trailers, |out| told.write(out, &response, asked, date));
    told
}

impl From<Malformed> for Error {
    fn from(why: Malformed) -> Self {
        match why {
            Malformed::Rule(rule) => Self::BadRequest(rule),
            Malformed::TooLarge => Self::HeadTooLarge,
            Malformed::TargetTooLong => Self::TargetTooLong,
        }
    }
}

/// The answer to a head that could not be read.
fn unreadable(connection: &Connection, error: Error) -> Box<Response<Body>> {
    connection.worker.shared.meters.own().refused(error.reason());
    tracing::debug!(
        entryPointName = %connection.listener.name,
        peer = %connection.peer,
        status = error.status().as_u16(),
        reason = %error.reason(),
        "refused: {error}; {}",
        error.reason().explain().mend
    );
    refusal(error, connection)
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
