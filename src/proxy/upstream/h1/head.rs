//! The heads of HTTP/1.1 with an endpoint (RFC 9112): the request's written, the answer's read.

use std::mem::MaybeUninit;

use bytes::BytesMut;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Extensions, Request, StatusCode};
use hyper::ext::ReasonPhrase;

use super::super::super::headers::write_field;
use super::Malformed;
use super::body::Decoder;

/// The most fields of an answer's head.
const MAX_FIELDS: usize = 100;
/// The most bytes of an answer's head.
const MAX_HEAD: usize = u16::MAX as usize;

/// Writes a request's head. `more` are lines that are not in its fields, each with its end.
pub(super) fn write<B>(out: &mut Vec<u8>, head: &Request<B>, more: impl FnOnce(&mut Vec<u8>)) {
    out.extend_from_slice(head.method().as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(head.uri().path_and_query().map_or("/", |target| target.as_str()).as_bytes());
    out.extend_from_slice(b" HTTP/1.1\r\n");
    for (name, value) in head.headers() {
        write_field(out, name, value);
    }
    more(out);
    out.extend_from_slice(b"\r\n");
}

/// The head of an answer.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// The reason phrase, if it is not the usual one.
    pub(super) extensions: Extensions,
    /// How its body is framed.
    pub(super) body: Decoder,
    /// The endpoint takes another request after it.
    pub(super) keep_alive: bool,
}

/// Takes a head off the front of `input`, if all of it is there. `to_head` is whether it answers a HEAD.
pub(super) fn read(input: &mut BytesMut, to_head: bool) -> Result<Option<Head>, Malformed> {
    let mut found = [const { MaybeUninit::uninit() }; MAX_FIELDS];
    let mut answer = httparse::Response::new(&mut []);
    let parsed =
        httparse::ParserConfig::default().parse_response_with_uninit_headers(&mut answer, input.as_ref(), &mut found);
    let length = match parsed {
        Ok(httparse::Status::Complete(length)) if length <= MAX_HEAD => length,
        Ok(httparse::Status::Partial) if input.len() < MAX_HEAD => return Ok(None),
        _ => return Err(Malformed("its head is none")),
    };
    let status = StatusCode::from_u16(answer.code.unwrap_or_default()).map_err(|_| Malformed("its status is none"))?;
    let mut extensions = Extensions::new();
    if let Some(reason) = answer.reason.filter(|reason| Some(*reason) != status.canonical_reason())
        && let Ok(reason) = ReasonPhrase::try_from(reason.as_bytes())
    {
        extensions.insert(reason);
    }
    let modern = answer.version == Some(1);
    // Where the fields are: their bytes are taken off the input as one piece, and each is a slice of it.
    let base = input.as_ptr() as usize;
    let mut places = [Place::default(); MAX_FIELDS];
    let fields = answer.headers.len();
    for (place, found) in places.iter_mut().zip(&*answer.headers) {
        *place = Place { name: span(base, found.name.as_bytes()), value: span(base, found.value) };
    }
    let head = input.split_to(length).freeze();
    let mut headers = HeaderMap::with_capacity(fields);
    let mut framing = Framing::default();
    for place in places.iter().take(fields) {
        let name = HeaderName::from_bytes(head.get(range(place.name)).unwrap_or_default())
            .map_err(|_| Malformed("a field's name is none"))?;
        let value = HeaderValue::from_maybe_shared(head.slice(range(place.value)))
            .map_err(|_| Malformed("a field's value is none"))?;
        if framing.note(&name, &value)? {
            headers.append(name, value);
        }
    }
    let body = framing.of(status, to_head, modern)?;
    // A length beside a coding is ignored, and what follows such an answer is not trusted (RFC 9112 §6.3).
    let doubtful = framing.coded && headers.remove(header::CONTENT_LENGTH).is_some();
    let again = modern || framing.keep_alive;
    let keep_alive = again && !framing.close && !doubtful && !matches!(body, Decoder::Close);
    Ok(Some(Head { status, headers, extensions, body, keep_alive }))
}

/// Where a field is in a head: start and length. Small, since all of them are zeroed for each head.
#[derive(Clone, Copy, Default)]
struct Place {
    name: (u16, u16),
    value: (u16, u16),
}

/// Where `part` is, in what begins at `base` and is no longer than [`MAX_HEAD`].
fn span(base: usize, part: &[u8]) -> (u16, u16) {
    let narrow = |number| u16::try_from(number).unwrap_or(u16::MAX);
    (narrow(part.as_ptr() as usize - base), narrow(part.len()))
}

fn range((start, length): (u16, u16)) -> std::ops::Range<usize> {
    let start = usize::from(start);
    start..start + usize::from(length)
}

/// What an answer's fields say of its end.
#[derive(Debug, Default)]
struct Framing {
    length: Option<u64>,
    coded: bool,
    chunked: bool,
    close: bool,
    keep_alive: bool,
}

impl Framing {
    /// Looks at a field; whether it says something new.
    fn note(&mut self, name: &HeaderName, value: &HeaderValue) -> Result<bool, Malformed> {
        if *name == header::CONTENT_LENGTH {
            let digits = value.as_bytes();
            let length = std::str::from_utf8(digits).ok().filter(|_| digits.iter().all(u8::is_ascii_digit));
            let length = length.and_then(|digits| digits.parse().ok()).ok_or(Malformed("its length is none"))?;
            match self.length.replace(length) {
                Some(before) if before != length => return Err(Malformed("it has two lengths")),
                Some(_) => return Ok(false),
                None => {}
            }
        } else if *name == header::TRANSFER_ENCODING {
            self.chunked = !self.coded && value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked");
            self.coded = true;
        } else if *name == header::CONNECTION {
            for token in value.as_bytes().split(|&byte| byte == b',').map(<[u8]>::trim_ascii) {
                self.close |= token.eq_ignore_ascii_case(b"close");
                self.keep_alive |= token.eq_ignore_ascii_case(b"keep-alive");
            }
        }
        Ok(true)
    }

    /// RFC 9112 §6.3.
    fn of(&self, status: StatusCode, to_head: bool, modern: bool) -> Result<Decoder, Malformed> {
        if to_head
            || status.is_informational()
            || status == StatusCode::NO_CONTENT
            || status == StatusCode::NOT_MODIFIED
        {
            return Ok(Decoder::Done);
        }
        match (self.coded, self.length) {
            (true, _) if !modern => Err(Malformed("a transfer coding in HTTP/1.0")),
            (true, _) if self.chunked => Ok(Decoder::chunked()),
            (true, _) => Err(Malformed("a transfer coding that is not chunked alone")),
            (false, Some(0)) => Ok(Decoder::Done),
            (false, Some(length)) => Ok(Decoder::Length(length)),
            (false, None) => Ok(Decoder::Close),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(text: &str) -> Result<Option<Head>, Malformed> {
        read(&mut BytesMut::from(text), false)
    }

    fn body(text: &str) -> String {
        match read_all(text) {
            Ok(Some(head)) => format!("{:?}, {}", head.body, if head.keep_alive { "kept" } else { "closed" }),
            Ok(None) => "partial".into(),
            Err(Malformed(why)) => why.into(),
        }
    }

    #[test]
    fn the_framing_of_an_answer_is_as_rfc_9112_has_it() {
        assert_eq!(body("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"), "Length(5), kept");
        assert_eq!(body("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"), "Done, kept");
        assert_eq!(body("HTTP/1.1 200 OK\r\n\r\n"), "Close, closed");
        assert_eq!(body("HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: x, Close\r\n\r\n"), "Length(5), closed");
        assert_eq!(body("HTTP/1.0 200 OK\r\ncontent-length: 5\r\n\r\n"), "Length(5), closed");
        assert_eq!(body("HTTP/1.0 200 OK\r\ncontent-length: 5\r\nconnection: keep-alive\r\n\r\n"), "Length(5), kept");
        assert_eq!(body("HTTP/1.1 204 No Content\r\ncontent-length: 5\r\n\r\n"), "Done, kept");
        assert_eq!(body("HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n"), "Done, kept");
        assert_eq!(body("HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n"), "Chunked(Size), kept");
        let mut answer_to_head = BytesMut::from("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n");
        let head = read(&mut answer_to_head, true).unwrap().unwrap();
        assert!(matches!(head.body, Decoder::Done) && head.keep_alive);
    }

    #[test]
    fn a_length_is_passed_on_once_and_not_beside_a_coding() {
        let twice = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 5\r\n\r\n";
        let head = read_all(twice).unwrap().unwrap();
        assert_eq!(head.headers.get_all("content-length").iter().collect::<Vec<_>>(), ["5"]);
        assert_eq!(body(twice), "Length(5), kept");
        let both = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n";
        assert!(!read_all(both).unwrap().unwrap().headers.contains_key("content-length"));
        assert_eq!(body(both), "Chunked(Size), closed");
    }

    #[test]
    fn framing_in_doubt_is_refused() {
        assert_eq!(body("HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n"), "it has two lengths");
        for length in ["+5", "-5", "5, 5", "0x5", "5 5", "99999999999999999999", ""] {
            let text = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n");
            assert_eq!(body(&text), "its length is none", "{length}");
        }
        let unknown = "a transfer coding that is not chunked alone";
        for coding in ["gzip", "gzip, chunked", "chunked, gzip", "chunked\r\ntransfer-encoding: chunked"] {
            assert_eq!(body(&format!("HTTP/1.1 200 OK\r\ntransfer-encoding: {coding}\r\n\r\n")), unknown, "{coding}");
        }
        let old = "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        assert_eq!(body(old), "a transfer coding in HTTP/1.0");
    }

    #[test]
    fn what_is_no_head_is_refused_and_what_is_no_whole_head_is_waited_for() {
        assert_eq!(body("HTTP/1.1 200 OK\r\ncontent-le"), "partial");
        assert_eq!(body("hello"), "its head is none");
        assert_eq!(body("HTTP/1.1 200 OK\r\na: b\r\n folded\r\n\r\n"), "its head is none");
        assert_eq!(body("HTTP/1.1 200 OK\r\na : b\r\n\r\n"), "its head is none");
        assert_eq!(body(&format!("HTTP/1.1 200 OK\r\na: {}", "x".repeat(MAX_HEAD))), "its head is none");
        assert_eq!(body(&format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(101))), "its head is none");
    }

    #[test]
    fn a_head_is_taken_off_with_its_reason_and_leaves_the_rest() {
        let mut input = BytesMut::from("HTTP/1.1 200 Fine\r\nA: b\r\na: c\r\nContent-Length: 2\r\n\r\nhi");
        let head = read(&mut input, false).unwrap().unwrap();
        assert_eq!(&input[..], b"hi");
        assert_eq!(head.extensions.get::<ReasonPhrase>().unwrap().as_bytes(), b"Fine");
        assert_eq!(head.headers.get_all("a").iter().collect::<Vec<_>>(), ["b", "c"]);
    }

    #[test]
    fn a_request_is_written_as_it_came_with_our_lines_last() {
        let request = http::Request::get("/a%20b?c=d").header("Host", "e").header("x", "y").body(()).unwrap();
        let mut out = Vec::new();
        write(&mut out, &request, |out| {
            write_field(out, &HeaderName::from_static("more"), &HeaderValue::from_static("1"))
        });
        assert_eq!(String::from_utf8(out).unwrap(), "GET /a%20b?c=d HTTP/1.1\r\nhost: e\r\nx: y\r\nmore: 1\r\n\r\n");
    }
}
