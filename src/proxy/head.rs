//! What a request head must be, beyond what the parser asks: one framing, one host, a target that is a path. One place
//! that grows with every trick.

use std::borrow::Cow;

use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HOST, RANGE, TRANSFER_ENCODING};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Uri, Version};

use super::Error;
use super::h1::Decoder;
use super::headers::Marks;

/// The most bytes of a host: a DNS name is at most 253, and a dot and brackets are allowed for.
const MAX_HOST: usize = 255;
/// The most header fields; HTTP/1 has this limit in its parser.
pub(super) const MAX_FIELDS: usize = 100;
/// The longest method that is passed on.
pub(super) const MAX_METHOD: usize = 32;

/// The host that a request is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Authority<'a> {
    /// Lower-case, without port, trailing dot or brackets' port.
    pub name: Cow<'a, str>,
    /// The port, if one was given.
    pub port: Option<u16>,
}

/// Checks everything about a head that does not depend on the listener. `has_body` is what the framing says.
/// The answer is the host, if the request has one (HTTP/1.0 may not).
pub(crate) fn check(parts: &Parts, marks: Marks, has_body: bool) -> Result<Option<Authority<'_>>, Error> {
    method(&parts.method)?;
    if parts.headers.len() > MAX_FIELDS {
        return Err(Error::HeadTooLarge);
    }
    if parts.headers.len() != parts.headers.keys_len() {
        singletons(parts)?;
    }
    let authority = if parts.version == Version::HTTP_2 { authority_of_2(parts)? } else { authority_of_1(parts)? };
    if marks.transfer_encoding || marks.content_length {
        framing(&parts.headers, parts.version)?;
    }
    if marks.expect
        && let Some(expect) = parts.headers.get(EXPECT)
        && !expect.as_bytes().eq_ignore_ascii_case(b"100-continue")
    {
        return Err(Error::Expectation);
    }
    if has_body && marks.upgrade {
        return Err(Error::BadFraming("an upgrade with a body"));
    }
    if parts.uri.query().is_some_and(|query| query.bytes().any(|byte| byte <= b' ' || byte >= 0x7f)) {
        return Err(Error::BadRequest("the query has a character that must be percent-encoded"));
    }
    Ok(authority)
}

fn method(method: &Method) -> Result<(), Error> {
    match method.as_str() {
        "CONNECT" | "TRACE" | "TRACK" => Err(Error::MethodNotAllowed),
        name if name.len() > MAX_METHOD => Err(Error::MethodNotImplemented),
        _ => Ok(()),
    }
}

/// There is one of these (RFC 9110 §5.3): of two, whoever checks and whoever serves might each take another.
fn singletons(parts: &Parts) -> Result<(), Error> {
    for name in [AUTHORIZATION, CONTENT_TYPE, RANGE] {
        if parts.headers.get_all(name).iter().nth(1).is_some() {
            return Err(Error::BadRequest("two fields where there can be one"));
        }
    }
    Ok(())
}

/// RFC 9112 §3.2: HTTP/1.1 has exactly one Host; an absolute target must name the same one.
fn authority_of_1(parts: &Parts) -> Result<Option<Authority<'_>>, Error> {
    let mut hosts = parts.headers.get_all(HOST).iter();
    let host = hosts.next();
    if hosts.next().is_some() {
        return Err(Error::BadHost("more than one Host"));
    }
    let Some(host) = host else {
        if parts.version == Version::HTTP_10 && parts.uri.authority().is_none() {
            return Ok(None);
        }
        return Err(Error::BadHost("no Host"));
    };
    let parsed = authority(host)?;
    absolute_form(&parts.uri, host)?;
    Ok(Some(parsed))
}

fn absolute_form(uri: &Uri, host: &HeaderValue) -> Result<(), Error> {
    if let Some(target) = uri.authority() {
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            return Err(Error::BadHost("a target of another scheme"));
        }
        if !target.as_str().as_bytes().eq_ignore_ascii_case(host.as_bytes()) {
            return Err(Error::BadHost("a target with another host"));
        }
    }
    Ok(())
}

/// RFC 9113 §8.3.1: `:authority`, or Host alone; both only if they agree.
fn authority_of_2(parts: &Parts) -> Result<Option<Authority<'_>>, Error> {
    let mut hosts = parts.headers.get_all(HOST).iter();
    let host = hosts.next();
    if hosts.next().is_some() {
        return Err(Error::BadHost("more than one host"));
    }
    if parts.headers.values().any(is_padded) {
        return Err(Error::BadRequest("a value with white space around it"));
    }
    match (parts.uri.authority(), host) {
        (Some(target), host) => {
            if host.is_some_and(|host| !target.as_str().as_bytes().eq_ignore_ascii_case(host.as_bytes())) {
                return Err(Error::BadHost("host and :authority differ"));
            }
            if !matches!(parts.uri.scheme_str(), Some("http" | "https")) {
                return Err(Error::BadHost("a scheme other than http and https"));
            }
            parse_authority(target.as_str().as_bytes()).map(Some)
        }
        (None, Some(host)) => authority(host).map(Some),
        (None, None) => Err(Error::BadHost("neither :authority nor host")),
    }
}

/// RFC 9113 §8.2.1: such a value is malformed, and would be another one in HTTP/1.
fn is_padded(value: &HeaderValue) -> bool {
    let space = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    space(value.as_bytes().first()) || space(value.as_bytes().last())
}

fn authority(value: &HeaderValue) -> Result<Authority<'_>, Error> {
    parse_authority(value.as_bytes())
}

const BAD_HOST: Error = Error::BadHost("a Host that is none");

/// A host and port as RFC 3986 §3.2 has them, without user information: a name of letters, digits, `-`, `_` and `.`,
/// an IPv4 address, or an IPv6 address in brackets.
pub(crate) fn parse_authority(bytes: &[u8]) -> Result<Authority<'_>, Error> {
    if bytes.len() > MAX_HOST + 6 {
        return Err(BAD_HOST);
    }
    if bytes.first() == Some(&b'[') {
        return bracketed(bytes);
    }
    let bytes = std::str::from_utf8(bytes).map_err(|_| BAD_HOST)?;
    let (name, port) = bytes.split_at(bytes.bytes().position(|byte| byte == b':').unwrap_or(bytes.len()));
    let port = if port.is_empty() { None } else { optional_port(port.as_bytes())? };
    let name = name.strip_suffix('.').unwrap_or(name);
    let (mut previous, mut seen) = (DOT, 0);
    for byte in name.bytes() {
        let class = CLASS[usize::from(byte)];
        if class & previous & DOT != 0 {
            return Err(BAD_HOST);
        }
        seen |= class;
        previous = class;
    }
    if seen & BAD != 0 || previous & DOT != 0 || name.len() > MAX_HOST {
        return Err(BAD_HOST);
    }
    let upper = seen & UPPER != 0;
    Ok(Authority { name: if upper { Cow::Owned(name.to_ascii_lowercase()) } else { Cow::Borrowed(name) }, port })
}

/// Classes of the bytes of a name; the rest is `BAD`.
const UPPER: u8 = 1;
const DOT: u8 = 2;
const BAD: u8 = 4;
static CLASS: [u8; 256] = {
    let mut classes = [BAD; 256];
    let mut byte = 0;
    while byte < 256 {
        match byte as u8 {
            b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => classes[byte] = 0,
            b'A'..=b'Z' => classes[byte] = UPPER,
            b'.' => classes[byte] = DOT,
            _ => {}
        }
        byte += 1;
    }
    classes
};

/// An IPv6 address in brackets.
fn bracketed(bytes: &[u8]) -> Result<Authority<'_>, Error> {
    let text = std::str::from_utf8(bytes).map_err(|_| BAD_HOST)?;
    let end = text.find(']').ok_or(BAD_HOST)?;
    let (name, port) = text.split_at(end + 1);
    let address = name.get(1..end).unwrap_or_default();
    address.parse::<std::net::Ipv6Addr>().map_err(|_| BAD_HOST)?;
    Ok(Authority { name: Cow::Owned(name.to_ascii_lowercase()), port: optional_port(port.as_bytes())? })
}

/// Nothing, or a colon and a port.
fn optional_port(bytes: &[u8]) -> Result<Option<u16>, Error> {
    let Some(digits) = bytes.strip_prefix(b":") else {
        return if bytes.is_empty() { Ok(None) } else { Err(BAD_HOST) };
    };
    if !digits.iter().all(u8::is_ascii_digit) {
        return Err(BAD_HOST);
    }
    let digits = std::str::from_utf8(digits).map_err(|_| BAD_HOST)?;
    digits.parse().ok().filter(|&port| port > 0).map(Some).ok_or(BAD_HOST)
}

/// How the body of a request ends: by one length, by chunks, or before it begins. Anything else could be two requests to
/// somebody (RFC 9112 §6.1, §6.3).
pub(crate) fn framing(headers: &HeaderMap, version: Version) -> Result<Decoder, Error> {
    let length = content_length(headers)?;
    if !transfer_encoding(headers)? {
        return Ok(Decoder::length(length.unwrap_or(0)));
    }
    if length.is_some() {
        return Err(Error::BadFraming("a Transfer-Encoding beside a Content-Length"));
    }
    if version != Version::HTTP_11 {
        return Err(Error::BadFraming("a Transfer-Encoding that this version of HTTP does not have"));
    }
    Ok(Decoder::chunked())
}

/// Exactly one `Transfer-Encoding: chunked`, or none.
fn transfer_encoding(headers: &HeaderMap) -> Result<bool, Error> {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let Some(coding) = codings.next() else { return Ok(false) };
    if codings.next().is_some() {
        return Err(Error::BadFraming("more than one Transfer-Encoding"));
    }
    if coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked") {
        return Ok(true);
    }
    let known = |name: &[u8]| {
        [&b"gzip"[..], b"x-gzip", b"deflate", b"compress", b"x-compress"]
            .iter()
            .any(|known| known.eq_ignore_ascii_case(name))
    };
    let mut names = coding.as_bytes().split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
    if names.clone().count() == 2 && names.next().is_some_and(known) {
        return Err(Error::TransferCoding);
    }
    Err(Error::BadFraming("a Transfer-Encoding other than chunked"))
}

/// Several equal lengths are one.
fn content_length(headers: &HeaderMap) -> Result<Option<u64>, Error> {
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let Some(first) = lengths.next() else { return Ok(None) };
    if lengths.any(|other| other != first) {
        return Err(Error::BadFraming("differing Content-Length"));
    }
    const BAD: Error = Error::BadFraming("a Content-Length that is none");
    let digits = std::str::from_utf8(first.as_bytes()).map_err(|_| BAD)?;
    if !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(BAD);
    }
    // What somebody keeps in a signed number must not turn negative.
    digits.parse().ok().filter(|&length| length <= i64::MAX as u64).map(Some).ok_or(BAD)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(parts: &Parts, has_body: bool) -> Result<Option<Authority<'_>>, Error> {
        super::check(parts, Marks::of(&parts.headers), has_body)
    }

    #[test]
    fn a_host_is_folded_and_loses_port_and_dot() {
        for (text, name, port) in [
            ("Example.COM", "example.com", None),
            ("example.com.:8080", "example.com", Some(8080)),
            ("10.0.0.1:1", "10.0.0.1", Some(1)),
            ("[::1]:80", "[::1]", Some(80)),
            ("[2001:DB8::1]", "[2001:db8::1]", None),
            ("a_b.example", "a_b.example", None),
        ] {
            let authority = parse_authority(text.as_bytes()).expect("a host");
            assert_eq!((authority.name.as_ref(), authority.port), (name, port), "{text}");
        }
    }

    #[test]
    fn what_is_no_host_is_refused() {
        let long = "a".repeat(256);
        for text in [
            "",
            "a, b",
            "a/b",
            "u@a",
            "a b",
            "a:99999",
            "a:",
            "a:0",
            "a:+1",
            "[::1",
            "[::1]x",
            "[x]",
            "a\u{80}",
            "a%2e.b",
            "*.a",
            "..",
            ".a",
            "a..b",
            "a..",
            "a:1:2",
            long.as_str(),
        ] {
            assert!(parse_authority(text.as_bytes()).is_err(), "{text}");
        }
    }

    fn parts(build: impl FnOnce(http::request::Builder) -> http::request::Builder) -> Parts {
        build(http::Request::builder().uri("/")).body(()).expect("a request").into_parts().0
    }

    #[test]
    fn only_one_plain_chunked_is_a_transfer_encoding() {
        let with = |codings: &[&str]| {
            let parts = parts(|request| {
                codings
                    .iter()
                    .fold(request.header("host", "a"), |request, coding| request.header("transfer-encoding", *coding))
            });
            check(&parts, true).map(|_| ())
        };
        assert_eq!(with(&["cHuNkEd "]), Ok(()));
        assert_eq!(with(&["gzip, chunked"]), Err(Error::TransferCoding));
        for bad in [
            &["identity, chunked"][..],
            &["chunked, chunked"],
            &["chunked", "chunked"],
            &["cow", "chunked"],
            &[",chunked"],
            &["chunked,"],
            &[""],
        ] {
            assert!(matches!(with(bad), Err(Error::BadFraming(_))), "{bad:?}");
        }
    }

    #[test]
    fn an_absolute_target_must_name_the_host() {
        let with = |uri: &str, host: &str| {
            let parts = parts(|request| request.uri(uri).header("host", host));
            check(&parts, false).map(|_| ())
        };
        assert_eq!(with("http://A.example/x", "a.example"), Ok(()));
        assert!(with("http://evil/x", "a.example").is_err());
        assert!(with("http://u:p@a.example/", "a.example").is_err());
        assert!(with("ftp://a.example/", "a.example").is_err());
    }

    #[test]
    fn http_1_0_may_do_without_a_host_and_1_1_may_not() {
        assert_eq!(check(&parts(|request| request.version(Version::HTTP_10)), false), Ok(None));
        assert!(check(&parts(|request| request), false).is_err());
        assert!(check(&parts(|request| request.header("host", "a").header("host", "a")), false).is_err());
    }

    #[test]
    fn connect_and_trace_are_not_allowed() {
        for method in ["CONNECT", "TRACE", "TRACK"] {
            let parts = parts(|request| request.method(method).header("host", "a"));
            assert_eq!(check(&parts, false), Err(Error::MethodNotAllowed));
        }
    }
}
