//! Good clients: they ask, wait for the whole answer, and ask again. What goes wrong for them is counted.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::support::secure;

/// Who keeps a connection.
const KEEPING: u64 = 4;
/// Who makes one for each request.
const FRESH: u64 = 2;
/// Between two requests of one client.
const PACE: Duration = Duration::from_millis(3);
/// After so long there is no answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Whom the flood does not speak for.
const SOURCE: [u8; 4] = [127, 0, 0, 2];
/// Whom they ask.
pub(crate) const HOST: &str = "good.example";
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: good.example\r\n\r\n";

/// Where they ask.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) web: SocketAddr,
    pub(crate) websecure: SocketAddr,
}

/// How it went.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// When each request began, and what it took.
    pub(crate) answered: Vec<(Instant, Duration)>,
    /// The same with a TLS handshake before it.
    pub(crate) secure: Vec<(Instant, Duration)>,
    pub(crate) failures: Vec<String>,
}

impl Outcome {
    /// What 99 of 100 requests took at most that began in this time.
    pub(crate) fn p99(&self, during: &Range<Instant>) -> Duration {
        percentile(&self.answered, during, 99)
    }

    /// The same of those with a handshake; the median, since there are fewer.
    pub(crate) fn handshake(&self, during: &Range<Instant>) -> Duration {
        percentile(&self.secure, during, 50)
    }

    fn add(&mut self, kind: Kind, begun: Instant, result: Result<(), String>) {
        match result {
            Ok(()) if kind == Kind::Secure => self.secure.push((begun, begun.elapsed())),
            Ok(()) => self.answered.push((begun, begun.elapsed())),
            Err(error) => self.failures.push(format!("{kind:?}: {error}")),
        }
    }

    /// How long after `end` it took until requests were answered within `usual` again, twenty in a row.
    pub(crate) fn recovery(&self, end: Instant, usual: Duration) -> Duration {
        let mut after: Vec<_> = self.answered.iter().filter(|(begun, took)| *begun + *took >= end).collect();
        after.sort_unstable();
        let slow = after.windows(20).position(|window| window.iter().all(|(_, took)| *took <= usual));
        match slow.and_then(|first| after.get(first)) {
            Some((begun, took)) => (*begun + *took).saturating_duration_since(end),
            None => Duration::MAX,
        }
    }
}

fn percentile(all: &[(Instant, Duration)], during: &Range<Instant>, of_hundred: usize) -> Duration {
    let mut took: Vec<_> = all.iter().filter(|(begun, _)| during.contains(begun)).map(|(_, took)| *took).collect();
    took.sort_unstable();
    took.get(took.len() * of_hundred / 100).copied().unwrap_or(Duration::MAX)
}

/// Good clients on a thread of their own.
pub(crate) struct GoodClients {
    thread: std::thread::JoinHandle<Outcome>,
    over: Arc<AtomicBool>,
}

impl GoodClients {
    pub(crate) fn start(place: Place) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let until = over.clone();
        Self { thread: std::thread::spawn(move || ask(place, &until)), over }
    }

    /// Lets them finish, and asks how it went.
    pub(crate) fn end(self) -> Outcome {
        self.over.store(true, Relaxed);
        self.thread.join().expect("good clients do not panic")
    }
}

fn ask(place: Place, over: &AtomicBool) -> Outcome {
    let outcome = Rc::new(RefCell::new(Outcome::default()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let keeping = (0..KEEPING).map(|_| repeat(&outcome, over, PACE, Kind::Kept, place));
    let fresh = (0..FRESH).map(|_| repeat(&outcome, over, PACE * 4, Kind::Fresh, place));
    let secure = [repeat(&outcome, over, PACE * 16, Kind::Secure, place)];
    let all: Vec<_> = keeping.chain(fresh).chain(secure).collect();
    runtime.block_on(futures_util::future::join_all(all));
    Rc::into_inner(outcome).expect("all have finished").into_inner()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Kept,
    Fresh,
    Secure,
}

async fn repeat(outcome: &RefCell<Outcome>, over: &AtomicBool, pace: Duration, kind: Kind, place: Place) {
    let mut kept = None;
    while !over.load(Relaxed) {
        let begun = Instant::now();
        let result = tokio::time::timeout(PATIENCE, once(&mut kept, kind, place)).await;
        let result = result.unwrap_or_else(|_| Err("no answer in time".to_owned()));
        if result.is_err() {
            kept = None;
        }
        outcome.borrow_mut().add(kind, begun, result);
        tokio::time::sleep(pace).await;
    }
}

async fn once(kept: &mut Option<TcpStream>, kind: Kind, place: Place) -> Result<(), String> {
    match kind {
        Kind::Kept => {
            if kept.is_none() {
                *kept = Some(connect(place.web).await?);
            }
            exchange(kept.as_mut().expect("it was just made")).await
        }
        Kind::Fresh => exchange(&mut connect(place.web).await?).await,
        Kind::Secure => {
            let mut stream = secure::over(connect(place.websecure).await?, HOST, &[b"http/1.1"])
                .await
                .map_err(|error| format!("handshake: {error}"))?;
            exchange(&mut stream).await
        }
    }
}

async fn connect(address: SocketAddr) -> Result<TcpStream, String> {
    let connect = async {
        let socket = TcpSocket::new_v4()?;
        // The port is chosen when it connects, or each source would have few.
        socket2::SockRef::from(&socket).set_reuse_address(true)?;
        socket.bind(SocketAddr::from((SOURCE, 0)))?;
        let stream = socket.connect(address).await?;
        stream.set_nodelay(true)?;
        Ok::<_, std::io::Error>(stream)
    };
    connect.await.map_err(|error| format!("connect: {error}"))
}

/// Asks once and takes the whole answer.
async fn exchange(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> Result<(), String> {
    stream.write_all(REQUEST).await.map_err(|error| format!("send: {error}"))?;
    let mut answer = Vec::new();
    while !answer.ends_with(b"good") {
        match stream.read_buf(&mut answer).await {
            Ok(1..) => {}
            Ok(0) => return Err(format!("ended: {:?}", String::from_utf8_lossy(&answer))),
            Err(error) => return Err(format!("read: {error}")),
        }
        if answer.len() >= 12 && !answer.starts_with(b"HTTP/1.1 200") {
            return Err(String::from_utf8_lossy(&answer).into_owned());
        }
    }
    Ok(())
}
