//! Clients of every kind at a steady rate, with what failed of each: requests over HTTP/1.1 and HTTP/2 with and without
//! bodies, tunnels whose messages are echoed, streams of gRPC.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, Version};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::Frame;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

/// No answer takes longer here: also where requests wait for an endpoint.
const LIMIT: Duration = Duration::from_secs(40);
const BODY: usize = 3_000;
const HOST: &str = "weather.lvh.me";
/// The messages of one stream of gRPC, and the pause before each.
const MESSAGES: usize = 5;
const PAUSE: Duration = Duration::from_millis(100);
/// How often a request is tried on connections that say goodbye before it is sent.
const TRIES: u32 = 20;

/// A kind of client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Http1,
    Http1Post,
    Http2,
    Http2Post,
    Tunnel,
    Grpc,
}

/// Clients that ask until they are told to stop.
pub(crate) struct Traffic {
    clients: JoinSet<()>,
    stop: watch::Sender<bool>,
    tally: Arc<Mutex<Tally>>,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) served: BTreeMap<Kind, u64>,
    pub(crate) failed: BTreeMap<(Kind, String), u64>,
}

impl Tally {
    pub(crate) fn all(&self) -> u64 {
        self.served.values().sum()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} served {:?}, failed {:?}", self.all(), self.served, self.failed)
    }
}

impl Traffic {
    /// Starts so many clients of each kind, each with a request every `pause`.
    pub(crate) fn start(address: &str, port: u16, clients: &[(Kind, usize)], pause: Duration) -> Self {
        let (stop, stopped) = watch::channel(false);
        let mut traffic = Self { clients: JoinSet::new(), stop, tally: Arc::default() };
        let count: usize = clients.iter().map(|(_, count)| count).sum();
        let kinds = clients.iter().flat_map(|(kind, count)| std::iter::repeat_n(*kind, *count));
        for (index, kind) in kinds.enumerate() {
            let (tally, mut stopped) = (traffic.tally.clone(), stopped.clone());
            let mut client = Client { kind, address: address.to_owned(), port, kept: None, messages: 0 };
            // Spread over the first pause, so that they do not ask in step.
            let first = pause.mul_f64(index as f64 / count as f64);
            traffic.clients.spawn(async move {
                let mut ticks = interval_at(Instant::now() + first, pause);
                ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
                loop {
                    tokio::select! {
                        _ = ticks.tick() => {}
                        _ = stopped.wait_for(|stop| *stop) => return,
                    }
                    let outcome = client.ask().await;
                    let mut tally = tally.lock().expect("no client panics");
                    match outcome {
                        Ok(()) => *tally.served.entry(kind).or_default() += 1,
                        Err(reason) => {
                            client.kept = None;
                            *tally.failed.entry((kind, reason)).or_default() += 1;
                        }
                    }
                }
            });
        }
        traffic
    }

    pub(crate) fn so_far(&self) -> Tally {
        self.tally.lock().expect("no client panics").clone()
    }

    /// Ends it. Requests in flight are waited for and count.
    pub(crate) async fn stop(mut self) -> Tally {
        self.stop.send_replace(true);
        while self.clients.join_next().await.is_some() {}
        self.so_far()
    }
}

type Sent = BoxBody<Bytes, Infallible>;

enum Kept {
    One(http1::SendRequest<Sent>),
    Two(http2::SendRequest<Sent>),
    Tunnel(TcpStream),
}

/// A tunnel is left after so many messages, and another one opened: one that nobody leaves holds whoever drains.
const MESSAGES_OF_TUNNEL: u32 = 30;

struct Client {
    kind: Kind,
    address: String,
    port: u16,
    kept: Option<Kept>,
    messages: u32,
}

impl Client {
    /// One request, message or stream. A connection that said goodbye before it was sent is replaced, as every client
    /// does.
    async fn ask(&mut self) -> Result<(), String> {
        for _ in 0..TRIES {
            if timeout(LIMIT, self.ask_once()).await.unwrap_or_else(|_| Err(format!("no answer in {LIMIT:?}")))? {
                return Ok(());
            }
            // Where the only pod is about to end, it says goodbye to everybody until it has.
            tokio::time::sleep(PAUSE).await;
        }
        Err(format!("{TRIES} connections in a row closed before the request was sent"))
    }

    /// `false`: it was not sent.
    async fn ask_once(&mut self) -> Result<bool, String> {
        let kept = match self.kept.take() {
            Some(kept) => kept,
            None => self.connect().await?,
        };
        match kept {
            Kept::Tunnel(stream) => self.message(stream).await,
            Kept::One(mut sender) => {
                if sender.ready().await.is_err() {
                    return Ok(false);
                }
                let sent = sender.try_send_request(self.request(Version::HTTP_11)).await;
                let Some(response) = answered(sent)? else { return Ok(false) };
                let closes = response.headers().get("connection").is_some_and(|value| value == "close");
                self.read(response).await?;
                self.kept = Some(Kept::One(sender)).filter(|_| !closes);
                Ok(true)
            }
            Kept::Two(mut sender) => {
                if sender.ready().await.is_err() {
                    return Ok(false);
                }
                let sent = sender.try_send_request(self.request(Version::HTTP_2)).await;
                let Some(response) = answered(sent)? else { return Ok(false) };
                self.read(response).await?;
                self.kept = Some(Kept::Two(sender));
                Ok(true)
            }
        }
    }

    async fn connect(&self) -> Result<Kept, String> {
        let connect = TcpStream::connect((self.address.as_str(), self.port)).await;
        let mut stream = connect.map_err(|error| format!("connect: {error}"))?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        match self.kind {
            Kind::Http1 | Kind::Http1Post => {
                let (sender, connection) =
                    http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
                tokio::spawn(connection);
                Ok(Kept::One(sender))
            }
            Kind::Http2 | Kind::Http2Post | Kind::Grpc => {
                let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
                    .await
                    .map_err(|error| error.to_string())?;
                tokio::spawn(connection);
                Ok(Kept::Two(sender))
            }
            Kind::Tunnel => {
                let request =
                    format!("GET /ws HTTP/1.1\r\nhost: {HOST}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n");
                stream.write_all(request.as_bytes()).await.map_err(|error| format!("upgrade: {error}"))?;
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(stream.read_u8().await.map_err(|error| format!("upgrade: {error}"))?);
                }
                let head = String::from_utf8_lossy(&head).into_owned();
                let line = head.lines().next().unwrap_or_default().to_owned();
                if line.starts_with("HTTP/1.1 101") { Ok(Kept::Tunnel(stream)) } else { Err(line) }
            }
        }
    }

    /// A message and its echo. `false`: the other side said goodbye, and it is to be sent anew.
    async fn message(&mut self, mut stream: TcpStream) -> Result<bool, String> {
        const MESSAGE: &[u8] = b"\x81\x85\x00\x00\x00\x00hello";
        let (mut seen, mut byte) = (Vec::new(), [0; 64]);
        let lost = |error: std::io::Error| format!("tunnel: {error}");
        // It may have said so since the last message, in which case it has ended well and this one is not lost.
        if let Ok(count) = stream.try_read(&mut byte) {
            return if [&[0x88, 0][..], &[]].contains(&&byte[..count]) {
                Ok(false)
            } else {
                Err("tunnel: odd bytes".to_owned())
            };
        }
        stream.write_all(MESSAGE).await.map_err(lost)?;
        while seen.len() < MESSAGE.len() {
            match stream.read(&mut byte).await.map_err(lost)? {
                0 => return Err("tunnel: ended without a goodbye".to_owned()),
                count => seen.extend_from_slice(&byte[..count]),
            }
            if seen.starts_with(&[0x88, 0]) {
                return Ok(false);
            }
        }
        if seen.starts_with(MESSAGE) {
            self.messages += 1;
            let stays = seen.len() == MESSAGE.len() && !self.messages.is_multiple_of(MESSAGES_OF_TUNNEL);
            self.kept = Some(Kept::Tunnel(stream)).filter(|_| stays);
            return Ok(true);
        }
        Err("tunnel: another message".to_owned())
    }

    fn request(&self, version: Version) -> Request<Sent> {
        let builder = Request::builder().version(version);
        let builder = match version {
            Version::HTTP_2 => builder.uri(format!("http://{HOST}{}", self.path())),
            _ => builder.uri(self.path()).header("host", HOST),
        };
        let request = match self.kind {
            Kind::Http1Post | Kind::Http2Post => {
                builder.method("POST").body(Full::new(Bytes::from(vec![b'x'; BODY])).boxed())
            }
            Kind::Grpc => {
                let messages = futures_util::stream::unfold(0, |count| async move {
                    if count == MESSAGES {
                        return None;
                    }
                    tokio::time::sleep(PAUSE).await;
                    Some((Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"\0\0\0\0\x02hi"))), count + 1))
                });
                let body = StreamBody::new(Box::pin(messages));
                builder
                    .method("POST")
                    .header("content-type", "application/grpc")
                    .header("te", "trailers")
                    .body(body.boxed())
            }
            _ => builder.method("GET").body(Empty::new().boxed()),
        };
        request.expect("a request")
    }

    fn path(&self) -> &'static str {
        if self.kind == Kind::Grpc { "/app.Service/Stream" } else { "/" }
    }

    async fn read(&self, response: http::Response<hyper::body::Incoming>) -> Result<(), String> {
        let status = response.status();
        let body = response.into_body().collect().await.map_err(|error| format!("body: {error:?}"))?;
        if status != StatusCode::OK {
            return Err(format!("{status} {}", String::from_utf8_lossy(&body.to_bytes()).trim()));
        }
        let trailers = body.trailers().cloned().unwrap_or_default();
        let bytes = body.to_bytes();
        if self.kind == Kind::Grpc {
            let ended = trailers.get("grpc-status").is_some_and(|status| status == "0");
            return if ended && bytes.len() == MESSAGES * 7 {
                Ok(())
            } else {
                Err(format!("a stream of {} bytes with trailers {trailers:?}", bytes.len()))
            };
        }
        let said: serde_json::Value = serde_json::from_slice(&bytes).map_err(|error| format!("body: {error}"))?;
        let sent = if matches!(self.kind, Kind::Http1Post | Kind::Http2Post) { BODY } else { 0 };
        if said["bytes"] == sent { Ok(()) } else { Err(format!("the body arrived as {}", said["bytes"])) }
    }
}

/// The answer; `None` when the request was not sent.
fn answered<B>(
    sent: Result<http::Response<B>, hyper::client::conn::TrySendError<Request<Sent>>>,
) -> Result<Option<http::Response<B>>, String> {
    sent.map(Some).or_else(|mut error| match error.take_message() {
        Some(_) => Ok(None),
        None => Err(format!("{:?}", error.error())),
    })
}
