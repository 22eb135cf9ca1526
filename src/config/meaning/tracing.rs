//! `tracing`.

use std::collections::BTreeMap;

use http::uri::{Authority, Scheme};
use http::{HeaderName, HeaderValue, Uri};

use super::transport::{authority, pem};
use crate::config::error::Error;
use crate::config::raw::{Files, Settings};
use crate::config::scope::{Scope, bad};
use crate::config::{CollectorTls, Token, Tracing};
use crate::telemetry::traces::{Collector, TraceSettings, Transport};

/// Traefik's default path, and that of OTLP.
const PATH: &str = "/v1/traces";

pub(super) fn read(settings: &Settings, files: Files<'_>) -> Result<Option<Tracing>, Error> {
    // A group that is switched off inside one that nobody names does not switch that on.
    let off = settings.get("tracing.otlp").is_some() && !settings.is_on("tracing.otlp");
    let unwanted = off && settings.get("tracing").is_none();
    if !settings.is_on("tracing") || unwanted {
        return Ok(None);
    }
    let scope = Scope::new(settings, "tracing.");
    let mut traces = TraceSettings::default();
    if let Some(name) = scope.text("serviceName") {
        traces.service_name = name.to_owned();
    }
    scope.parsed("sampleRate", share, "a number from 0 to 1", &mut traces.sample_rate)?;
    traces.resource = family(settings, "tracing.globalAttributes");
    traces.resource.extend(family(settings, "tracing.resourceAttributes"));
    traces.request_headers = headers(scope, "capturedRequestHeaders")?;
    traces.response_headers = headers(scope, "capturedResponseHeaders")?;
    traces.safe_query_params = scope.list("safeQueryParams");
    let transport = if settings.is_on("tracing.otlp.grpc") { Transport::Grpc } else { Transport::Http };
    let group = match transport {
        Transport::Http => "tracing.otlp.http",
        Transport::Grpc => "tracing.otlp.grpc",
    };
    let prefix = format!("{group}.");
    let otlp = Scope::new(settings, &prefix);
    traces.collector = Collector {
        transport,
        endpoint: match transport {
            Transport::Http => http_endpoint(otlp)?,
            Transport::Grpc => grpc_endpoint(otlp)?,
        },
        headers: fields(settings, &format!("{prefix}headers._name_"))?,
    };
    let mut tls = CollectorTls { group, ..CollectorTls::default() };
    let file = |key| otlp.text(key).map(|given| authority(given, files, &format!("{prefix}{key}"))).transpose();
    (tls.ca, tls.certificate) = (file("tls.ca")?, file("tls.cert")?);
    tls.key = otlp
        .text("tls.key")
        .map(|given| pem(given, files, "a key in PEM", &format!("{prefix}tls.key")))
        .transpose()?
        .map(Token);
    otlp.boolean("tls.insecureSkipVerify", &mut tls.insecure_skip_verify)?;
    let mut tracing = Tracing { settings: traces, tls, add_internals: false };
    scope.boolean("addInternals", &mut tracing.add_internals)?;
    Ok(Some(tracing))
}

/// A share of all; what is no number is none.
pub(super) fn share(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|share| (0.0..=1.0).contains(share))
}

fn headers(scope: Scope<'_>, key: &str) -> Result<Vec<HeaderName>, Error> {
    // They were names of headers a moment ago.
    Ok(scope.headers(key)?.iter().filter_map(|name| HeaderName::try_from(&**name).ok()).collect())
}

/// Everything below a key, by what is below it.
fn family(settings: &Settings, key: &str) -> BTreeMap<String, String> {
    let prefix = format!("{}.", key.to_ascii_lowercase());
    let below = settings.iter().filter_map(|(path, setting)| Some((path.strip_prefix(&prefix)?, &setting.value)));
    below.map(|(name, value)| (name.to_owned(), value.clone())).collect()
}

fn http_endpoint(otlp: Scope<'_>) -> Result<Uri, Error> {
    let mut endpoint = Collector::default().endpoint;
    let parse = |text: &str| {
        let mut parts = text.trim().parse::<Uri>().ok()?.into_parts();
        let known = parts.scheme.as_ref().is_some_and(|scheme| *scheme == Scheme::HTTP || *scheme == Scheme::HTTPS);
        if !known || parts.authority.as_ref()?.host().is_empty() {
            return None;
        }
        if parts.path_and_query.as_ref().is_none_or(|path| path.as_str() == "/") {
            parts.path_and_query = PATH.parse().ok();
        }
        Uri::from_parts(parts).ok()
    };
    otlp.parsed("endpoint", parse, "a URL such as http://collector:4318", &mut endpoint)?;
    Ok(endpoint)
}

fn grpc_endpoint(otlp: Scope<'_>) -> Result<Uri, Error> {
    let mut insecure = false;
    otlp.boolean("insecure", &mut insecure)?;
    let mut authority = Authority::from_static("localhost:4317");
    let parse = |text: &str| {
        let authority = text.trim().parse::<Authority>().ok()?;
        (authority.port_u16().is_some() && !authority.host().is_empty()).then_some(authority)
    };
    otlp.parsed("endpoint", parse, "a host and a port such as collector:4317", &mut authority)?;
    let scheme = if insecure { Scheme::HTTP } else { Scheme::HTTPS };
    let parts = Uri::builder().scheme(scheme).authority(authority).path_and_query("/");
    Ok(parts.build().unwrap_or_default())
}

fn fields(settings: &Settings, key: &str) -> Result<Vec<(HeaderName, HeaderValue)>, Error> {
    let given = settings.iter().filter(|(_, setting)| setting.flag.key == key);
    let field = given.map(|(_, setting)| {
        let name = HeaderName::try_from(setting.name.as_deref().unwrap_or_default());
        let value = HeaderValue::try_from(setting.value.as_str());
        match (name, value) {
            (Ok(name), Ok(value)) => Ok((name, value)),
            _ => Err(bad(setting, "the value of a header")),
        }
    });
    field.collect()
}
