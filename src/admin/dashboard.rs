//! `/dashboard/`: plain modules, compiled in as they are written. They ask the API beside them and nothing else.

use bytes::Bytes;
use http::{Response, StatusCode};

use super::reply;

/// A file of the dashboard: its path, its media type, its text.
macro_rules! file {
    ($name:literal, $media_type:literal) => {
        (concat!("/dashboard/", $name), $media_type, include_str!(concat!("dashboard/", $name)))
    };
}

/// The files of the dashboard.
const FILES: &[(&str, &str, &str)] = &[
    ("/dashboard/", "text/html; charset=utf-8", include_str!("dashboard/index.html")),
    file!("style.css", "text/css; charset=utf-8"),
    file!("parts.css", "text/css; charset=utf-8"),
    file!("main.js", "text/javascript; charset=utf-8"),
    file!("api.js", "text/javascript; charset=utf-8"),
    file!("dom.js", "text/javascript; charset=utf-8"),
    file!("chart.js", "text/javascript; charset=utf-8"),
    file!("overview.js", "text/javascript; charset=utf-8"),
    file!("virtual.js", "text/javascript; charset=utf-8"),
    file!("filter.js", "text/javascript; charset=utf-8"),
    file!("routes.js", "text/javascript; charset=utf-8"),
    file!("route.js", "text/javascript; charset=utf-8"),
    file!("services.js", "text/javascript; charset=utf-8"),
    file!("certificates.js", "text/javascript; charset=utf-8"),
    file!("problems.js", "text/javascript; charset=utf-8"),
    file!("explain.js", "text/javascript; charset=utf-8"),
    file!("icon.svg", "image/svg+xml"),
];

pub(super) fn respond(path: &str) -> Response<Bytes> {
    match FILES.iter().find(|(known, ..)| *known == path) {
        Some((_, media_type, text)) => {
            reply::with_type(StatusCode::OK, media_type, Bytes::from_static(text.as_bytes()))
        }
        None => reply::not_found(),
    }
}
