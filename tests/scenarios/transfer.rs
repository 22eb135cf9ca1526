//! Long bodies over TLS, at full speed or slowly, whose every byte is known.

use std::convert::Infallible;
use std::sync::LazyLock;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{Stream, unfold};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Body, Frame, Incoming};
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::{Interval, MissedTickBehavior, interval, timeout};
use tokio_rustls::TlsConnector;

use crate::support::trusting::trusting;

/// One piece of a body.
pub(crate) const PIECE: usize = 1 << 20;
/// How many different pieces there are.
const KINDS: usize = 251;
/// Nothing here takes longer.
const LIMIT: Duration = Duration::from_secs(240);

/// A host over TLS at an address.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    pub(crate) address: String,
    pub(crate) host: &'static str,
}

impl Peer {
    /// Puts so many pieces at `path`, one every `pace`.
    pub(crate) async fn put(&self, path: &str, pieces: usize, pace: Duration) -> Result<StatusCode, String> {
        let request = Request::put(path)
            .header("host", self.host)
            .header("content-type", "application/octet-stream")
            .header("content-length", pieces * PIECE)
            .body(StreamBody::new(body(pieces, pace)))
            .expect("a valid request");
        timeout(LIMIT, async {
            let response = self.send(request).await?;
            let status = response.status();
            response.into_body().collect().await.map_err(|error| error.to_string())?;
            Ok(status)
        })
        .await
        .map_err(|_| format!("PUT {path}: not within {LIMIT:?}"))?
    }

    /// Gets `path`, one piece every `pace`, and says how many bytes it has. They must be those of [`Peer::put`].
    pub(crate) async fn get(&self, path: &str, pace: Duration) -> Result<usize, String> {
        let request = Request::get(path)
            .header("host", self.host)
            .body(StreamBody::new(body(0, Duration::ZERO)))
            .expect("a valid request");
        timeout(LIMIT, async {
            let response = self.send(request).await?;
            if response.status() != StatusCode::OK {
                return Err(format!("GET {path}: {}", response.status()));
            }
            let (mut body, mut read, mut due, mut ticks) = (response.into_body(), 0, 0, clock(pace));
            while let Some(frame) = body.frame().await {
                let frame = frame.map_err(|error| format!("after {read} bytes: {error}"))?;
                if let Some(data) = frame.data_ref() {
                    read = compared(data, read)?;
                }
                if let Some(ticks) = &mut ticks {
                    while read >= due {
                        ticks.tick().await;
                        due += PIECE;
                    }
                }
            }
            Ok(read)
        })
        .await
        .map_err(|_| format!("GET {path}: not within {LIMIT:?}"))?
    }

    async fn send<B>(&self, request: Request<B>) -> Result<Response<Incoming>, String>
    where
        B: Body<Data = Bytes, Error = Infallible> + Send + 'static,
    {
        let stream = TcpStream::connect((self.address.as_str(), 443)).await.map_err(|error| error.to_string())?;
        let name = ServerName::try_from(self.host).map_err(|error| error.to_string())?;
        let stream =
            TlsConnector::from(trusting(&[])).connect(name, stream).await.map_err(|error| format!("TLS: {error}"))?;
        let (mut sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
        tokio::spawn(connection);
        sender.send_request(request).await.map_err(|error| error.to_string())
    }
}

/// A piece of every body: another one each time, so that none can be left out or come twice unseen.
fn piece(index: usize) -> Bytes {
    static BLOCK: LazyLock<Bytes> =
        LazyLock::new(|| (0..PIECE + KINDS).map(|place| (place * place / 7 + (place >> 9)) as u8).collect());
    let begin = index % KINDS;
    BLOCK.slice(begin..begin + PIECE)
}

/// Compares what was read at `place` of a body; the place after it.
fn compared(mut data: &[u8], mut place: usize) -> Result<usize, String> {
    while !data.is_empty() {
        let expected = piece(place / PIECE).slice(place % PIECE..);
        let length = expected.len().min(data.len());
        let (now, rest) = data.split_at(length);
        if now != &expected[..length] {
            return Err(format!("bytes {place} to {} are not those that were put", place + length));
        }
        (data, place) = (rest, place + length);
    }
    Ok(place)
}

fn body(pieces: usize, pace: Duration) -> impl Stream<Item = Result<Frame<Bytes>, Infallible>> + Send {
    unfold((0, clock(pace)), move |(index, mut ticks)| async move {
        if index == pieces {
            return None;
        }
        if let Some(ticks) = &mut ticks {
            ticks.tick().await;
        }
        Some((Ok(Frame::data(piece(index))), (index + 1, ticks)))
    })
}

fn clock(pace: Duration) -> Option<Interval> {
    (!pace.is_zero()).then(|| {
        let mut ticks = interval(pace);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks
    })
}
