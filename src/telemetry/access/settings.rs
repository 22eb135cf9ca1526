//! `accessLog`: the format, which exchanges are logged, and what is said of them.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// `accessLog`.
#[derive(Clone, Debug, Default, PartialEq)]
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
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filters {
    /// Statuses that are kept.
    pub status_codes: Vec<RangeInclusive<u16>>,
    /// Exchanges with a retry are kept.
    pub retry_attempts: bool,
    /// Exchanges that took longer are kept; zero is no such filter.
    pub min_duration: Duration,
    /// This share of all exchanges is kept, from 0 to 1; zero is no such filter. Traefik has none.
    pub sample_rate: f64,
}

impl Filters {
    /// `samples` counts the exchanges that only the share can keep.
    pub(super) fn keep(&self, status: u16, retries: u32, duration: Duration, samples: &AtomicU64) -> bool {
        let sampled = self.sample_rate > 0.0;
        let none = self.status_codes.is_empty() && !self.retry_attempts && self.min_duration.is_zero() && !sampled;
        none || self.status_codes.iter().any(|range| range.contains(&status))
            || (self.retry_attempts && retries > 0)
            || (!self.min_duration.is_zero() && duration > self.min_duration)
            || (sampled && self.samples(samples.fetch_add(1, Relaxed)))
    }

    /// Whether the exchange of this number is of the share: multiples of the golden ratio, which spread evenly, so that of
    /// any hundred exchanges one in a hundred is kept, and no pattern of theirs meets one of ours.
    fn samples(&self, number: u64) -> bool {
        let spread = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        // 53 bits are what a double holds.
        ((spread >> 11) as f64) < self.sample_rate * (1_u64 << 53) as f64
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
