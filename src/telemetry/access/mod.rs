//! The access log: one line per exchange, with Traefik's fields, formatted and written off the request path.

mod clf;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod json;
mod record;
mod settings;

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};

use super::writer::{FLUSH_TIME, Line, QUEUE_LINES, Target, Writer};
pub(super) use record::redacted;
pub use record::{AccessRecord, Origin, SpanName};
pub use settings::{AccessFormat, AccessSettings, Filters, Mode, Modes};

/// What a redacted value is replaced by.
pub(super) const REDACTED: &str = "REDACTED";

/// Headers that are credentials: they are redacted even where all headers are kept, unless their own name is.
const CREDENTIALS: &[&str] =
    &["authorization", "cookie", "proxy-authorization", "set-cookie", "x-api-key", "x-auth-token"];

/// Takes records and has them written.
pub struct AccessLog {
    settings: Arc<AccessSettings>,
    writer: Writer<Entry>,
    count: AtomicU64,
    samples: AtomicU64,
}

/// A record on its way to the writer.
struct Entry {
    record: Arc<AccessRecord>,
    /// How many records were submitted up to this one.
    number: u64,
    settings: Arc<AccessSettings>,
}

impl AccessLog {
    /// Starts the log's writer. Fails when its file cannot be opened.
    pub fn start(settings: AccessSettings) -> io::Result<Self> {
        let target = settings.file.clone().map_or(Target::Stdout, Target::File);
        Self::start_on(settings, target)
    }

    /// Starts the log's writer on `target`, whatever the settings say.
    pub fn start_on(settings: AccessSettings, target: Target) -> io::Result<Self> {
        // Never less: Traefik makes requests wait for a full buffer, and here its lines would be lost.
        let lines = settings.buffered_lines.max(QUEUE_LINES);
        Ok(Self {
            settings: Arc::new(settings),
            writer: Writer::with_capacity("access-log", target, lines)?,
            count: AtomicU64::new(0),
            samples: AtomicU64::new(0),
        })
    }

    /// Whether such an exchange is logged. Ask once.
    pub fn wants(&self, status: u16, retries: u32, duration: Duration) -> bool {
        self.settings.filters.keep(status, retries, duration, &self.samples)
    }

    /// The headers of `headers` that are logged, with redacted values replaced: nothing secret enters the queue.
    pub fn capture(&self, headers: &HeaderMap) -> Vec<(HeaderName, HeaderValue)> {
        let modes = &self.settings.headers;
        if modes.drops_all() {
            return Vec::new();
        }
        let kept = headers.iter().filter_map(|(name, value)| {
            let mode = match modes.named(name.as_str()) {
                Some(mode) => mode,
                None if modes.default == Mode::Keep && CREDENTIALS.contains(&name.as_str()) => Mode::Redact,
                None => modes.default,
            };
            match mode {
                Mode::Keep => Some((name.clone(), value.clone())),
                Mode::Redact => Some((name.clone(), HeaderValue::from_static(REDACTED))),
                Mode::Drop => None,
            }
        });
        kept.collect()
    }

    /// Hands a record over. Never blocks: when the writer cannot keep up, the record is dropped and counted.
    pub fn submit(&self, record: impl Into<Arc<AccessRecord>>) {
        let number = self.count.fetch_add(1, Relaxed).wrapping_add(1);
        self.writer.submit(Entry { record: record.into(), number, settings: self.settings.clone() });
    }

    /// Counts the records that were dropped.
    pub fn drops(&self) -> Arc<AtomicU64> {
        self.writer.drops()
    }

    /// Opens the log's file anew (SIGUSR1).
    pub fn reopen(&self) {
        self.writer.reopen();
    }

    /// Waits until what was submitted is written, for at most [`FLUSH_TIME`].
    pub fn flush(&self) {
        self.writer.flush(FLUSH_TIME);
    }
}

impl fmt::Debug for AccessLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessLog").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Line for Entry {
    fn weight(&self) -> usize {
        self.record.weight()
    }

    fn write(&self, out: &mut String) {
        match self.settings.format {
            AccessFormat::Common => clf::write(out, &self.record, self.number, &self.settings, clf::Tail::Traefik),
            AccessFormat::GenericClf => clf::write(out, &self.record, self.number, &self.settings, clf::Tail::None),
            AccessFormat::Json => json::write(out, &self.record, self.number, &self.settings),
        }
        out.push('\n');
    }
}

#[cfg(test)]
mod tests;
