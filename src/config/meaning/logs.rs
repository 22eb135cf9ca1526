//! `log` and `accessLog`.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use crate::config::AccessLog;
use crate::config::error::Error;
use crate::config::raw::{Setting, Settings};
use crate::config::scope::{Scope, bad};
use crate::telemetry::access::{AccessFormat, AccessSettings, Filters, Mode, Modes};
use crate::telemetry::logs::{Format, Level, LogSettings};

const MODES: [(&str, Mode); 3] = [("keep", Mode::Keep), ("drop", Mode::Drop), ("redact", Mode::Redact)];

pub(super) fn log(settings: &Settings) -> Result<LogSettings, Error> {
    let scope = Scope::new(settings, "log.");
    let mut log = LogSettings { file_path: scope.path("filePath"), ..LogSettings::default() };
    let levels = [
        ("TRACE", Level::Trace),
        ("DEBUG", Level::Debug),
        ("INFO", Level::Info),
        ("WARN", Level::Warn),
        ("ERROR", Level::Error),
        ("FATAL", Level::Fatal),
        ("PANIC", Level::Panic),
    ];
    scope.choice("level", &levels, &mut log.level)?;
    scope.choice("format", &[("common", Format::Common), ("json", Format::Json)], &mut log.format)?;
    scope.boolean("noColor", &mut log.no_color)?;
    Ok(log)
}

pub(super) fn access(settings: &Settings) -> Result<Option<AccessLog>, Error> {
    if !settings.is_on("accessLog") {
        return Ok(None);
    }
    let scope = Scope::new(settings, "accessLog.");
    let mut access = AccessSettings { file: scope.path("filePath"), ..AccessSettings::traefik() };
    let formats =
        [("common", AccessFormat::Common), ("genericCLF", AccessFormat::GenericClf), ("json", AccessFormat::Json)];
    scope.choice("format", &formats, &mut access.format)?;
    scope.parsed("bufferingSize", lines, "a whole number up to 1048576", &mut access.buffered_lines)?;
    access.filters = filters(scope)?;
    modes(settings, scope, "fields", &mut access.fields)?;
    modes(settings, scope, "fields.headers", &mut access.headers)?;
    scope.choice("fields.queryParameters.defaultMode", &MODES, &mut access.query)?;
    let mut log = AccessLog { settings: access, add_internals: false };
    scope.boolean("addInternals", &mut log.add_internals)?;
    Ok(Some(log))
}

/// The queue's room is taken at the start, so there is a bound to it.
fn lines(text: &str) -> Option<usize> {
    text.trim().parse().ok().filter(|lines| *lines <= 1 << 20)
}

fn filters(scope: Scope<'_>) -> Result<Filters, Error> {
    let mut filters = Filters::default();
    scope.boolean("filters.retryAttempts", &mut filters.retry_attempts)?;
    scope.duration("filters.minDuration", &mut filters.min_duration)?;
    scope.parsed("filters.sampleRate", super::tracing::share, "a number from 0 to 1", &mut filters.sample_rate)?;
    if let Some(setting) = scope.get("filters.statusCodes") {
        let expected = "statuses or ranges of them, such as 404 or 500-599";
        let codes = setting.values();
        let codes = codes.iter().map(|text| statuses(text).ok_or_else(|| bad(setting, expected)));
        filters.status_codes = codes.collect::<Result<_, Error>>()?;
    }
    Ok(filters)
}

fn statuses(text: &str) -> Option<RangeInclusive<u16>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
    (100 <= first && first <= last && last <= 599).then_some(first..=last)
}

fn modes(settings: &Settings, scope: Scope<'_>, group: &str, target: &mut Modes) -> Result<(), Error> {
    scope.choice(&format!("{group}.defaultMode"), &MODES, &mut target.default)?;
    let key = format!("accessLog.{group}.names._name_");
    let named = settings.iter().filter(|(_, setting)| setting.flag.key == key);
    target.names = named.map(|(_, setting)| mode(setting)).collect::<Result<BTreeMap<_, _>, Error>>()?;
    Ok(())
}

fn mode(setting: &Setting) -> Result<(String, Mode), Error> {
    let mode = MODES.iter().find(|(word, _)| word.eq_ignore_ascii_case(setting.value.trim()));
    let mode = mode.map(|(_, mode)| *mode).ok_or_else(|| bad(setting, "one of keep, drop, redact"))?;
    Ok((setting.name.as_deref().unwrap_or_default().to_ascii_lowercase(), mode))
}
