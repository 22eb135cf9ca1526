//! The process log, in Traefik's two formats. A line is formatted where it happens and written elsewhere, so that no
//! level can make a worker wait.

use std::fmt::{self, Write as _};
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{Context, SubscriberExt as _};

use super::writer::{FLUSH_TIME, Line, Target, Writer};
use super::{chain, escape};

/// Crates whose own events are of use only to those who work on them. They are shown from WARN on, and at TRACE from
/// DEBUG on: below that some print whole frames, and with them cookies.
const DEPENDENCIES: &[&str] =
    &["h2", "hyper", "hyper_util", "hyper_rustls", "notify", "rustls", "tokio_rustls", "tower"];

/// The Kubernetes client's crates. They log each try of each watch; the source says the same once, so that an outage does
/// not fill the log. From DEBUG on they are shown like the rest.
const KUBE: &[&str] = &["kube", "kube_client", "kube_runtime"];

/// `log.level`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Level {
    /// Everything.
    Trace,
    /// What each decision was based on.
    Debug,
    /// What changed. Traefik's default is ERROR, which hides refused rules.
    #[default]
    Info,
    /// What may be wrong.
    Warn,
    /// What is wrong.
    Error,
    /// As ERROR: adit logs nothing above it.
    Fatal,
    /// As ERROR.
    Panic,
}

/// A level or format that is not one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not one of {known}")]
pub struct UnknownName {
    text: String,
    known: &'static str,
}

impl FromStr for Level {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        match text.to_ascii_uppercase().as_str() {
            "TRACE" => Ok(Self::Trace),
            "DEBUG" => Ok(Self::Debug),
            "INFO" => Ok(Self::Info),
            "WARN" | "WARNING" => Ok(Self::Warn),
            "ERROR" => Ok(Self::Error),
            "FATAL" => Ok(Self::Fatal),
            "PANIC" => Ok(Self::Panic),
            _ => Err(UnknownName { text: text.to_owned(), known: "TRACE, DEBUG, INFO, WARN, ERROR, FATAL, PANIC" }),
        }
    }
}

impl Level {
    fn filter(self) -> LevelFilter {
        match self {
            Self::Trace => LevelFilter::TRACE,
            Self::Debug => LevelFilter::DEBUG,
            Self::Info => LevelFilter::INFO,
            Self::Warn => LevelFilter::WARN,
            Self::Error | Self::Fatal | Self::Panic => LevelFilter::ERROR,
        }
    }

    /// Traefik names the place in the source at DEBUG and below.
    fn shows_caller(self) -> bool {
        matches!(self, Self::Trace | Self::Debug)
    }
}

/// `log.format`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// For people: `2026-07-24T10:33:15Z INF adit::control > message key=value`.
    #[default]
    Common,
    /// One JSON object per line.
    Json,
}

impl FromStr for Format {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        match text.to_ascii_lowercase().as_str() {
            "common" => Ok(Self::Common),
            "json" => Ok(Self::Json),
            _ => Err(UnknownName { text: text.to_owned(), known: "common, json" }),
        }
    }
}

/// `log`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogSettings {
    /// What is shown.
    pub level: Level,
    /// How.
    pub format: Format,
    /// No colours even on a terminal.
    pub no_color: bool,
    /// A file instead of standard output.
    pub file_path: Option<PathBuf>,
}

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Its file cannot be opened.
    #[error("open the log {}; log.filePath must name a file that can be written, and is standard output without", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Standard output cannot be used, or no thread can be started.
    #[error("start the log's writer")]
    Start(#[source] io::Error),
    /// Another log was set up before.
    #[error("a log is already set up")]
    Twice,
}

/// Keeps the log's writer; dropping it writes what is left, within [`FLUSH_TIME`].
pub struct LogGuard(Arc<Writer<String>>);

impl LogGuard {
    /// Counts the lines that were dropped.
    pub fn drops(&self) -> Arc<AtomicU64> {
        self.0.drops()
    }

    /// Opens the log's file anew (SIGUSR1).
    pub fn reopen(&self) {
        self.0.reopen();
    }
}

impl Drop for LogGuard {
    fn drop(&mut self) {
        self.0.flush(FLUSH_TIME);
    }
}

impl fmt::Debug for LogGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LogGuard")
    }
}

/// Sets up the log of this process. Once.
pub fn init(settings: &LogSettings) -> Result<LogGuard, Error> {
    let color = !settings.no_color && settings.file_path.is_none() && io::stdout().is_terminal();
    let target = settings.file_path.clone().map_or(Target::Stdout, Target::File);
    let writer = Writer::spawn("log", target).map_err(|source| match settings.file_path.clone() {
        Some(path) => Error::Open { path, source },
        None => Error::Start(source),
    })?;
    let writer = Arc::new(writer);
    tracing::subscriber::set_global_default(subscriber(settings, color, writer.clone())).map_err(|_| Error::Twice)?;
    Ok(LogGuard(writer))
}

fn subscriber(settings: &LogSettings, color: bool, writer: Arc<Writer<String>>) -> impl Subscriber + Send + Sync {
    let level = settings.level.filter();
    let theirs = if settings.level == Level::Trace { LevelFilter::DEBUG } else { level.min(LevelFilter::WARN) };
    let kube = if level >= LevelFilter::DEBUG { theirs } else { LevelFilter::OFF };
    let filter = Targets::new()
        .with_default(level)
        .with_targets(DEPENDENCIES.iter().map(|target| (*target, theirs)))
        .with_targets(KUBE.iter().map(|target| (*target, kube)));
    let lines = Lines { format: settings.format, color, caller: settings.level.shows_caller(), writer };
    tracing_subscriber::registry().with(filter).with(lines)
}

/// Turns events into lines.
struct Lines {
    format: Format,
    color: bool,
    caller: bool,
    writer: Arc<Writer<String>>,
}

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let line = match self.format {
            Format::Common => self.common(event, &fields),
            Format::Json => self.json(event, fields),
        };
        self.writer.submit(line);
    }
}

impl Lines {
    fn common(&self, event: &Event<'_>, fields: &Fields) -> String {
        let meta = event.metadata();
        let paint = |code| if self.color { code } else { "" };
        let (name, color) = match *meta.level() {
            tracing::Level::TRACE => ("TRC", "\x1b[34m"),
            tracing::Level::DEBUG => ("DBG", "\x1b[33m"),
            tracing::Level::INFO => ("INF", "\x1b[32m"),
            tracing::Level::WARN => ("WRN", "\x1b[31m"),
            tracing::Level::ERROR => ("ERR", "\x1b[1;31m"),
        };
        let (gray, end) = (paint("\x1b[90m"), paint("\x1b[0m"));
        let mut line = format!("{gray}{}{end} {}{name}{end} {gray}", now("%Y-%m-%dT%H:%M:%SZ"), paint(color));
        match (self.caller, meta.file(), meta.line()) {
            (true, Some(file), Some(number)) => _ = write!(line, "{file}:{number}"),
            _ => line.push_str(meta.target()),
        }
        line.push_str(" >");
        line.push_str(end);
        if !fields.message.is_empty() {
            line.push(' ');
            escape::prose(&mut line, &fields.message);
        }
        for (key, value) in &fields.others {
            line.push(' ');
            line.push_str(paint("\x1b[36m"));
            line.push_str(key);
            line.push('=');
            line.push_str(end);
            match value {
                Value::String(text) if !escape::is_plain(text) => {
                    line.push('"');
                    escape::inside_quotes(&mut line, text);
                    line.push('"');
                }
                Value::String(text) => line.push_str(text),
                number => _ = write!(line, "{number}"),
            }
        }
        line
    }

    fn json(&self, event: &Event<'_>, fields: Fields) -> String {
        let meta = event.metadata();
        let level = match *meta.level() {
            tracing::Level::TRACE => "trace",
            tracing::Level::DEBUG => "debug",
            tracing::Level::INFO => "info",
            tracing::Level::WARN => "warn",
            tracing::Level::ERROR => "error",
        };
        // By hand, so that level and time come first as in Traefik's; serde_json escapes every value.
        let mut line = format!("{{\"level\":\"{level}\",\"time\":\"{}\"", now("%Y-%m-%dT%H:%M:%SZ"));
        if let (true, Some(file), Some(number)) = (self.caller, meta.file(), meta.line()) {
            member(&mut line, "caller", &Value::String(format!("{file}:{number}")));
        }
        for (key, value) in fields.others {
            let key = if matches!(key, "level" | "time" | "caller" | "message") { "field" } else { key };
            member(&mut line, key, &value);
        }
        member(&mut line, "message", &Value::String(fields.message));
        line.push('}');
        line
    }
}

fn member(line: &mut String, key: &str, value: &Value) {
    let _ = write!(line, ",{}:{value}", Value::String(key.to_owned()));
}

/// The time of this moment in UTC.
fn now(format: &str) -> String {
    jiff::Timestamp::now().strftime(format).to_string()
}

/// What an event says.
#[derive(Default)]
struct Fields {
    message: String,
    others: Vec<(&'static str, Value)>,
}

impl Fields {
    fn put(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            ("message", Value::String(text)) => self.message = text,
            ("message", value) => self.message = value.to_string(),
            (name, value) => self.others.push((name, value)),
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, Value::String(format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, Value::String(value.to_owned()));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.put(field, Value::String(chain(value)));
    }
}

impl Line for String {
    fn weight(&self) -> usize {
        self.len()
    }

    fn write(&self, out: &mut String) {
        out.push_str(self);
        out.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Read;
    use std::os::fd::OwnedFd;

    use super::*;

    /// What `log` writes at `settings`, as text, with the times cut off.
    fn logged(settings: &LogSettings, color: bool, log: impl FnOnce()) -> String {
        let (mut reader, pipe) = io::pipe().expect("a pipe");
        let target = Target::Open(File::from(OwnedFd::from(pipe)));
        let writer = Arc::new(Writer::spawn("test-log", target).expect("a thread"));
        tracing::subscriber::with_default(subscriber(settings, color, writer.clone()), log);
        drop(LogGuard(writer));
        let mut text = String::new();
        reader.read_to_string(&mut text).expect("the pipe ends with its writer");
        text
    }

    #[test]
    fn the_common_format_is_traefiks() {
        let text = logged(&LogSettings::default(), false, || {
            tracing::info!(target: "adit::control", routes = 3, host = "weather.lvh.me", "table installed");
            tracing::debug!("not shown");
        });
        let (time, rest) = text.split_at(20);
        assert!(time.parse::<jiff::Timestamp>().is_ok(), "{time}");
        assert_eq!(rest, " INF adit::control > table installed routes=3 host=weather.lvh.me\n");
    }

    #[test]
    fn the_json_format_has_traefiks_keys() {
        let settings = LogSettings { format: Format::Json, level: Level::Debug, ..LogSettings::default() };
        let text = logged(&settings, false, || tracing::debug!(n = 1, ok = true, "a \"b\"\n\x1b[2J"));
        let value: Value = serde_json::from_str(&text).expect("one object");
        assert_eq!(value["level"], "debug");
        assert_eq!(value["message"], "a \"b\"\n\x1b[2J");
        assert_eq!((&value["n"], &value["ok"]), (&Value::from(1), &Value::from(true)));
        assert!(value["caller"].as_str().is_some_and(|caller| caller.contains("logs.rs:")), "{text}");
        assert!(text.starts_with("{\"level\":\"debug\",\"time\":\""), "{text}");
        assert_eq!(text.lines().count(), 1);
    }

    #[test]
    fn hostile_values_stay_on_their_line_and_move_no_cursor() {
        let text = logged(&LogSettings::default(), false, || {
            tracing::warn!(path = "/a\r\n2026 INF forged\x1b[2J \"q\"", "odd path \n forged");
        });
        assert_eq!(text.lines().count(), 1);
        assert!(text.ends_with("> odd path \\n forged path=\"/a\\r\\n2026 INF forged\\x1b[2J \\\"q\\\"\"\n"), "{text}");
    }

    #[test]
    fn a_terminal_gets_colours() {
        let text = logged(&LogSettings::default(), true, || tracing::error!("bad"));
        assert!(text.contains("\x1b[1;31mERR\x1b[0m"), "{text:?}");
    }

    #[test]
    fn the_dependencies_are_quiet_below_trace() {
        let log = || {
            tracing::debug!(target: "kube_client::client", "noise");
            tracing::trace!(target: "h2::codec", "frame with a cookie");
            tracing::warn!(target: "kube_client", "watch failed");
        };
        let debug = logged(&LogSettings { level: Level::Debug, ..LogSettings::default() }, false, log);
        assert_eq!(debug.lines().count(), 1, "{debug}");
        let trace = logged(&LogSettings { level: Level::Trace, ..LogSettings::default() }, false, log);
        assert!(trace.contains("noise") && !trace.contains("cookie"), "{trace}");
        assert_eq!(logged(&LogSettings::default(), false, log), "");
    }

    #[test]
    fn an_error_is_logged_with_its_causes() {
        let error = Error::Open { path: "/x".into(), source: io::Error::other("no room") };
        let text = logged(&LogSettings::default(), false, || {
            tracing::error!(error = &error as &(dyn std::error::Error + 'static), "cannot log");
        });
        assert!(text.ends_with(": no room\"\n"), "{text}");
    }

    #[test]
    fn levels_are_read_in_any_case() {
        assert_eq!("debug".parse(), Ok(Level::Debug));
        assert_eq!("PANIC".parse(), Ok(Level::Panic));
        assert!("loud".parse::<Level>().is_err());
    }
}
