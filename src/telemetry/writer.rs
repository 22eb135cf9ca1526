//! A thread that writes lines, so that nobody else ever waits for a disk or a pipe: what does not fit its bounded queue
//! is dropped and counted.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

/// How long a shutdown waits for the last lines: a reader that has stopped must not hold up the end.
pub const FLUSH_TIME: Duration = Duration::from_secs(1);

/// The most lines that wait, unless more are asked for.
pub(super) const QUEUE_LINES: usize = 16 * 1024;
/// The most bytes that wait, for each line that may: paths and headers may be long, and a stuck disk must not become a
/// full memory.
const LINE_BYTES: usize = 1024;
/// How long lines gather before the next write. Waking the thread is a system call, which a worker then pays once per
/// gathering instead of once per line.
const GATHER: Duration = Duration::from_millis(5);
/// When a batch is written although more is waiting.
const BATCH_BYTES: usize = 256 * 1024;

/// Where lines go.
#[derive(Debug)]
pub enum Target {
    /// Standard output.
    Stdout,
    /// A file, appended to, made when it is missing.
    File(PathBuf),
    /// An open file or pipe.
    Open(File),
}

/// Something that waits in the queue and becomes a line there.
pub(super) trait Line: Send + 'static {
    /// Its size in memory, roughly.
    fn weight(&self) -> usize;
    /// Appends it, with its line end.
    fn write(&self, out: &mut String);
}

enum Message<L> {
    Line(L),
    Wake,
    Flush(SyncSender<()>),
}

/// The end of the queue that lines are put into.
pub(super) struct Writer<L> {
    sender: SyncSender<Message<L>>,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    waiting_bytes: AtomicUsize,
    most_bytes: usize,
    reopen: AtomicBool,
    drops: Arc<AtomicU64>,
}

impl<L: Line> Writer<L> {
    /// Starts the thread. Fails when the file cannot be opened.
    pub(super) fn spawn(name: &str, target: Target) -> io::Result<Self> {
        Self::with_capacity(name, target, QUEUE_LINES)
    }

    /// The same, with room for this many lines.
    pub(super) fn with_capacity(name: &str, target: Target, lines: usize) -> io::Result<Self> {
        let sink = Sink::open(target)?;
        let (sender, receiver) = sync_channel(lines);
        let shared = Arc::new(Shared { most_bytes: lines.saturating_mul(LINE_BYTES), ..Shared::default() });
        let theirs = shared.clone();
        thread::Builder::new().name(name.to_owned()).spawn(move || run(&receiver, sink, &theirs))?;
        Ok(Self { sender, shared })
    }

    /// Puts a line into the queue, or drops and counts it. Never blocks.
    pub(super) fn submit(&self, line: L) {
        let weight = line.weight();
        let before = self.shared.waiting_bytes.fetch_add(weight, Ordering::Relaxed);
        let full = before.saturating_add(weight) > self.shared.most_bytes;
        if full || self.sender.try_send(Message::Line(line)).is_err() {
            self.shared.waiting_bytes.fetch_sub(weight, Ordering::Relaxed);
            self.shared.drops.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts the lines that were dropped.
    pub(super) fn drops(&self) -> Arc<AtomicU64> {
        self.shared.drops.clone()
    }

    /// Opens the file anew before the next line, for those who rotate it. Without effect on standard output.
    pub(super) fn reopen(&self) {
        self.shared.reopen.store(true, Ordering::Release);
        // A full queue needs no waking.
        let _ = self.sender.try_send(Message::Wake);
    }

    /// Waits until all that is in the queue is written, for at most `limit`.
    pub(super) fn flush(&self, limit: Duration) {
        let end = Instant::now() + limit;
        let (done, written) = sync_channel(1);
        let mut message = Message::Flush(done);
        loop {
            match self.sender.try_send(message) {
                Ok(()) => break,
                Err(TrySendError::Full(back)) if Instant::now() < end => {
                    message = back;
                    thread::sleep(Duration::from_millis(1));
                }
                Err(_) => return,
            }
        }
        // Whether it was in time makes no difference to a process that ends.
        let _ = written.recv_timeout(end.saturating_duration_since(Instant::now()));
    }
}

fn run<L: Line>(receiver: &Receiver<Message<L>>, mut sink: Sink, shared: &Shared) {
    let mut batch = String::new();
    while let Ok(first) = receiver.recv() {
        let mut flushed = Vec::new();
        let mut next = Some(first);
        while let Some(message) = next {
            match message {
                Message::Line(line) => {
                    shared.waiting_bytes.fetch_sub(line.weight(), Ordering::Relaxed);
                    line.write(&mut batch);
                }
                Message::Wake => {}
                Message::Flush(done) => flushed.push(done),
            }
            next = if batch.len() < BATCH_BYTES { receiver.try_recv().ok() } else { None };
        }
        if shared.reopen.swap(false, Ordering::Acquire) {
            sink.reopen();
        }
        let lost = sink.write(batch.as_bytes());
        shared.drops.fetch_add(lost, Ordering::Relaxed);
        batch.clear();
        batch.shrink_to(BATCH_BYTES);
        for done in flushed {
            // Whoever asked may have stopped waiting.
            let _ = done.send(());
        }
        thread::sleep(GATHER);
    }
}

/// What is written to. Unbuffered: a batch is the buffer.
struct Sink {
    file: File,
    path: Option<PathBuf>,
    /// The last write ended within a line.
    torn: bool,
}

impl Sink {
    fn open(target: Target) -> io::Result<Self> {
        let (file, path) = match target {
            Target::Stdout => (File::from(io::stdout().as_fd().try_clone_to_owned()?), None),
            Target::File(path) => (append(&path)?, Some(path)),
            Target::Open(file) => (file, None),
        };
        Ok(Self { file, path, torn: false })
    }

    /// Keeps the old file when the new one cannot be opened: lines in the wrong place are better than none.
    fn reopen(&mut self) {
        if let Some(path) = &self.path
            && let Ok(file) = append(path)
        {
            self.file = file;
            self.torn = false;
        }
    }

    /// Writes whole lines and says how many of them were lost.
    fn write(&mut self, lines: &[u8]) -> u64 {
        if lines.is_empty() {
            return 0;
        }
        if self.torn && !matches!(self.file.write(b"\n"), Ok(1)) {
            return count_lines(lines);
        }
        self.torn = false;
        let mut rest = lines;
        while !rest.is_empty() {
            match self.file.write(rest) {
                Ok(0) => break,
                Ok(count) => {
                    self.torn = rest.get(count.wrapping_sub(1)) != Some(&b'\n');
                    rest = rest.get(count..).unwrap_or_default();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Someone else made the shared descriptor non-blocking.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(GATHER),
                Err(_) => break,
            }
        }
        count_lines(rest)
    }
}

fn append(path: &PathBuf) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}

fn count_lines(lines: &[u8]) -> u64 {
    lines.iter().filter(|byte| **byte == b'\n').count() as u64
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn a_reader_that_has_stopped_costs_lines_and_never_time() {
        let (mut reader, pipe) = io::pipe().expect("a pipe");
        let pipe = File::from(std::os::fd::OwnedFd::from(pipe));
        let writer = Writer::with_capacity("test", Target::Open(pipe), 64).expect("a thread");
        let began = Instant::now();
        let mut submitted = 0_u64;
        let drops = writer.drops();
        while drops.load(Ordering::Relaxed) < 1000 {
            writer.submit("x".repeat(1024));
            submitted += 1;
            assert!(began.elapsed() < Duration::from_secs(20), "submitting must not block");
        }
        writer.flush(Duration::from_millis(10));
        drop(writer);
        let mut read = String::new();
        reader.read_to_string(&mut read).expect("the rest of the pipe");
        assert_eq!(read.lines().count() as u64, submitted - drops.load(Ordering::Relaxed));
    }

    #[test]
    fn a_full_disk_is_counted_and_survived() {
        let full = OpenOptions::new().write(true).open("/dev/full").expect("/dev/full");
        let writer = Writer::spawn("test", Target::Open(full)).expect("a thread");
        for _ in 0..3 {
            writer.submit("line".to_owned());
        }
        writer.flush(FLUSH_TIME);
        assert_eq!(writer.drops().load(Ordering::Relaxed), 3);
    }

    #[test]
    fn the_bytes_that_wait_are_bounded() {
        let (_reader, pipe) = io::pipe().expect("a pipe");
        let pipe = File::from(std::os::fd::OwnedFd::from(pipe));
        let writer = Writer::spawn("test", Target::Open(pipe)).expect("a thread");
        for _ in 0..64 {
            writer.submit("x".repeat(1024 * 1024));
        }
        assert!(writer.drops().load(Ordering::Relaxed) >= 64 - 2 * ((QUEUE_LINES * LINE_BYTES) as u64 >> 20) - 2);
    }

    #[test]
    fn a_rotated_file_is_opened_anew() {
        let directory = std::env::temp_dir().join(format!("adit-writer-{}", std::process::id()));
        std::fs::create_dir_all(&directory).expect("a directory");
        let (path, rotated) = (directory.join("log"), directory.join("log.1"));
        let writer = Writer::spawn("test", Target::File(path.clone())).expect("a file");
        writer.submit("before".to_owned());
        writer.flush(FLUSH_TIME);
        std::fs::rename(&path, &rotated).expect("the log is there");
        writer.reopen();
        writer.flush(FLUSH_TIME);
        writer.submit("after".to_owned());
        writer.flush(FLUSH_TIME);
        assert_eq!(std::fs::read_to_string(&rotated).expect("the old log"), "before\n");
        assert_eq!(std::fs::read_to_string(&path).expect("the new log"), "after\n");
        std::fs::remove_dir_all(&directory).expect("it can be removed");
    }
}
