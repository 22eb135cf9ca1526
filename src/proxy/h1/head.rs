//! Heads (RFC 9112 §2–§6): taken off what has been read, and written.

use std::mem::MaybeUninit;
use std::ops::Range;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Extensions, Method, Request, Response, StatusCode, Uri, Version};
use httparse::Status;
use hyper::ext::ReasonPhrase;

use super::body::Decoder;
use super::input::Input;
use super::{MAX_FIELDS, Malformed};

/// The most bytes of an answer's head.
pub(crate) const MAX_ANSWER: usize = 64 * 1024;
/// The most bytes of a target: what the `http` crate takes.
pub(crate) const MAX_TARGET: usize = u16::MAX as usize - 1;

/// Where a part of a head is. Small, since those of all fields are zeroed for each head.
#[derive(Clone, Copy, Default)]
struct Span {
    start: u32,
    length: u32,
}

impl Span {
    /// Where `part` is, in what begins at `base`.
    fn of(base: usize, part: &[u8]) -> Self {
        let narrow = |number| u32::try_from(number).unwrap_or(u32::MAX);
        Self { start: narrow(part.as_ptr() as usize - base), length: narrow(part.len()) }
    }

    fn range(self) -> Range<usize> {
        self.start as usize..self.start as usize + self.length as usize
    }
}

/// Where the fields of a head are, until it has been taken off the input: each value is a slice of it then.
type Places = [(Span, Span); MAX_FIELDS];

const NOWHERE: Places = [(Span { start: 0, length: 0 }, Span { start: 0, length: 0 }); MAX_FIELDS];

/// Notes where `found` are, in what begins at `base`.
fn place<'a>(places: &'a mut Places, base: usize, found: &[httparse::Header<'_>]) -> &'a [(Span, Span)] {
    for (place, field) in places.iter_mut().zip(found) {
        *place = (Span::of(base, field.name.as_bytes()), Span::of(base, field.value));
    }
    places.get(..found.len()).unwrap_or_default()
}

/// The fields that `note` keeps.
fn fields(
    places: &[(Span, Span)],
    head: &Bytes,
    mut note: impl FnMut(&HeaderName, &HeaderValue) -> Result<bool, Malformed>,
) -> Result<HeaderMap, Malformed> {
    let mut headers = HeaderMap::with_capacity(places.len());
    for &(name, value) in places {
        let name = HeaderName::from_bytes(head.get(name.range()).unwrap_or_default())
            .map_err(|_| Malformed::Rule("a field's name is none"))?;
        let value = HeaderValue::from_maybe_shared(head.slice(value.range()))
            .map_err(|_| Malformed::Rule("a field's value is none"))?;
        if note(&name, &value)? {
            headers.append(name, value);
        }
    }
    Ok(headers)
}

/// The head of a request, and what its fields say of the connection.
#[derive(Debug)]
pub(crate) struct RequestHead {
    /// On the heap, since it goes from hand to hand.
    pub(crate) parts: Box<Parts>,
    /// It has a `Content-Length` or a `Transfer-Encoding`.
    pub(crate) framed: bool,
    /// It expects something.
    pub(crate) expects: bool,
    /// It says which fields it understands after a body.
    pub(crate) te: bool,
    /// The connection may serve another request after it.
    pub(crate) keep_alive: bool,
}

/// Takes a request's head off the front of `input`, if all of it is there. `most` are the bytes that it may have.
pub(crate) fn read_request(input: &mut Input, most: usize) -> Result<Option<RequestHead>, Malformed> {
    if !input.may_hold_head() {
        return if input.len() < most { Ok(None) } else { Err(Malformed::TooLarge) };
    }
    let mut found = [const { MaybeUninit::uninit() }; MAX_FIELDS];
    let mut parsed = httparse::Request::new(&mut []);
    let length = match parsed.parse_with_uninit_headers(&input.bytes, &mut found) {
        Ok(Status::Complete(length)) if length <= most => length,
        Ok(Status::Partial) if input.len() < most => {
            input.looked();
            return Ok(None);
        }
        Ok(_) | Err(httparse::Error::TooManyHeaders) => return Err(Malformed::TooLarge),
        Err(_) => return Err(Malformed::Rule("its head is none")),
    };
    let base = input.bytes.as_ptr() as usize;
    let target = Span::of(base, parsed.path.unwrap_or_default().as_bytes());
    let method = Method::from_bytes(parsed.method.unwrap_or_default().as_bytes())
        .map_err(|_| Malformed::Rule("its method is none"))?;
    let modern = parsed.version == Some(1);
    let mut places = NOWHERE;
    let places = place(&mut places, base, parsed.headers);
    let head = input.take_head(length);
    if target.range().len() > MAX_TARGET {
        return Err(Malformed::TargetTooLong);
    }
    let raw = head.slice(target.range());
    let target = Uri::from_maybe_shared(raw.clone()).map_err(|_| Malformed::Rule("its target is none"))?;
    if is_cut(&target, &raw) {
        return Err(Malformed::Rule("its target has a fragment"));
    }
    let (mut framed, mut expects, mut te) = (false, false, false);
    let mut persistence = Persistence::default();
    let headers = fields(places, &head, |name, value| {
        framed |= *name == header::CONTENT_LENGTH || *name == header::TRANSFER_ENCODING;
        expects |= *name == header::EXPECT;
        te |= *name == header::TE;
        Ok(persistence.note(name, value))
    })?;
    let mut parts = Box::new(Request::new(()).into_parts().0);
    parts.method = method;
    parts.uri = target;
    parts.version = if modern { Version::HTTP_11 } else { Version::HTTP_10 };
    parts.headers = headers;
    Ok(Some(RequestHead { parts, framed, expects, te, keep_alive: persistence.keeps(modern) }))
}

/// Whether something of a target was left out as its fragment, which is never sent (RFC 9112 §3.2).
fn is_cut(target: &Uri, raw: &[u8]) -> bool {
    match target.path_and_query() {
        Some(kept) if raw.starts_with(b"/") => kept.as_str().len() != raw.len(),
        _ => raw.contains(&b'#'),
    }
}

/// The head of an answer.
#[derive(Debug)]
pub(crate) struct ResponseHead<B> {
    /// Its reason phrase is an extension, if it is not the usual one. On the heap, since it goes from hand to hand; what
    /// becomes its body is put there by who has it.
    pub(crate) response: Box<Response<B>>,
    /// How its body is framed.
    pub(crate) body: Decoder,
    /// The endpoint takes another request after it.
    pub(crate) keep_alive: bool,
}

/// Takes an answer's head off the front of `input`, if all of it is there. `to_head` is whether it answers a HEAD.
pub(crate) fn read_response<B: Default>(
    input: &mut Input,
    to_head: bool,
) -> Result<Option<ResponseHead<B>>, Malformed> {
    if !input.may_hold_head() {
        return if input.len() < MAX_ANSWER { Ok(None) } else { Err(Malformed::TooLarge) };
    }
    let mut found = [const { MaybeUninit::uninit() }; MAX_FIELDS];
    let mut parsed = httparse::Response::new(&mut []);
    let parser = httparse::ParserConfig::default();
    let length = match parser.parse_response_with_uninit_headers(&mut parsed, &input.bytes, &mut found) {
        Ok(Status::Complete(length)) if length <= MAX_ANSWER => length,
        Ok(Status::Partial) if input.len() < MAX_ANSWER => {
            input.looked();
            return Ok(None);
        }
        Ok(_) | Err(httparse::Error::TooManyHeaders) => return Err(Malformed::TooLarge),
        Err(_) => return Err(Malformed::Rule("its head is none")),
    };
    let status = StatusCode::from_u16(parsed.code.unwrap_or_default());
    let status = status.map_err(|_| Malformed::Rule("its status is none"))?;
    let mut extensions = Extensions::new();
    if let Some(reason) = parsed.reason.filter(|reason| Some(*reason) != status.canonical_reason())
        && let Ok(reason) = ReasonPhrase::try_from(reason.as_bytes())
    {
        extensions.insert(reason);
    }
    let modern = parsed.version == Some(1);
    let mut places = NOWHERE;
    let places = place(&mut places, input.bytes.as_ptr() as usize, parsed.headers);
    let head = input.take_head(length);
    let (mut length, mut coding, mut persistence) = (None, Coding::None, Persistence::default());
    let mut headers = fields(places, &head, |name, value| {
        if *name == header::CONTENT_LENGTH {
            return same_length(&mut length, value);
        }
        if *name == header::TRANSFER_ENCODING {
            coding = coding.and(value);
        }
        Ok(persistence.note(name, value))
    })?;
    // A length beside a coding is ignored, and what follows such an answer is not trusted (RFC 9112 §6.3).
    let doubtful = coding != Coding::None && headers.remove(header::CONTENT_LENGTH).is_some();
    let bodiless =
        to_head || status.is_informational() || status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED;
    let body = match (coding, length) {
        _ if bodiless => Decoder::Done,
        (Coding::None, Some(length)) => Decoder::length(length),
        (Coding::None, None) => Decoder::Close,
        (_, _) if !modern => return Err(Malformed::Rule("a transfer coding in HTTP/1.0")),
        (Coding::Chunked, _) => Decoder::chunked(),
        (Coding::Other, _) => return Err(Malformed::Rule("a transfer coding that is not chunked alone")),
    };
    let keep_alive = persistence.keeps(modern) && !doubtful && body != Decoder::Close;
    let mut response = Box::new(Response::new(B::default()));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    *response.extensions_mut() = extensions;
    Ok(Some(ResponseHead { response, body, keep_alive }))
}

/// Notes a length; whether it is the first. Another one is an error.
fn same_length(length: &mut Option<u64>, value: &HeaderValue) -> Result<bool, Malformed> {
    let digits = value.as_bytes();
    let number = std::str::from_utf8(digits).ok().filter(|_| digits.iter().all(u8::is_ascii_digit));
    let number = number.and_then(|digits| digits.parse().ok()).ok_or(Malformed::Rule("its length is none"))?;
    match length.replace(number) {
        Some(before) if before != number => Err(Malformed::Rule("it has two lengths")),
        before => Ok(before.is_none()),
    }
}

/// What a message's `Transfer-Encoding` fields come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coding {
    None,
    Chunked,
    Other,
}

impl Coding {
    fn and(self, value: &HeaderValue) -> Self {
        match self {
            Self::None if value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked") => Self::Chunked,
            _ => Self::Other,
        }
    }
}

/// What `Connection` says of the time after the message.
#[derive(Debug, Default)]
struct Persistence {
    close: bool,
    keep_alive: bool,
}

impl Persistence {
    /// Notes a field; whether it says something else too.
    fn note(&mut self, name: &HeaderName, value: &HeaderValue) -> bool {
        if *name != header::CONNECTION {
            return true;
        }
        let mut more = false;
        for token in value.as_bytes().split(|&byte| byte == b',').map(<[u8]>::trim_ascii) {
            let (close, keep_alive) = (token.eq_ignore_ascii_case(b"close"), token.eq_ignore_ascii_case(b"keep-alive"));
            self.close |= close;
            self.keep_alive |= keep_alive;
            more |= !close && !keep_alive;
        }
        more
    }

    fn keeps(&self, modern: bool) -> bool {
        !self.close && (modern || self.keep_alive)
    }
}

/// Writes a request's first line and its fields, but not the empty line after them.
pub(crate) fn write_request_line<B>(out: &mut Vec<u8>, head: &Request<B>) {
    out.extend_from_slice(head.method().as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(head.uri().path_and_query().map_or("/", |target| target.as_str()).as_bytes());
    out.extend_from_slice(b" HTTP/1.1\r\n");
    for (name, value) in head.headers() {
        write_field(out, name, value);
    }
}

/// Writes one field.
pub(crate) fn write_field(out: &mut Vec<u8>, name: &HeaderName, value: &HeaderValue) {
    out.extend_from_slice(name.as_str().as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value.as_bytes());
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(text: &str) -> Input {
        let mut input = Input::default();
        input.bytes.extend_from_slice(text.as_bytes());
        input
    }

    fn read_all(text: &str) -> Result<Option<ResponseHead<()>>, Malformed> {
        read_response(&mut input(text), false)
    }

    fn body(text: &str) -> String {
        match read_all(text) {
            Ok(Some(head)) => format!("{:?}, {}", head.body, if head.keep_alive { "kept" } else { "closed" }),
            Ok(None) => "partial".into(),
            Err(why) => why.to_string(),
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
        let head =
            read_response::<()>(&mut input("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n"), true).unwrap().unwrap();
        assert!(matches!(head.body, Decoder::Done) && head.keep_alive);
    }

    #[test]
    fn a_length_is_passed_on_once_and_not_beside_a_coding() {
        let twice = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 5\r\n\r\n";
        let head = read_all(twice).unwrap().unwrap();
        assert_eq!(head.response.headers().get_all("content-length").iter().collect::<Vec<_>>(), ["5"]);
        assert_eq!(body(twice), "Length(5), kept");
        let both = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n";
        assert!(!read_all(both).unwrap().unwrap().response.headers().contains_key("content-length"));
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
        assert_eq!(body(&format!("HTTP/1.1 200 OK\r\na: {}", "x".repeat(MAX_ANSWER))), "its head is too large");
        assert_eq!(body(&format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(101))), "its head is too large");
    }

    #[test]
    fn a_head_is_taken_off_with_its_reason_and_leaves_the_rest() {
        let mut input = input("HTTP/1.1 200 Fine\r\nA: b\r\na: c\r\nContent-Length: 2\r\n\r\nhi");
        let head = read_response::<()>(&mut input, false).unwrap().unwrap().response;
        assert_eq!(&input.bytes[..], b"hi");
        assert_eq!(head.extensions().get::<ReasonPhrase>().unwrap().as_bytes(), b"Fine");
        assert_eq!(head.headers().get_all("a").iter().collect::<Vec<_>>(), ["b", "c"]);
    }

    #[test]
    fn a_requests_head_says_what_becomes_of_the_connection() {
        let keeps = |text: &str| read_request(&mut input(text), 1000).unwrap().unwrap().keep_alive;
        assert!(keeps("GET / HTTP/1.1\r\n\r\n"));
        assert!(!keeps("GET / HTTP/1.1\r\nConnection: x, close\r\n\r\n"));
        assert!(!keeps("GET / HTTP/1.0\r\n\r\n"));
        assert!(keeps("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"));
        let mut two = input("POST /a?b HTTP/1.1\r\nHost: e\r\nContent-Length: 2\r\nTE: x\r\n\r\nhiGET");
        let head = read_request(&mut two, 1000).unwrap().unwrap();
        assert!(head.framed && head.te && !head.expects);
        assert_eq!((head.parts.uri.to_string().as_str(), &two.bytes[..]), ("/a?b", &b"hiGET"[..]));
    }

    #[test]
    fn a_requests_head_has_its_bounds() {
        let read = |text: &str, most| read_request(&mut input(text), most).map(|head| head.is_some());
        assert_eq!(read("GET / HTTP/1.1\r\nA: b\r\n\r\n", 24), Ok(true));
        assert_eq!(read("GET / HTTP/1.1\r\nA: b\r\n\r\n", 23), Err(Malformed::TooLarge));
        assert_eq!(read("GET / HTTP/1.1\r\nA: b\r\n", 22), Err(Malformed::TooLarge));
        assert_eq!(read("GET / HTTP/1.1\r\nA: b\r\n", 23), Ok(false));
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(101));
        assert_eq!(read(&many, 100_000), Err(Malformed::TooLarge));
        let long = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(MAX_TARGET));
        assert_eq!(read(&long, 100_000), Err(Malformed::TargetTooLong));
        for bad in ["hello\r\n\r\n", "GET /\r\n\r\n", "GET / HTTP/2.0\r\n\r\n", "GET / HTTP/1.1\r\nA : b\r\n\r\n"] {
            assert!(matches!(read(bad, 1000), Err(Malformed::Rule(_))), "{bad:?}");
        }
    }

    #[test]
    fn a_request_is_written_as_it_came() {
        let request = Request::get("/a%20b?c=d").header("Host", "e").header("x", "y").body(()).unwrap();
        let mut out = Vec::new();
        write_request_line(&mut out, &request);
        assert_eq!(String::from_utf8(out).unwrap(), "GET /a%20b?c=d HTTP/1.1\r\nhost: e\r\nx: y\r\n");
    }
}
