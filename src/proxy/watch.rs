//! Deadlines of a connection that cost the request path a store: one timer per connection, set again only when a
//! deadline comes closer, and looked at again when it fires.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use tokio::time::Sleep;

use super::memory::{Meter, Pressure};

/// Milliseconds of the process's own clock; 0 is never.
pub(crate) type Millis = u64;

/// Of an endpoint.
const NEVER: Millis = Millis::MAX;

/// The deadline of what has just begun; the time is looked up when it matters.
const FROM_NOW: Millis = Millis::MAX;

/// An allowance of whoever never takes long with what it reads.
const UNLIMITED: u32 = u32::MAX;

/// How long a client may keep us waiting while memory is short.
const HURRY: Millis = 1000;

/// What a connection is waiting for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Wait {
    /// Nothing that has a deadline here.
    Nothing = 0,
    /// The first byte of a request, or the next request.
    Idle = 1,
    /// The rest of a head.
    Head = 2,
    /// The head of an upstream's answer.
    Answer = 3,
    /// Room to write.
    Write = 4,
    /// The next stream of an HTTP/2 connection, or the end of one that is refused: what comes may begin nothing.
    Quiet = 5,
    /// The rest of a TLS handshake.
    Handshake = 6,
    /// A client, for longer than there is memory for it.
    Memory = 7,
}

/// The deadlines of one connection. Shared by its task and its I/O; in fact only ever used on one thread.
#[derive(Debug)]
pub(crate) struct Watch {
    meter: Arc<Meter>,
    epoch: Instant,
    /// When it was last told what to wait for; [`NEVER`] for an endpoint, who is not hurried.
    since: AtomicU64,
    read: AtomicU64,
    waiting: AtomicU8,
    write: AtomicU64,
    /// Bodies with a frame that the peer has not made room for. HTTP/2 has windows of its own, and the socket is idle
    /// while they are shut.
    offered: AtomicU32,
    offer: AtomicU64,
    write_stall: u64,
    head: u64,
    /// How many more bytes may be read before others are given their turn.
    allowance: AtomicU32,
    /// It is cut: what has been written and not been taken is of no use.
    cut: AtomicBool,
}

impl Watch {
    /// A client's, with no deadlines yet. `head` bounds a head once its first byte is there; `write_stall` a write
    /// without progress.
    pub(crate) fn client(meter: &Arc<Meter>, epoch: Instant, head: Duration, write_stall: Duration) -> Arc<Self> {
        Self::new(meter, epoch, 0, head, write_stall)
    }

    /// An endpoint's, with no deadlines yet.
    pub(crate) fn endpoint(meter: &Arc<Meter>, epoch: Instant, write_stall: Duration) -> Arc<Self> {
        Self::new(meter, epoch, NEVER, Duration::ZERO, write_stall)
    }

    fn new(meter: &Arc<Meter>, epoch: Instant, since: Millis, head: Duration, write_stall: Duration) -> Arc<Self> {
        Arc::new(Self {
            meter: meter.clone(),
            epoch,
            since: AtomicU64::new(since),
            read: AtomicU64::new(0),
            waiting: AtomicU8::new(Wait::Nothing as u8),
            write: AtomicU64::new(0),
            offered: AtomicU32::new(0),
            offer: AtomicU64::new(0),
            write_stall: millis(write_stall),
            head: millis(head),
            allowance: AtomicU32::new(UNLIMITED),
            cut: AtomicBool::new(false),
        })
    }

    /// How short memory is.
    pub(crate) fn pressure(&self) -> Pressure {
        self.meter.pressure()
    }

    fn now(&self) -> Millis {
        self.at(Instant::now())
    }

    fn at(&self, now: Instant) -> Millis {
        millis(now.saturating_duration_since(self.epoch))
    }

    /// Waits for `what` for at most `limit` from `now`; zero is no limit.
    pub(crate) fn expect(&self, what: Wait, limit: Duration, now: Instant) {
        let now = self.at(now);
        self.since.store(now, Relaxed);
        self.read.store(if limit.is_zero() { 0 } else { now + millis(limit).max(1) }, Relaxed);
        self.is_for(what);
    }

    /// What is waited for turns out to be something else; until when stays.
    pub(crate) fn is_for(&self, what: Wait) {
        self.waiting.store(what as u8, Relaxed);
    }

    /// Waits for nothing.
    pub(crate) fn relax(&self) {
        self.read.store(0, Relaxed);
        self.waiting.store(Wait::Nothing as u8, Relaxed);
    }

    /// Bytes have come: an idle connection begins a head. Most heads are complete before anybody looks at the deadline,
    /// so the clock is read by who looks first.
    pub(crate) fn on_read(&self) {
        if self.waiting.load(Relaxed) == Wait::Idle as u8 {
            self.read.store(if self.head == 0 { 0 } else { FROM_NOW }, Relaxed);
            self.waiting.store(Wait::Head as u8, Relaxed);
        }
    }

    /// So many bytes may be read before others have their turn.
    pub(crate) fn allow(&self, bytes: u32) {
        self.allowance.store(bytes, Relaxed);
    }

    /// Whether any more may be read now.
    pub(crate) fn may_read(&self) -> bool {
        self.allowance.load(Relaxed) > 0
    }

    /// These bytes were read.
    pub(crate) fn spend(&self, bytes: usize) {
        self.meter.came(bytes);
        let left = self.allowance.load(Relaxed);
        if left != UNLIMITED {
            self.allowance.store(left.saturating_sub(u32::try_from(bytes).unwrap_or(UNLIMITED)), Relaxed);
        }
    }

    fn read_deadline(&self) -> Millis {
        if self.read.load(Relaxed) == FROM_NOW {
            self.read.store(self.now() + self.head, Relaxed);
        }
        self.read.load(Relaxed)
    }

    /// A write could not go on.
    pub(crate) fn on_write_blocked(&self) {
        if self.write_stall > 0 && self.write.load(Relaxed) == 0 {
            self.write.store(self.now() + self.write_stall, Relaxed);
        }
    }

    /// A write went on.
    pub(crate) fn on_write(&self) {
        if self.write.load(Relaxed) != 0 {
            self.write.store(0, Relaxed);
        }
    }

    /// Bytes were written: what is offered is on its way.
    pub(crate) fn on_progress(&self) {
        self.on_write();
        if self.offer.load(Relaxed) != 0 {
            self.offer.store(FROM_NOW, Relaxed);
        }
    }

    /// A body has a frame for the peer.
    pub(crate) fn on_offer(&self) {
        if self.write_stall > 0 {
            self.offered.store(self.offered.load(Relaxed) + 1, Relaxed);
            self.offer.store(FROM_NOW, Relaxed);
        }
    }

    /// The peer has made room for what a body offered, or the body is no more.
    pub(crate) fn on_taken(&self) {
        let left = self.offered.load(Relaxed).saturating_sub(1);
        self.offered.store(left, Relaxed);
        self.offer.store(if left == 0 { 0 } else { FROM_NOW }, Relaxed);
    }

    fn offer_deadline(&self) -> Millis {
        if self.offer.load(Relaxed) == FROM_NOW {
            self.offer.store(self.now() + self.write_stall, Relaxed);
        }
        self.offer.load(Relaxed)
    }

    fn write_deadline(&self) -> Millis {
        sooner(self.write.load(Relaxed), self.offer_deadline())
    }

    fn earliest(&self) -> Millis {
        sooner(self.read_deadline(), self.write_deadline())
    }

    /// What has been waited for too long, if anything.
    pub(crate) fn expired(&self) -> Option<Wait> {
        let now = self.now();
        let due = |deadline: Millis| deadline != 0 && deadline <= now;
        if due(self.write_deadline()) {
            return Some(Wait::Write);
        }
        if !due(self.read_deadline()) {
            return None;
        }
        Some(match self.waiting.load(Relaxed) {
            1 => Wait::Idle,
            2 => Wait::Head,
            3 => Wait::Answer,
            5 => Wait::Quiet,
            6 => Wait::Handshake,
            _ => Wait::Nothing,
        })
    }

    /// Whether this client keeps us waiting while memory is short: with nothing that it asks, or half a head, or, when
    /// it is very short, with an answer that it does not take.
    fn overstays(&self) -> bool {
        let pressure = self.pressure();
        let since = self.since.load(Relaxed);
        if pressure == Pressure::None || since == NEVER {
            return false;
        }
        let now = self.now();
        let long = |since: Millis| since + HURRY <= now;
        let waits = |deadline: Millis, limit: Millis| deadline != 0 && long(deadline.saturating_sub(limit));
        match self.waiting.load(Relaxed) {
            1 | 5 if long(since) => true,
            2 if waits(self.read_deadline(), self.head) => true,
            _ => pressure == Pressure::Requests && waits(self.write_deadline(), self.write_stall),
        }
    }

    /// Whether what has been written is to be thrown away with the connection.
    pub(crate) fn is_cut(&self) -> bool {
        self.cut.load(Relaxed)
    }
}

/// The earlier of two deadlines; zero is none.
fn sooner(one: Millis, other: Millis) -> Millis {
    match (one, other) {
        (0, deadline) | (deadline, 0) => deadline,
        (one, other) => one.min(other),
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX / 4).min(u64::MAX / 4)
}

/// The one timer of a connection, polled with it.
#[derive(Debug)]
pub(crate) struct Alarm {
    watch: Arc<Watch>,
    sleep: Option<Pin<Box<Sleep>>>,
    armed: Millis,
    /// Who is woken when it fires.
    waker: Option<Waker>,
}

impl Alarm {
    pub(crate) fn new(watch: Arc<Watch>) -> Self {
        Self { watch, sleep: None, armed: 0, waker: None }
    }

    /// Ready when a deadline has passed. Call it after each poll of the connection. Cancel-safe.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Wait> {
        if self.watch.overstays() {
            return Poll::Ready(Wait::Memory);
        }
        loop {
            let due = self.watch.earliest();
            if due == 0 {
                return Poll::Pending;
            }
            if self.armed == 0 || due < self.armed {
                let at = (self.watch.epoch + Duration::from_millis(due)).into();
                match &mut self.sleep {
                    Some(sleep) => sleep.as_mut().reset(at),
                    None => self.sleep = Some(Box::pin(tokio::time::sleep_until(at))),
                }
                self.armed = due;
                self.waker = None;
            }
            let Some(sleep) = &mut self.sleep else { return Poll::Pending };
            let wakes_us = self.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker()));
            if wakes_us && !sleep.is_elapsed() {
                return Poll::Pending;
            }
            self.waker = Some(cx.waker().clone());
            if sleep.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            self.armed = 0;
            if let Some(what) = self.watch.expired() {
                return Poll::Ready(what);
            }
        }
    }
}

/// Runs `future` until it ends or a deadline of its connection passes. Dropping it ends the connection.
pub(crate) async fn guarded<F: Future>(future: F, watch: Arc<Watch>) -> Result<F::Output, Wait> {
    let mut future = std::pin::pin!(future);
    let mut alarm = Alarm::new(watch);
    std::future::poll_fn(|cx| {
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(Ok(output));
        }
        alarm.poll(cx).map(|what| {
            // Who does not take what was written would have the kernel keep it for minutes.
            alarm.watch.cut.store(alarm.watch.write_deadline() != 0, Relaxed);
            Err(what)
        })
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::super::memory::Memory;
    use super::*;

    fn client(pressure: Pressure, head: Duration, write_stall: Duration) -> Arc<Watch> {
        Watch::client(&Meter::new(Memory::of(pressure)), Instant::now(), head, write_stall)
    }

    #[tokio::test]
    async fn a_deadline_that_comes_closer_is_noticed() {
        let watch = client(Pressure::None, Duration::from_millis(20), Duration::ZERO);
        watch.expect(Wait::Idle, Duration::from_secs(3600), Instant::now());
        let inner = watch.clone();
        let ended = guarded(
            async move {
                tokio::task::yield_now().await;
                inner.on_read();
                std::future::pending::<()>().await;
            },
            watch,
        );
        assert_eq!(ended.await, Err(Wait::Head));
    }

    #[tokio::test]
    async fn a_write_without_progress_expires_and_progress_clears_it() {
        let watch = client(Pressure::None, Duration::ZERO, Duration::from_millis(10));
        watch.on_write_blocked();
        watch.on_write();
        assert_eq!(watch.expired(), None);
        watch.on_write_blocked();
        assert_eq!(guarded(std::future::pending::<()>(), watch).await, Err(Wait::Write));
    }

    #[tokio::test]
    async fn an_offer_that_nobody_takes_expires_and_one_that_is_taken_does_not() {
        let watch = client(Pressure::None, Duration::ZERO, Duration::from_millis(10));
        watch.on_offer();
        watch.on_offer();
        watch.on_taken();
        watch.on_taken();
        assert_eq!((watch.earliest(), watch.expired()), (0, None));
        watch.on_offer();
        watch.on_progress();
        assert_eq!(guarded(std::future::pending::<()>(), watch).await, Err(Wait::Write));
    }

    const HOUR: Duration = Duration::from_secs(3600);
    const WAITED: Duration = Duration::from_millis(2 * HURRY);

    /// Whether a client that has kept us waiting like this for twice as long as there is memory for is let go, and
    /// whether what was written to it is thrown away.
    async fn let_go(pressure: Pressure, waiting: Wait) -> Option<bool> {
        let epoch = Instant::now().checked_sub(WAITED).expect("the machine has run for longer");
        let watch = Watch::client(&Meter::new(Memory::of(pressure)), epoch, HOUR, HOUR);
        watch.is_for(waiting);
        // Since the epoch, and for an hour.
        match waiting {
            Wait::Write => watch.write.store(millis(HOUR), Relaxed),
            _ => watch.read.store(millis(HOUR), Relaxed),
        }
        let ended = tokio::time::timeout(Duration::ZERO, guarded(std::future::pending::<()>(), watch.clone())).await;
        assert_eq!(ended.ok()?, Err(Wait::Memory));
        Some(watch.is_cut())
    }

    #[tokio::test]
    async fn while_memory_is_short_those_who_ask_nothing_are_let_go_and_then_those_who_take_no_answer() {
        for (waiting, while_short, while_very_short) in [
            (Wait::Idle, Some(false), Some(false)),
            (Wait::Quiet, Some(false), Some(false)),
            (Wait::Head, Some(false), Some(false)),
            (Wait::Write, None, Some(true)),
            (Wait::Nothing, None, None),
        ] {
            assert_eq!(let_go(Pressure::None, waiting).await, None, "{waiting:?}");
            assert_eq!(let_go(Pressure::Connections, waiting).await, while_short, "{waiting:?}");
            assert_eq!(let_go(Pressure::Requests, waiting).await, while_very_short, "{waiting:?}");
        }
    }

    #[test]
    fn an_endpoint_is_not_hurried() {
        let epoch = Instant::now().checked_sub(WAITED).expect("the machine has run for longer");
        let watch = Watch::endpoint(&Meter::new(Memory::of(Pressure::Requests)), epoch, HOUR);
        watch.write.store(millis(HOUR), Relaxed);
        assert!(!watch.overstays());
    }
}
