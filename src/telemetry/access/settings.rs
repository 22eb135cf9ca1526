//! `accessLog`: the format, which exchanges are logged, and what is said of them.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

/// `accessLog`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccessSettings {
    /// `format`.
    pub format: AccessFormat,
    /// `filePath`; `None` is standard output.
    pub file: Option<PathBuf>,
    /// `bufferingSize`: lines that may wait to be written, if that is more than wait anyway.
    pub buffered_lines: usize,
    /// `filters`.
    pub filters: Filters,
    /// `fields`: all fields, unless named otherwise.
    pub fields: Modes,
    /// `fields.headers`. Their default mode is to drop them: see [`Self::default_headers`].
    pub headers: Modes,
    /// `fields.queryParameters`.
    pub query: Mode,
}

impl AccessSettings {
    /// Traefik's default for headers: none is logged.
    pub fn default_headers() -> Modes {
        Modes { default: Mode::Drop, names: BTreeMap::new() }
    }

    /// Every default of Traefik's.
    pub fn traefik() -> Self {
        Self { headers: Self::default_headers(), ..Self::default() }
    }
}

/// `accessLog.format`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AccessFormat {
    /// Common Log Format and four fields of Traefik's.
    #[default]
    Common,
    /// Common Log Format with referrer and user agent.
    GenericClf,
    /// One JSON object per line.
    Json,
}

/// `accessLog.filters`: an exchange is logged when any of them keeps it, or when there are none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filters {
    /// Statuses that are kept.
    pub status_codes: Vec<RangeInclusive<u16>>,
    /// Exchanges with a retry are kept.
    pub retry_attempts: bool,
    /// Exchanges that took longer are kept; zero is no such filter.
    pub min_duration: Duration,
}

impl Filters {
    pub(super) fn keep(&self, status: u16, retries: u32, duration: Duration) -> bool {
        let none = self.status_codes.is_empty() && !self.retry_attempts && self.min_duration.is_zero();
        none || self.status_codes.iter().any(|range| range.contains(&status))
            || (self.retry_attempts && retries > 0)
            || (!self.min_duration.is_zero() && duration > self.min_duration)
    }
}

/// What becomes of a field, header or query.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// It is logged.
    #[default]
    Keep,
    /// It is left out.
    Drop,
    /// Its value is replaced.
    Redact,
}

/// A mode for most, and modes for some.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Modes {
    /// `defaultMode`.
    pub default: Mode,
    /// `names`, lower-case.
    pub names: BTreeMap<String, Mode>,
}

impl Modes {
    /// The mode that `name` was given by itself, in any case.
    pub(super) fn named(&self, name: &str) -> Option<Mode> {
        if self.names.is_empty() {
            return None;
        }
        self.names.get(name.to_ascii_lowercase().as_str()).copied()
    }

    /// The mode of `name`.
    pub(super) fn of(&self, name: &str) -> Mode {
        self.named(name).unwrap_or(self.default)
    }

    pub(super) fn drops_all(&self) -> bool {
        self.default == Mode::Drop && self.names.values().all(|mode| *mode == Mode::Drop)
    }
}
