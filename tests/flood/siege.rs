//! One attack, again and again: at the gateway that good clients ask, and for comparison at another one beside it. Both
//! times the machine has the same to do, so what is slower is so because of the attack.

use std::net::SocketAddr;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::good::{GoodClients, HOST, Outcome, Place};
use crate::governor::Governor;
use crate::support::gateway::{Gateway, route};

/// How long good clients ask while an attack runs, once it has begun in earnest.
const ATTACK: Duration = Duration::from_millis(1500);
/// And before and after it.
const CALM: Duration = Duration::from_millis(1200);
/// The machine has other things to do as well: the best round counts.
const ROUNDS: usize = 3;
/// A wait that nobody notices is none, however it compares.
const UNNOTICED: Duration = Duration::from_millis(5);
/// What no machine may come to, however much else it does, in all of the rounds.
const STARVED: Duration = Duration::from_secs(2);
/// From the end of an attack until all is as before.
const RECOVERY: Duration = Duration::from_secs(1);

/// What an attack is made against.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target {
    pub(crate) web: SocketAddr,
    pub(crate) websecure: SocketAddr,
    /// How many connections an attack of many takes.
    pub(crate) crowd: usize,
}

/// What was measured of one round.
#[derive(Debug)]
struct Round {
    beside: Duration,
    under: Duration,
    handshake: Duration,
    recovery: Duration,
    share: f64,
}

impl Round {
    fn ratio(&self) -> f64 {
        self.under.as_secs_f64() / self.beside.as_secs_f64()
    }

    fn passes(&self) -> bool {
        (self.ratio() < 2.0 || self.under < UNNOTICED) && self.recovery < RECOVERY
    }
}

/// Runs `attack` with these flags and says what good clients had of it. An attack never ends by itself, and asks the
/// governor between its steps.
pub(crate) fn siege<A>(name: &str, crowd: usize, flags: &[&str], attack: A)
where
    A: AsyncFn(Target, Rc<Governor>) + Send + Copy + 'static,
{
    // One at a time, whatever the harness does.
    static ONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let (ours, other, bound) = runtime.block_on(async {
        // What the attack does to its own backend is not what is asked.
        let (good, attacked) = (backend().await, backend().await);
        let manifests = [route("good", HOST, "/", &[good]), route("attacked", "a.example", "/", &[attacked])].concat();
        let flags = [&["--entryPoints.websecure.http.tls=true"][..], flags].concat();
        let ours = Gateway::start_quietly(&manifests, &flags).await;
        let other = Gateway::start_quietly(&manifests, &flags).await;
        let bound = bound(&ours.log());
        (ours, other, bound)
    });
    let place = Place { web: ours.web(), websecure: ours.websecure() };
    let at = |gateway: &Gateway| Target { web: gateway.web(), websecure: gateway.websecure(), crowd };
    let mut rounds: Vec<Round> = Vec::new();
    for _ in 0..ROUNDS {
        let (beside, meanwhile, _) = asked(place, at(&other), attack);
        let (outcome, during, share) = asked(place, at(&ours), attack);
        let failures = [beside.failures.as_slice(), outcome.failures.as_slice()].concat();
        assert!(failures.is_empty(), "{name}: {} failed: {:?}", failures.len(), &failures[..failures.len().min(5)]);
        let p99 = beside.p99(&meanwhile);
        rounds.push(Round {
            beside: p99,
            under: outcome.p99(&during),
            handshake: outcome.handshake(&during),
            recovery: outcome.recovery(during.end, p99.saturating_mul(2).max(UNNOTICED)),
            share,
        });
        assert_eq!(runtime.block_on(ours.admin_status("/readyz")), 200, "{name}: it is ready all the while");
        if rounds.iter().any(Round::passes) {
            break;
        }
    }
    let peak = ours.peak_memory();
    let best = rounds.iter().min_by(|a, b| a.ratio().total_cmp(&b.ratio())).expect("a round");
    println!(
        "{name}: p99 {:.2?}, {:.2?} beside it, {:.2} times; with a handshake {:.2?}; recovery {:.0?}; peak {} MiB of {} MiB; attacker {:.2} cores; {} rounds",
        best.under,
        best.beside,
        best.ratio(),
        best.handshake,
        best.recovery,
        peak >> 20,
        bound >> 20,
        best.share,
        rounds.len(),
    );
    assert!(peak < bound, "{name}: {peak} bytes, more than the bound of {bound}");
    let starved = |round: &Round| round.under > STARVED || round.recovery > RECOVERY;
    assert!(!rounds.iter().all(starved), "{name}: starved in each round of {rounds:?}");
}

/// What good clients at `place` had while `target` was attacked, when that was, and the attacker's share of a core.
fn asked<A>(place: Place, target: Target, attack: A) -> (Outcome, Range<Instant>, f64)
where
    A: AsyncFn(Target, Rc<Governor>) + Send + Copy + 'static,
{
    let good = GoodClients::start(place);
    std::thread::sleep(CALM / 4);
    let begun = Instant::now();
    let over = Arc::new(AtomicBool::new(false));
    let until = over.clone();
    let attacker = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let governor = Rc::new(Governor::new());
        runtime.block_on(async {
            let ended = async {
                while !until.load(Relaxed) {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            };
            tokio::select! {
                () = ended => {}
                () = attack(target, governor.clone()) => panic!("the attack ended by itself"),
            }
        });
        governor.share()
    });
    std::thread::sleep(ATTACK);
    over.store(true, Relaxed);
    // Its connections end with it.
    let share = attacker.join().expect("the attack goes on until it is over");
    let end = Instant::now();
    std::thread::sleep(CALM);
    (good.end(), begun..end, share)
}

/// What the gateway said at its start.
fn bound(log: &str) -> usize {
    let lines = log.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let mut bounds = lines.filter_map(|line| line.get("memoryBound")?.as_u64());
    bounds.next().and_then(|bytes| usize::try_from(bytes).ok()).expect("the line of limits")
}

/// More than a client takes that does not read. Thousands of larger ones are more than the kernel has for all sockets of a
/// machine (`net.ipv4.tcp_mem`), and nobody is served any more, whoever holds them.
const LARGE: usize = 64 << 10;

/// A small answer at `/`, a large one at `/large`, and for a body no answer before its end.
async fn backend() -> u16 {
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket.bind(([127, 0, 0, 1], 0).into()).expect("a free port");
    // As many as come at once: what waits for a backend is not what is asked either.
    let listener = socket.listen(8192).expect("it listens");
    let port = listener.local_addr().expect("its address").port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut said = Vec::new();
                loop {
                    while let Some(end) = said.windows(4).position(|four| four == b"\r\n\r\n") {
                        let head: Vec<u8> = said.drain(..end + 4).collect();
                        let length = if head.starts_with(b"GET /large") { LARGE } else { 4 };
                        if head.starts_with(b"POST") {
                            continue;
                        }
                        let mut answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n").into_bytes();
                        answer.resize(answer.len() + length - 4, b'x');
                        answer.extend_from_slice(b"good");
                        if stream.write_all(&answer).await.is_err() {
                            return;
                        }
                    }
                    if !stream.read_buf(&mut said).await.is_ok_and(|count| count > 0) {
                        return;
                    }
                }
            });
        }
    });
    port
}
