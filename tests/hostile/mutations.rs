//! Requests that are served, with random damage: whatever becomes of one, the backend never sees more requests than were
//! answered, and nothing that could be read in more than one way.

use tokio::io::AsyncWriteExt;

use crate::frames::{GOAWAY, H2, HEADERS, RST_STREAM};
use crate::support::client::Raw;
use crate::table::Stage;

/// How often each request is damaged.
const TIMES: usize = 60;
/// Gateways that work on it at once.
const LANES: usize = 4;

/// What damage is made of: line ends, framing, and what parsers disagree about.
const PIECES: [&[u8]; 28] = [
    b"\r",
    b"\n",
    b"\r\n",
    b"\r\n\r\n",
    b"\n\n",
    b"\0",
    b" ",
    b"\t",
    b"\x0b",
    b"\x80",
    b":",
    b",",
    b";",
    b"0",
    b"1",
    b"+",
    b"0x",
    b"chunked",
    b"0\r\n\r\n",
    b"1\r\nZ\r\n",
    b"Content-Length: 0\r\n",
    b"Content-Length: 5\r\n",
    b"Content-Length: 40\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding:\x0bchunked\r\n",
    b"Connection: Content-Length\r\n",
    b"Expect: 100-continue\r\n",
    b"GET /hidden HTTP/1.1\r\nHost: a.example\r\n\r\n",
];

/// Numbers from a seed (SplitMix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % sides.max(1) as u64) as usize
    }

    /// One to three damages to these bytes.
    fn damage(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        for _ in 0..=self.roll(3) {
            let at = self.roll(bytes.len());
            match self.roll(6) {
                0 => drop(bytes.drain(at..(at + 1).min(bytes.len()))),
                1 => {
                    let bit = 1 << self.roll(8);
                    bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= bit);
                }
                2 => {
                    let lines: Vec<Vec<u8>> =
                        bytes.split_inclusive(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect();
                    let (from, to) = (self.roll(lines.len()), self.roll(lines.len()));
                    let mut lines = lines;
                    if let Some(line) = lines.get(from).cloned() {
                        lines.insert(to, line);
                    }
                    bytes = lines.concat();
                }
                _ => {
                    let piece = PIECES[self.roll(PIECES.len())];
                    bytes.splice(at..at, piece.iter().copied());
                }
            }
        }
        bytes
    }
}

fn seed() -> u64 {
    std::env::var("ADIT_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_261_121)
}

/// A gateway that does not wait for what will never come.
async fn stage() -> Stage {
    let flags = ["--entryPoints.web.transport.respondingTimeouts.readTimeout=100ms"];
    Stage::new(&flags).await
}

/// Asserts that the backend saw at most so many whole requests.
async fn at_most(answers: usize, stage: &Stage, sent: &[u8], seed: u64) {
    let seen = stage.recorder.take().await;
    let whole = seen.iter().filter(|entry| !entry.cut).count();
    let sent = String::from_utf8_lossy(sent);
    assert!(whole <= answers, "seed {seed}: {answers} answers, and the backend saw {seen:#?} for {sent:?}");
}

#[tokio::test]
async fn a_damaged_request_is_never_two() {
    let (seed, rows) = (seed(), crate::rows());
    // One that is large has nothing that a small one has not.
    let all: Vec<&[u8]> = rows
        .iter()
        .flat_map(|row| row.accepted().0)
        .filter(|sent| sent.len() < 4000 && !sent.starts_with(b"HEAD"))
        .collect();
    let lanes = (0..LANES).map(|lane| {
        let mine: Vec<&[u8]> = all.iter().copied().skip(lane).step_by(LANES).collect();
        async move {
            let (stage, mut dice) = (stage().await, Dice(seed + lane as u64));
            for sent in mine.iter().flat_map(|sent| std::iter::repeat_n(*sent, TIMES)) {
                // The last one shows that the connection is done with what came before.
                let last = b"GET /last HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n";
                let bytes = [&dice.damage(sent)[..], last].concat();
                let mut client = Raw::connect(stage.gateway.web()).await;
                let _ = client.stream.write_all(&bytes).await;
                let mut answers = 0;
                while let Some(answer) = client.answer().await {
                    answers += usize::from(answer.status == 200);
                }
                at_most(answers, &stage, &bytes, seed).await;
            }
            stage.probe().await;
        }
    });
    futures_util::future::join_all(lanes).await;
    println!("seed {seed}: {} damaged requests of HTTP/1", all.len() * TIMES);
}

#[tokio::test]
async fn damaged_frames_are_never_two_requests() {
    let (seed, rows) = (seed(), crate::rows());
    let all: Vec<&[u8]> = rows.iter().flat_map(|row| row.accepted().1).collect();
    let (stage, mut dice) = (stage().await, Dice(seed));
    for sent in all.iter().flat_map(|sent| std::iter::repeat_n(*sent, 4 * TIMES)) {
        let bytes = dice.damage(sent);
        let mut client = H2::connect(stage.gateway.web()).await;
        client.send(&bytes).await;
        let _ = client.stream.shutdown().await;
        let mut ends = 0;
        while let Some(frame) = client.next().await {
            ends += usize::from(matches!(frame.kind, HEADERS | RST_STREAM | GOAWAY));
        }
        // Whoever closes may miss one answer.
        at_most(ends.max(1), &stage, &bytes, seed).await;
    }
    stage.probe().await;
    println!("seed {seed}: {} damaged requests of HTTP/2", all.len() * 4 * TIMES);
}
