//! The admin port's answers, by the same call that its socket makes.

mod api;
mod explain;
mod pages;
mod sample;
mod socket;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use serde_json::Value;

use super::*;

const ALL: Pages = Pages { api: true, dashboard: true, ping: true, metrics: true };

fn ask(
    admin: &Admin,
    pages: Pages,
    method: Method,
    path: &str,
    headers: &[(header::HeaderName, &str)],
) -> Response<Bytes> {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(name, *value);
    }
    let (parts, ()) = request.body(()).expect("a request").into_parts();
    admin.respond(pages, &parts)
}

fn get(admin: &Admin, path: &str) -> (StatusCode, HeaderMap, String) {
    let (parts, body) = ask(admin, ALL, Method::GET, path, &[]).into_parts();
    (parts.status, parts.headers, String::from_utf8(body.to_vec()).expect("text"))
}

fn get_json(admin: &Admin, path: &str) -> Value {
    let (status, _, body) = get(admin, path);
    assert_eq!(status, StatusCode::OK, "{path}: {body}");
    serde_json::from_str(&body).expect("JSON")
}
