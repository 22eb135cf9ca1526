//! `/dashboard/`: one page, compiled in. It asks the API beside it and nothing else.

use bytes::Bytes;
use http::{Response, StatusCode};

use super::reply;

/// The files of the page: path, media type, text.
const FILES: &[(&str, &str, &str)] = &[
    ("/dashboard/", "text/html; charset=utf-8", include_str!("dashboard/index.html")),
    ("/dashboard/style.css", "text/css; charset=utf-8", include_str!("dashboard/style.css")),
    ("/dashboard/main.js", "text/javascript; charset=utf-8", include_str!("dashboard/main.js")),
    ("/dashboard/list.js", "text/javascript; charset=utf-8", include_str!("dashboard/list.js")),
    ("/dashboard/fetch.js", "text/javascript; charset=utf-8", include_str!("dashboard/fetch.js")),
    ("/dashboard/views.js", "text/javascript; charset=utf-8", include_str!("dashboard/views.js")),
    ("/dashboard/icon.svg", "image/svg+xml", include_str!("dashboard/icon.svg")),
];

pub(super) fn respond(path: &str) -> Response<Bytes> {
    match FILES.iter().find(|(known, ..)| *known == path) {
        Some((_, media_type, text)) => {
            reply::with_type(StatusCode::OK, media_type, Bytes::from_static(text.as_bytes()))
        }
        None => reply::not_found(),
    }
}
