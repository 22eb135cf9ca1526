//! What the fuzz targets call, and what their corpora are replayed through: one function for each kind of hostile input.
//! Only there in a build for fuzzing or testing: nothing of it is public otherwise. `fuzz/` has the targets.

mod hostile;
mod manifests;

#[cfg(test)]
mod tests;

pub use crate::config::fuzzing::{settings, values};
pub use crate::proxy::fuzzing::{answer, body, host, path, proxy_header, request_head};
pub use crate::telemetry::access::fuzzing::line;
pub use manifests::{annotations, objects, text};

/// What is called with each input.
pub type Target = fn(&[u8]);

/// The targets, by the names of their corpora.
pub const TARGETS: &[(&str, Target)] = &[
    ("access_log", line),
    ("annotations", annotations),
    ("answer", answer),
    ("body", body),
    ("host", host),
    ("manifest_objects", objects),
    ("manifest_text", text),
    ("path", path),
    ("proxy_protocol", proxy_header),
    ("request_head", request_head),
    ("settings", settings),
    ("values", values),
];
