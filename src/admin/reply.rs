//! Answers and the headers that all of them have.

use std::hash::{DefaultHasher, Hash, Hasher};

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use serde::Serialize;

/// Everything comes from here, nothing may be framed, nothing is sent elsewhere.
const CONTENT_SECURITY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
     img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A plain text.
pub(super) fn text(status: StatusCode, text: impl Into<Bytes>) -> Response<Bytes> {
    with_type(status, "text/plain; charset=utf-8", text.into())
}

/// A value as JSON.
pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Response<Bytes> {
    match serde_json::to_vec(value) {
        Ok(body) => with_type(status, "application/json", body.into()),
        Err(error) => {
            tracing::error!(%error, "an API answer cannot be written as JSON");
            text(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
        }
    }
}

/// Traefik's API error.
pub(super) fn error(status: StatusCode, message: &str) -> Response<Bytes> {
    json(status, &serde_json::json!({ "message": message }))
}

/// The answer for what is not there, as the proxy gives it.
pub(super) fn not_found() -> Response<Bytes> {
    text(StatusCode::NOT_FOUND, "404 page not found\n")
}

/// A lasting redirect to a path of our own.
pub(super) fn moved(to: &str) -> Response<Bytes> {
    let mut answer = text(StatusCode::MOVED_PERMANENTLY, "");
    if let Ok(to) = HeaderValue::from_str(to) {
        answer.headers_mut().insert(header::LOCATION, to);
    }
    answer
}

/// A body of this media type.
pub(super) fn with_type(status: StatusCode, media_type: &'static str, body: Bytes) -> Response<Bytes> {
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    answer
}

/// Adds the headers that every answer has, answers 304 to who has it already, and takes the body off for HEAD.
pub(super) fn finish(mut answer: Response<Bytes>, request: &Parts, head: bool) -> Response<Bytes> {
    let headers = answer.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    match answer.status() {
        StatusCode::METHOD_NOT_ALLOWED => {
            _ = answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"))
        }
        StatusCode::OK => {
            let tag = tag(answer.body());
            let known = has_tag(&request.headers, &tag);
            if let Ok(tag) = HeaderValue::from_str(&tag) {
                answer.headers_mut().insert(header::ETAG, tag);
            }
            if known {
                *answer.status_mut() = StatusCode::NOT_MODIFIED;
                answer.headers_mut().remove(header::CONTENT_TYPE);
                *answer.body_mut() = Bytes::new();
                return answer;
            }
        }
        _ => {}
    }
    let length = HeaderValue::from(answer.body().len());
    answer.headers_mut().insert(header::CONTENT_LENGTH, length);
    if head {
        *answer.body_mut() = Bytes::new();
    }
    answer
}

/// A weak validator (RFC 9110, 8.8.3): good for one process, which is all that a page which asks again needs.
fn tag(body: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    body.hash(&mut hasher);
    format!("W/\"{:016x}\"", hasher.finish())
}

fn has_tag(headers: &HeaderMap, tag: &str) -> bool {
    let tags = headers.get_all(header::IF_NONE_MATCH).into_iter().filter_map(|value| value.to_str().ok());
    tags.flat_map(|value| value.split(',')).any(|known| known.trim() == tag)
}
