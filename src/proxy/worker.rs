//! One worker per core: a thread with a runtime of its own and everything it needs to serve without asking another.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, TcpListener as StdListener, TcpStream as StdStream};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::task::Waker;
use std::time::{Duration, Instant, SystemTime};

use arc_swap::{ArcSwap, Cache};
use http::HeaderValue;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::LocalOptions;
use tokio::sync::{mpsc, watch};

use super::admission::Ticket;
use super::memory::Meter;
use super::opening;
use super::router::{Found, Lookup, Router};
use super::shared::Shared;
use super::trickles::Trickles;
use super::turns::Turns;
use super::upstream::Pool;

/// Pause after an accept that failed for want of descriptors or memory: existing connections go on meanwhile.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(20);

/// How many connections are accepted before those that are there have their turn.
const ACCEPTS: u32 = 16;

/// So many allocations, of more than a thread keeps for itself, make the allocator look at what it holds; see
/// [`give_back`].
const ALLOCATIONS: usize = 1_000;
const ALLOCATION: usize = 512 * 1024;

/// How much of a tunnel is moved at once.
const TUNNEL_BUFFER: usize = 16 * 1024;

/// How far the end has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Phase {
    /// Serving.
    #[default]
    Serving,
    /// SIGTERM has come: still accepting, each answer closes its connection.
    Leaving,
    /// Not accepting; requests in flight end.
    Draining,
    /// Over.
    Over,
}

/// The phase of this moment, for everybody who asks; who must be woken is told by a channel besides.
#[derive(Debug, Default)]
pub(crate) struct CurrentPhase(AtomicU8);

impl CurrentPhase {
    pub(crate) fn set(&self, phase: Phase) {
        self.0.store(phase as u8, Relaxed);
    }

    fn get(&self) -> Phase {
        [Phase::Serving, Phase::Leaving, Phase::Draining]
            .into_iter()
            .nth(self.0.load(Relaxed).into())
            .unwrap_or(Phase::Over)
    }
}

/// What a worker can be told.
#[derive(Debug)]
pub(crate) enum Command {
    /// Accept on this socket of this listener.
    Listen(usize, StdListener),
    /// Serve this connection, which another worker accepted.
    Serve(usize, StdStream, SocketAddr, Ticket),
    /// Memory is short: let those go who keep it waiting, and give what is free back to the kernel.
    GiveBack,
}

/// How busy a worker is; read by the others when they place a new connection.
#[derive(Debug, Default)]
pub(crate) struct Load {
    pub(crate) connections: AtomicUsize,
    pub(crate) requests: AtomicUsize,
    /// Connections ever, to spread them evenly while all are idle.
    pub(crate) accepted: AtomicU64,
}

/// A worker, as its own tasks see it.
pub(crate) struct Worker {
    pub(crate) id: usize,
    pub(crate) shared: Arc<Shared>,
    pub(crate) pool: Rc<Pool>,
    pub(crate) random: Cell<u64>,
    /// What has come from peers.
    pub(crate) meter: Arc<Meter>,
    /// Of TLS handshakes.
    pub(crate) turns: Turns,
    /// Of bodies that come in small pieces.
    pub(crate) trickles: Rc<Trickles>,
    /// What passes through tunnels, for the moment of its passing.
    pub(crate) buffer: RefCell<Box<[u8]>>,
    router: RefCell<Cache<Arc<ArcSwap<Router>>, Arc<Router>>>,
    date: RefCell<(u64, HeaderValue)>,
    /// About what fails again and again while it fails at all.
    pub(crate) complaints: Seldom,
    wakers: RefCell<HashMap<u64, Waker, foldhash::fast::FixedState>>,
    next_waker: Cell<u64>,
}

/// Runs `!Send` futures of hyper's HTTP/2 on this thread.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LocalExecutor;

impl<F> hyper::rt::Executor<F> for LocalExecutor
where
    F: Future + 'static,
{
    fn execute(&self, future: F) {
        tokio::task::spawn_local(async move {
            future.await;
        });
    }
}

impl Worker {
    /// The route of the table of this moment. One atomic load when nothing has changed; the snapshot itself is not held
    /// on to, since all workers would count on one place in memory.
    pub(crate) fn find(&self, lookup: &Lookup<'_>) -> Option<Found> {
        self.router.borrow_mut().load().find(lookup)
    }

    pub(crate) fn phase(&self) -> Phase {
        self.shared.phase.get()
    }

    /// The `Date` of an answer that has none; made once a second.
    pub(crate) fn date(&self) -> HeaderValue {
        let now = SystemTime::now();
        let second = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let mut date = self.date.borrow_mut();
        if date.0 != second {
            let text = httpdate::fmt_http_date(now);
            *date = (second, HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static("")));
        }
        date.1.clone()
    }

    pub(crate) fn load(&self) -> &Load {
        &self.shared.loads[self.id]
    }

    /// Wakes the connection's task when the phase changes, for as long as the registration lives.
    pub(crate) fn on_phase(self: &Rc<Self>, waker: Waker) -> Registration {
        let key = self.next_waker.get();
        self.next_waker.set(key + 1);
        self.wakers.borrow_mut().insert(key, waker);
        Registration { worker: self.clone(), key }
    }

    /// Tells all tasks that the phase is another.
    fn phase_changed(&self) {
        if self.phase() >= Phase::Draining {
            self.pool.clear();
        }
        self.wake_all();
    }

    fn wake_all(&self) {
        for waker in self.wakers.borrow().values() {
            waker.wake_by_ref();
        }
    }

    fn connections(&self) -> usize {
        self.load().connections.load(Relaxed)
    }
}

/// What is to be done once a second at most.
#[derive(Debug, Default)]
pub(crate) struct Seldom(Cell<Option<Instant>>);

impl Seldom {
    /// Whether it may be done now; if so it counts as done.
    pub(crate) fn is_due(&self) -> bool {
        let due = self.0.get().is_none_or(|last| last.elapsed() >= Duration::from_secs(1));
        if due {
            self.0.set(Some(Instant::now()));
        }
        due
    }
}

/// A task's wish to be woken when the phase changes.
pub(crate) struct Registration {
    worker: Rc<Worker>,
    key: u64,
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.worker.wakers.borrow_mut().remove(&self.key);
    }
}

/// Runs worker `id` on this thread until the end has come and its connections are done.
pub(crate) fn run(
    id: usize,
    shared: Arc<Shared>,
    commands: mpsc::UnboundedReceiver<Command>,
    phase: watch::Receiver<Phase>,
) -> io::Result<()> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().event_interval(61).build_local(LocalOptions::default())?;
    let worker = Rc::new(Worker {
        id,
        pool: Pool::new(
            shared.transport.max_idle_per_endpoint.div_ceil(shared.loads.len()),
            shared.transport.idle_timeout,
        ),
        buffer: RefCell::new(vec![0; TUNNEL_BUFFER].into_boxed_slice()),
        random: Cell::new(0x9e37_79b9_7f4a_7c15 ^ ((id as u64 + 1) << 32) ^ shared.seed),
        router: RefCell::new(Cache::new(shared.router.clone())),
        date: RefCell::new((0, HeaderValue::from_static(""))),
        complaints: Seldom::default(),
        wakers: RefCell::default(),
        next_waker: Cell::new(0),
        meter: Meter::new(shared.memory.clone()),
        turns: Turns::default(),
        trickles: Rc::default(),
        shared,
    });
    runtime.block_on(work(worker, commands, phase));
    Ok(())
}

async fn work(worker: Rc<Worker>, mut commands: mpsc::UnboundedReceiver<Command>, mut phase: watch::Receiver<Phase>) {
    let mut accepting = Vec::new();
    loop {
        // Both arms are cancel-safe: a channel's recv and a watch's changed lose nothing.
        tokio::select! {
            command = commands.recv() => match command {
                Some(Command::Listen(listener, socket)) => match TcpListener::from_std(socket) {
                    Ok(socket) => accepting.push(tokio::task::spawn_local(accept(worker.clone(), listener, socket, phase.clone()))),
                    Err(error) => tracing::error!(%error, "register a listening socket"),
                },
                Some(Command::Serve(listener, stream, peer, ticket)) => match TcpStream::from_std(stream) {
                    Ok(stream) => opening::spawn(&worker, listener, stream, peer, ticket),
                    Err(error) => tracing::error!(%error, "register a connection"),
                },
                Some(Command::GiveBack) => {
                    worker.wake_all();
                    give_back();
                }
                None => return,
            },
            changed = phase.changed() => {
                if changed.is_err() {
                    return;
                }
                let now = *phase.borrow_and_update();
                worker.phase_changed();
                if now >= Phase::Draining {
                    break;
                }
            }
        }
    }
    for task in accepting {
        let _ = task.await;
    }
    // What another worker accepted last.
    commands.close();
    while let Some(command) = commands.recv().await {
        if let Command::Serve(listener, stream, peer, ticket) = command
            && let Ok(stream) = TcpStream::from_std(stream)
        {
            opening::spawn(&worker, listener, stream, peer, ticket);
        }
    }
    while worker.connections() > 0 && *phase.borrow_and_update() < Phase::Over {
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(10)) => {}
            _ = phase.changed() => {}
        }
    }
    worker.phase_changed();
}

/// Accepts until the phase says otherwise, then takes what is left in the listen queue: a client in it believes itself
/// connected.
async fn accept(worker: Rc<Worker>, listener: usize, socket: TcpListener, mut phase: watch::Receiver<Phase>) {
    let mut in_a_row = 0;
    loop {
        let accepted = tokio::select! {
            accepted = socket.accept() => accepted,
            _ = phase.wait_for(|&phase| phase >= Phase::Draining) => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                place(&worker, listener, stream, peer);
                in_a_row += 1;
                if in_a_row == ACCEPTS {
                    in_a_row = 0;
                    tokio::task::yield_now().await;
                }
            }
            Err(error) if connection_error(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "accept a connection; it is tried again: look at open files and memory");
                tokio::time::sleep(ACCEPT_BACKOFF).await;
            }
        }
    }
    let Ok(socket) = socket.into_std() else { return };
    while let Ok((stream, peer)) = socket.accept() {
        if stream.set_nonblocking(true).is_ok()
            && let Ok(stream) = TcpStream::from_std(stream)
            && let Some(ticket) = admit(&worker, listener, peer)
        {
            opening::spawn(&worker, listener, stream, peer, ticket);
        }
    }
}

/// The allocator looks for pages that have been free for long after some hundred of a thread's allocations. A worker that
/// refuses everybody makes none, and would hold on to what it refuses them for. None of these is ever written to.
fn give_back() {
    for _ in 0..ALLOCATIONS {
        drop(std::hint::black_box(Vec::<u8>::with_capacity(ALLOCATION)));
    }
}

/// The client has gone before we looked; the next one may be fine.
fn connection_error(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}

/// Hands a connection to the worker with the fewest live requests, then connections; directly when that is this one.
fn place(worker: &Rc<Worker>, listener: usize, stream: TcpStream, peer: SocketAddr) {
    let Some(ticket) = admit(worker, listener, peer) else { return };
    let busy = |load: &Load| (load.requests.load(Relaxed), load.connections.load(Relaxed), load.accepted.load(Relaxed));
    let best =
        worker.shared.loads.iter().enumerate().min_by_key(|(_, load)| busy(load)).map_or(worker.id, |(id, _)| id);
    if best != worker.id
        && let Some(other) = worker.shared.commands.get().and_then(|commands| commands.get(best))
    {
        match stream.into_std() {
            Ok(stream) => {
                worker.shared.loads[best].accepted.fetch_add(1, Relaxed);
                if let Err(mpsc::error::SendError(Command::Serve(_, stream, _, ticket))) =
                    other.send(Command::Serve(listener, stream, peer, ticket))
                    && let Ok(stream) = TcpStream::from_std(stream)
                {
                    opening::spawn(worker, listener, stream, peer, ticket);
                }
            }
            Err(error) => tracing::error!(%error, "hand over a connection"),
        }
        return;
    }
    worker.load().accepted.fetch_add(1, Relaxed);
    opening::spawn(worker, listener, stream, peer, ticket);
}

/// Room for a connection, before anything is made for it; without any it ends here.
fn admit(worker: &Worker, listener: usize, peer: SocketAddr) -> Option<Ticket> {
    let shared = &worker.shared;
    match shared.admission.admit(shared.listeners.get(listener)?, peer.ip()) {
        Ok(ticket) => Some(ticket),
        Err(refusal) => {
            shared.meters.own().refused(refusal);
            let name = shared.listeners.get(listener).map(|listener| &*listener.name);
            let mend = refusal.explain().mend;
            tracing::debug!(entryPointName = name, %peer, reason = %refusal, "a connection is refused; {mend}");
            None
        }
    }
}
