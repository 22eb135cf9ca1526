//! The head of an answer, and how the end of its body is told (RFC 9112 §6.3, §9.3).

use http::header::{self, HeaderValue};
use http::{Response, StatusCode};
use http_body::Body as _;
use hyper::ext::ReasonPhrase;

use super::super::body::Body;
use super::super::h1::{Framing, write_field};

/// What of a request decides how it is answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    pub(super) by_head: bool,
    /// HTTP/1.1; an older client knows no chunks.
    pub(super) modern: bool,
    /// The connection may serve another request.
    pub(super) keep_alive: bool,
    /// Fields after a body are understood.
    pub(super) trailers: bool,
    /// It was clear where the request ended.
    pub(super) clear: bool,
}

impl Asked {
    /// By what was no request.
    pub(super) const UNREADABLE: Self =
        Self { by_head: false, modern: true, keep_alive: false, trailers: false, clear: false };
}

/// How an answer is told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told {
    pub(super) framing: Framing,
    /// The connection may serve another request.
    pub(super) keep_alive: bool,
    /// The connection becomes a tunnel.
    pub(super) switching: bool,
    /// It was clear where the request ended.
    pub(super) clear: bool,
    /// Nothing of its body is sent, whatever there is.
    pub(super) bodiless: bool,
    /// The length that is written.
    length: Option<u64>,
    /// The length that the answer's own fields give is passed on: of a body that is not sent.
    own_length: bool,
}

impl Told {
    /// How `response` is told to whom asked so. Its own `Connection: close` ends the connection.
    pub(super) fn of(response: &Response<Body>, asked: Asked) -> Self {
        let status = response.status();
        let switching = status == StatusCode::SWITCHING_PROTOCOLS;
        let close = !switching && response.headers().contains_key(header::CONNECTION);
        let (keep_alive, clear) = (asked.keep_alive && !close, asked.clear);
        let told = |framing, length| Self {
            framing,
            keep_alive,
            switching,
            clear,
            bodiless: false,
            length,
            own_length: false,
        };
        let none = Self { bodiless: true, ..told(Framing::Length(0), None) };
        if status.is_informational() || status == StatusCode::NO_CONTENT {
            return none;
        }
        let exact = response.body().size_hint().exact();
        if asked.by_head || status == StatusCode::NOT_MODIFIED {
            let own_length = response.headers().contains_key(header::CONTENT_LENGTH);
            return Self { length: exact.filter(|&length| !own_length && length > 0), own_length, ..none };
        }
        let length = exact.or_else(|| response.headers().get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok());
        match length {
            Some(length) => told(Framing::Length(length), Some(length)),
            None if asked.modern => told(Framing::Chunked, None),
            None => Self { keep_alive: false, ..told(Framing::Close, None) },
        }
    }

    /// Writes the head. `date` is asked when the answer has none.
    pub(super) fn write(
        &self,
        out: &mut Vec<u8>,
        response: &Response<Body>,
        asked: Asked,
        date: impl FnOnce() -> HeaderValue,
    ) {
        let status = response.status();
        out.extend_from_slice(b"HTTP/1.1 ");
        out.extend_from_slice(status.as_str().as_bytes());
        out.push(b' ');
        match response.extensions().get::<ReasonPhrase>() {
            Some(reason) => out.extend_from_slice(reason.as_bytes()),
            None => out.extend_from_slice(status.canonical_reason().unwrap_or_default().as_bytes()),
        }
        out.extend_from_slice(b"\r\n");
        let switching = self.switching;
        let mut dated = false;
        for (name, value) in response.headers() {
            dated |= *name == header::DATE;
            if (*name == header::CONTENT_LENGTH && !self.own_length) || (*name == header::CONNECTION && !switching) {
                continue;
            }
            write_field(out, name, value);
        }
        if let Some(length) = self.length {
            out.extend_from_slice(b"content-length: ");
            out.extend_from_slice(itoa::Buffer::new().format(length).as_bytes());
            out.extend_from_slice(b"\r\n");
        }
        if self.framing == Framing::Chunked {
            out.extend_from_slice(b"transfer-encoding: chunked\r\n");
        }
        if !self.keep_alive && !switching {
            out.extend_from_slice(b"connection: close\r\n");
        } else if !asked.modern {
            out.extend_from_slice(b"connection: keep-alive\r\n");
        }
        if !dated {
            write_field(out, &header::DATE, &date());
        }
        out.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASKED: Asked = Asked { by_head: false, modern: true, keep_alive: true, trailers: false, clear: true };

    fn told(response: &Response<Body>, asked: Asked) -> (Framing, String) {
        let told = Told::of(response, asked);
        let mut out = Vec::new();
        told.write(&mut out, response, asked, || HeaderValue::from_static("now"));
        let text = String::from_utf8(out).unwrap();
        let text = text.strip_suffix("\r\n\r\n").unwrap().split("\r\n").collect::<Vec<_>>().join("|");
        (told.framing, text)
    }

    fn response(status: u16, fields: &[(&'static str, &'static str)], body: &'static str) -> Response<Body> {
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        for (name, value) in fields {
            response.headers_mut().append(*name, HeaderValue::from_static(value));
        }
        response
    }

    #[test]
    fn a_length_that_is_known_is_written_once() {
        let plain = response(200, &[("content-length", "2"), ("a", "b")], "hi");
        let expected = (Framing::Length(2), "HTTP/1.1 200 OK|a: b|content-length: 2|date: now".to_owned());
        assert_eq!(told(&plain, ASKED), expected);
        let lying = response(200, &[("content-length", "9"), ("a", "b")], "hi");
        assert_eq!(told(&lying, ASKED), expected);
    }

    #[test]
    fn what_has_no_body_says_so_and_a_head_what_it_would_have() {
        let none = response(204, &[("content-length", "2"), ("date", "then")], "");
        assert_eq!(told(&none, ASKED).1, "HTTP/1.1 204 No Content|date: then");
        let unmodified = response(304, &[("content-length", "2"), ("date", "then")], "");
        assert_eq!(
            told(&unmodified, ASKED),
            (Framing::Length(0), "HTTP/1.1 304 Not Modified|content-length: 2|date: then".into())
        );
        let by_head = Asked { by_head: true, ..ASKED };
        let page = response(404, &[("date", "then")], "not found");
        assert_eq!(
            told(&page, by_head),
            (Framing::Length(0), "HTTP/1.1 404 Not Found|date: then|content-length: 9".into())
        );
    }

    #[test]
    fn the_end_of_the_connection_is_told() {
        let closing = response(200, &[("connection", "close"), ("date", "then")], "");
        assert_eq!(told(&closing, ASKED).1, "HTTP/1.1 200 OK|date: then|content-length: 0|connection: close");
        let old = Asked { modern: false, ..ASKED };
        let plain = response(200, &[("date", "then")], "");
        assert_eq!(told(&plain, old).1, "HTTP/1.1 200 OK|date: then|content-length: 0|connection: keep-alive");
        let switching = response(101, &[("connection", "upgrade"), ("date", "then")], "");
        assert_eq!(told(&switching, ASKED).1, "HTTP/1.1 101 Switching Protocols|connection: upgrade|date: then");
    }
}
