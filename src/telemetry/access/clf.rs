//! Common Log Format as Traefik writes it, with or without its four fields at the end.

use std::borrow::Cow;
use std::fmt::Write as _;

use jiff::Timestamp;

use super::REDACTED;
use super::record::AccessRecord;
use super::settings::{AccessSettings, Mode};
use crate::telemetry::escape;

/// What follows the user agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tail {
    /// The request's number, router, server and duration.
    Traefik,
    /// Nothing.
    None,
}

pub(super) fn write(out: &mut String, record: &AccessRecord, number: u64, settings: &AccessSettings, tail: Tail) {
    let field = |name: &str, value: Option<&str>| -> Option<String> {
        let value = value?;
        match settings.fields.of(name) {
            Mode::Keep => Some(value.to_owned()),
            Mode::Redact => Some(REDACTED.to_owned()),
            Mode::Drop => None,
        }
    };
    word(out, field("ClientHost", Some(&record.client_host())));
    out.push_str(" - ");
    word(out, field("ClientUsername", record.user.as_deref()));
    let time = Timestamp::try_from(record.start).unwrap_or(Timestamp::UNIX_EPOCH);
    let _ = write!(out, " [{}] \"", time.strftime("%d/%b/%Y:%H:%M:%S +0000"));
    word(out, field("RequestMethod", Some(record.method.as_str())));
    out.push(' ');
    word(out, field("RequestPath", Some(&record.path(settings.query))));
    out.push(' ');
    word(out, field("RequestProtocol", Some(record.protocol)));
    out.push_str("\" ");
    word(out, field("DownstreamStatus", Some(&record.status.to_string())));
    out.push(' ');
    word(out, field("DownstreamContentSize", Some(&record.response_bytes.to_string())));
    out.push(' ');
    quoted(out, header(record, "referer"));
    out.push(' ');
    quoted(out, header(record, "user-agent"));
    if tail == Tail::None {
        return;
    }
    out.push(' ');
    word(out, field("RequestCount", Some(&number.to_string())));
    out.push(' ');
    quoted(out, field("RouterName", record.router.as_deref()).map(Cow::Owned));
    out.push(' ');
    let url = record.origin.as_ref().map(|origin| origin.url.as_str());
    quoted(out, field("ServiceURL", url).map(Cow::Owned));
    let _ = write!(out, " {}ms", record.duration.as_millis());
}

fn header<'a>(record: &'a AccessRecord, name: &str) -> Option<Cow<'a, str>> {
    let (_, value) = record.request_headers.iter().find(|(kept, _)| kept.as_str() == name)?;
    Some(String::from_utf8_lossy(value.as_bytes()))
}

fn word(out: &mut String, value: Option<String>) {
    match value {
        Some(value) if !value.is_empty() => escape::word(out, &value),
        _ => out.push('-'),
    }
}

fn quoted(out: &mut String, value: Option<Cow<'_, str>>) {
    out.push('"');
    match value {
        Some(value) if !value.is_empty() => escape::inside_quotes(out, &value),
        _ => out.push('-'),
    }
    out.push('"');
}
