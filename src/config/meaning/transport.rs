//! `serversTransport`.

use std::path::Path;
use std::sync::Arc;

use crate::config::ServersTransport;
use crate::config::error::Error;
use crate::config::raw::{Files, Settings};
use crate::config::scope::Scope;

pub(super) fn read(settings: &Settings, files: Files<'_>) -> Result<ServersTransport, Error> {
    let scope = Scope::new(settings, "serversTransport.");
    let mut transport = ServersTransport::default();
    scope.boolean("insecureSkipVerify", &mut transport.insecure_skip_verify)?;
    let default = transport.max_idle_per_endpoint;
    let idle = |text: &str| match text.trim().parse::<i64>().ok()? {
        0 => Some(default),
        most => Some(usize::try_from(most).unwrap_or(0)),
    };
    scope.parsed("maxIdleConnsPerHost", idle, "a whole number", &mut transport.max_idle_per_endpoint)?;
    scope.duration("forwardingTimeouts.dialTimeout", &mut transport.dial)?;
    scope.duration("forwardingTimeouts.responseHeaderTimeout", &mut transport.response_header)?;
    scope.duration("forwardingTimeouts.idleConnTimeout", &mut transport.idle)?;
    transport.root_cas = scope
        .list("rootCAs")
        .iter()
        .map(|given| authority(given, files, "serversTransport.rootCAs"))
        .collect::<Result<_, Error>>()?;
    Ok(transport)
}

/// A certificate authority is given as PEM text or as a file that holds it.
pub(super) fn authority(given: &str, files: Files<'_>, flag: &str) -> Result<Arc<str>, Error> {
    pem(given, files, "certificates in PEM", flag).map(Into::into)
}

/// PEM text, or what a file holds of it. `flag` is what names it.
pub(super) fn pem(given: &str, files: Files<'_>, expected: &str, flag: &str) -> Result<String, Error> {
    if given.contains("-----BEGIN ") {
        return Ok(given.to_owned());
    }
    let path = Path::new(given);
    let named = |what: &str| format!("{what} ({flag} names it)");
    let text = files(path).map_err(|error| Error::Read { path: path.to_owned(), reason: named(&error.to_string()) })?;
    if !text.contains("-----BEGIN ") {
        return Err(Error::Syntax { path: path.to_owned(), reason: named(&format!("expected {expected}")) });
    }
    Ok(text)
}
