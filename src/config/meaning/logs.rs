//! `log` and `accessLog`.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use crate::config::error::Error;
use crate::config::raw::{Setting, Settings};
use crate::config::scope::{Scope, bad};
use crate::config::{
    AccessFields, AccessFilters, AccessFormat, AccessLog, FieldMode, FieldModes, Log, LogFormat, LogLevel,
};

const MODES: [(&str, FieldMode); 3] =
    [("keep", FieldMode::Keep), ("drop", FieldMode::Drop), ("redact", FieldMode::Redact)];

pub(super) fn log(settings: &Settings) -> Result<Log, Error> {
    let scope = Scope::new(settings, "log.");
    let mut log = Log { file: scope.path("filePath"), ..Log::default() };
    let levels = [
        ("TRACE", LogLevel::Trace),
        ("DEBUG", LogLevel::Debug),
        ("INFO", LogLevel::Info),
        ("WARN", LogLevel::Warn),
        ("ERROR", LogLevel::Error),
        ("FATAL", LogLevel::Fatal),
        ("PANIC", LogLevel::Panic),
    ];
    scope.choice("level", &levels, &mut log.level)?;
    scope.choice("format", &[("common", LogFormat::Common), ("json", LogFormat::Json)], &mut log.format)?;
    scope.boolean("noColor", &mut log.no_color)?;
    Ok(log)
}

pub(super) fn access(settings: &Settings) -> Result<Option<AccessLog>, Error> {
    if !settings.is_on("accessLog") {
        return Ok(None);
    }
    let scope = Scope::new(settings, "accessLog.");
    let mut log = AccessLog { file: scope.path("filePath"), ..AccessLog::default() };
    let formats =
        [("common", AccessFormat::Common), ("genericCLF", AccessFormat::GenericClf), ("json", AccessFormat::Json)];
    scope.choice("format", &formats, &mut log.format)?;
    scope.number("bufferingSize", 0, &mut log.buffering_size)?;
    scope.boolean("addInternals", &mut log.add_internals)?;
    log.filters = filters(scope)?;
    log.fields = fields(settings, scope)?;
    Ok(Some(log))
}

fn filters(scope: Scope<'_>) -> Result<AccessFilters, Error> {
    let mut filters = AccessFilters::default();
    scope.boolean("filters.retryAttempts", &mut filters.retry_attempts)?;
    scope.duration("filters.minDuration", &mut filters.min_duration)?;
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

fn fields(settings: &Settings, scope: Scope<'_>) -> Result<AccessFields, Error> {
    let mut fields = AccessFields::default();
    modes(settings, scope, "fields.defaultMode", "accessLog.fields.names._name_", &mut fields.fields)?;
    modes(settings, scope, "fields.headers.defaultMode", "accessLog.fields.headers.names._name_", &mut fields.headers)?;
    scope.choice("fields.queryParameters.defaultMode", &MODES, &mut fields.query)?;
    Ok(fields)
}

fn modes(
    settings: &Settings,
    scope: Scope<'_>,
    default: &str,
    names: &str,
    target: &mut FieldModes,
) -> Result<(), Error> {
    scope.choice(default, &MODES, &mut target.default)?;
    let named = settings.iter().filter(|(_, setting)| setting.flag.key == names);
    target.names = named.map(|(_, setting)| mode(setting)).collect::<Result<BTreeMap<_, _>, Error>>()?;
    Ok(())
}

fn mode(setting: &Setting) -> Result<(String, FieldMode), Error> {
    let mode = MODES.iter().find(|(word, _)| word.eq_ignore_ascii_case(setting.value.trim()));
    let mode = mode.map(|(_, mode)| *mode).ok_or_else(|| bad(setting, "one of keep, drop, redact"))?;
    Ok((setting.name.as_deref().unwrap_or_default().to_ascii_lowercase(), mode))
}
