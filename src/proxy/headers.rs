//! Header fields on their way through: what belongs to one hop is removed, and what a stranger says of who is asking.

use http::header::{self, Entry, HeaderMap, HeaderName, HeaderValue};

use super::forwarding::is_forwarding;
use super::passes::CDN_LOOP;
use crate::route::{ForwardedHeaders, UnderscoreHeaders};

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");
const PROXY: HeaderName = HeaderName::from_static("proxy");

/// What one look at a request's names found: most requests have none of it, and are not searched for each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Marks {
    /// `Connection`.
    connection: bool,
    /// A field of this hop other than `Connection`.
    hop: bool,
    /// A field that says who is asking.
    pub(crate) forwarding: bool,
    /// A name with `_`, or one that begins with `x` and has a `.`.
    separators: bool,
    /// `Content-Length`.
    pub(crate) content_length: bool,
    /// `Transfer-Encoding`.
    pub(crate) transfer_encoding: bool,
    /// `Expect`.
    pub(crate) expect: bool,
    /// `Upgrade`.
    pub(crate) upgrade: bool,
    /// `CDN-Loop`.
    pub(crate) passed: bool,
    /// `Content-Type` or `Upgrade`, which tell gRPC and WebSocket from other requests.
    pub(crate) names_protocol: bool,
}

impl Marks {
    /// Looks at every name once.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let mut marks = Self::default();
        for name in headers.keys() {
            let name = name.as_str();
            match name.as_bytes().first() {
                Some(b'c') => match name {
                    "connection" => marks.connection = true,
                    "content-length" => marks.content_length = true,
                    "content-type" => marks.names_protocol = true,
                    "cdn-loop" => marks.passed = true,
                    _ => marks.forwarding |= is_forwarding(name),
                },
                Some(b'x') => {
                    marks.forwarding |= is_forwarding(name);
                    marks.separators |= name.as_bytes().contains(&b'.');
                }
                Some(b'f' | b's') => marks.forwarding |= is_forwarding(name),
                Some(b't') => match name {
                    "te" => marks.hop = true,
                    "transfer-encoding" => (marks.hop, marks.transfer_encoding) = (true, true),
                    _ => marks.forwarding |= is_forwarding(name),
                },
                Some(b'u') if name == "upgrade" => {
                    (marks.hop, marks.upgrade, marks.names_protocol) = (true, true, true);
                }
                Some(b'e') if name == "expect" => (marks.hop, marks.expect) = (true, true),
                Some(b'k') => marks.hop |= name == "keep-alive",
                Some(b'h') => marks.hop |= name == "http2-settings",
                Some(b'p') => marks.hop |= name.starts_with("proxy"),
                _ => {}
            }
            marks.separators |= name.as_bytes().contains(&b'_');
        }
        marks
    }
}

/// An underscore in a header's name, where the listener refuses these.
#[derive(Debug)]
pub(crate) struct UnderscoreRejected;

/// What a hop may keep for the next one.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Kept {
    /// `TE: trailers`, which gRPC asks for.
    pub(crate) trailers: bool,
}

/// Removes from a request what belongs to this hop only, what `Connection` names, and forwarding fields of a peer that
/// is not trusted, in this order, before anything of ours is added.
pub(crate) fn clean_request(
    headers: &mut HeaderMap,
    found: Marks,
    trusted: bool,
    forwarded: &ForwardedHeaders,
    underscores: UnderscoreHeaders,
) -> Result<Kept, UnderscoreRejected> {
    let mut kept = Kept::default();
    if found.separators {
        separators(headers, trusted, underscores)?;
    }
    if found.hop {
        kept.trailers = headers.get_all(header::TE).iter().any(|value| has_token(value, "trailers"));
    }
    if found.connection {
        remove_connection(headers, forwarded);
    }
    if found.hop {
        for name in [
            header::TE,
            header::TRANSFER_ENCODING,
            KEEP_ALIVE,
            header::UPGRADE,
            header::EXPECT,
            HTTP2_SETTINGS,
            PROXY_CONNECTION,
            header::PROXY_AUTHENTICATE,
            header::PROXY_AUTHORIZATION,
            PROXY,
        ] {
            headers.remove(name);
        }
    }
    if found.forwarding && !trusted {
        let names: Vec<HeaderName> = headers.keys().filter(|name| is_forwarding(name.as_str())).cloned().collect();
        for name in names {
            headers.remove(name);
        }
    }
    Ok(kept)
}

/// Fields that mean something in a head: framing, routing, credentials, the hop itself (RFC 9110 §6.5.1).
const NEVER_TRAILERS: [HeaderName; 16] = [
    header::TRANSFER_ENCODING,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::CONTENT_ENCODING,
    header::CONTENT_RANGE,
    header::HOST,
    header::TRAILER,
    header::TE,
    header::CONNECTION,
    KEEP_ALIVE,
    PROXY_CONNECTION,
    header::UPGRADE,
    header::AUTHORIZATION,
    header::PROXY_AUTHORIZATION,
    header::COOKIE,
    header::SET_COOKIE,
];

/// Removes from a request's trailers what would mean something in its head, and who is asking. A backend may join them
/// with the head.
pub(crate) fn clean_request_trailers(trailers: &mut HeaderMap) {
    let names: Vec<HeaderName> = trailers.keys().cloned().collect();
    for name in names {
        if NEVER_TRAILERS.contains(&name) || is_forwarding(name.as_str()) || name.as_str().contains('_') {
            trailers.remove(name);
        }
    }
}

/// Removes from an answer's trailers what would mean something in its head; in HTTP/2 a field of the hop would break the
/// stream off.
pub(crate) fn clean_response_trailers(trailers: &mut HeaderMap) {
    for name in &NEVER_TRAILERS {
        trailers.remove(name);
    }
}

/// Names with `_` reach a CGI-like backend as their `-` twins, and with some servers those with `.` do too: those of
/// forwarding fields go, the rest is as configured.
fn separators(headers: &mut HeaderMap, trusted: bool, strategy: UnderscoreHeaders) -> Result<(), UnderscoreRejected> {
    let odd = |name: &&HeaderName| name.as_str().contains(['_', '.']);
    let names: Vec<HeaderName> = headers.keys().filter(odd).cloned().collect();
    for name in names {
        let underscore = name.as_str().contains('_');
        let twin = name.as_str().replace(['_', '.'], "-");
        let framing = matches!(twin.as_str(), "content-length" | "transfer-encoding" | "host" | "connection");
        match strategy {
            UnderscoreHeaders::Reject if underscore => return Err(UnderscoreRejected),
            UnderscoreHeaders::Delete if underscore => drop(headers.remove(name)),
            _ if framing || (is_forwarding(&twin) && !trusted) => drop(headers.remove(name)),
            _ => {}
        }
    }
    Ok(())
}

/// Removes `Connection` and what it names (RFC 9110 §7.6.1), but for what frames or addresses the message, and what we
/// manage.
fn remove_connection(headers: &mut HeaderMap, forwarded: &ForwardedHeaders) {
    let Entry::Occupied(connection) = headers.entry(header::CONNECTION) else { return };
    let names_nothing = |value: &HeaderValue| {
        let value = value.as_bytes();
        value.eq_ignore_ascii_case(b"keep-alive") || value.eq_ignore_ascii_case(b"close")
    };
    if connection.iter().all(names_nothing) {
        connection.remove();
        return;
    }
    let values: Vec<HeaderValue> = connection.remove_entry_mult().1.collect();
    let nominated: Vec<HeaderName> = values
        .iter()
        .flat_map(|value| value.as_bytes().split(|&byte| byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|token| !token.is_empty())
        .filter(|token| !token.eq_ignore_ascii_case(b"close") && !token.eq_ignore_ascii_case(b"keep-alive"))
        .filter_map(|token| HeaderName::from_bytes(token).ok())
        .collect();
    for name in nominated {
        let framing = name == header::HOST || name == header::CONTENT_LENGTH || name == header::TRANSFER_ENCODING;
        let allowed = forwarded.connection.iter().any(|kept| **kept == *name.as_str());
        if !framing && !allowed && name != CDN_LOOP && !is_forwarding(name.as_str()) {
            headers.remove(name);
        }
    }
}

/// Whether a comma-separated value has this token (parameters ignored).
pub(crate) fn has_token(value: &HeaderValue, token: &str) -> bool {
    value.as_bytes().split(|&byte| byte == b',').any(|item| {
        let name = item.split(|&byte| byte == b';').next().unwrap_or_default();
        name.trim_ascii().eq_ignore_ascii_case(token.as_bytes())
    })
}

/// RFC 9113 §8.2.3: crumbs of a cookie are one field again in HTTP/1.
pub(crate) fn join_cookies(headers: &mut HeaderMap) {
    let mut crumbs = headers.get_all(header::COOKIE).iter();
    if crumbs.next().is_none() || crumbs.next().is_none() {
        return;
    }
    let all: Vec<&[u8]> = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if let Ok(joined) = HeaderValue::from_bytes(&all.join(&b"; "[..])) {
        headers.insert(header::COOKIE, joined);
    }
}

/// An answer in a transfer coding that would reach the client undecoded and unnamed.
#[derive(Debug)]
pub(crate) struct UnknownCoding;

/// Removes from an answer what belongs to the hop behind us.
pub(crate) fn clean_response(headers: &mut HeaderMap) -> Result<(), UnknownCoding> {
    let (mut connection, mut coding, mut hop) = (false, false, false);
    for name in headers.keys() {
        match name.as_str() {
            "connection" => connection = true,
            "transfer-encoding" => (coding, hop) = (true, true),
            "keep-alive" | "proxy-connection" | "upgrade" | "te" | "proxy-authenticate" | "alt-svc" => hop = true,
            _ => {}
        }
    }
    if coding && !chunked_alone(headers) {
        return Err(UnknownCoding);
    }
    if connection {
        remove_connection(headers, &ForwardedHeaders::default());
    }
    if hop {
        if headers.remove(header::TRANSFER_ENCODING).is_some() {
            // RFC 9112 §6.3: the transfer coding overrides the length.
            headers.remove(header::CONTENT_LENGTH);
        }
        // Alt-Svc: other ways to a host are its edge's to tell, not one of its backends' (RFC 7838 §9.3).
        for name in
            [KEEP_ALIVE, PROXY_CONNECTION, header::UPGRADE, header::TE, header::PROXY_AUTHENTICATE, header::ALT_SVC]
        {
            headers.remove(name);
        }
    }
    Ok(())
}

/// Bodies are decoded from `chunked` and nothing else.
fn chunked_alone(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    let first = codings.next().is_some_and(|coding| coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked"));
    first && codings.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        fields.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    fn names(headers: &HeaderMap) -> Vec<&str> {
        let mut names: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        names
    }

    fn clean(
        headers: &mut HeaderMap,
        trusted: bool,
        forwarded: &ForwardedHeaders,
        underscores: UnderscoreHeaders,
    ) -> Result<Kept, UnderscoreRejected> {
        clean_request(headers, Marks::of(headers), trusted, forwarded, underscores)
    }

    #[test]
    fn what_belongs_to_one_hop_is_removed_and_what_connection_names_too() {
        let mut headers = map(&[
            ("connection", "close, X-Secret, Host, content-length"),
            ("x-secret", "1"),
            ("host", "a"),
            ("content-length", "1"),
            ("te", "gzip, trailers"),
            ("upgrade", "h2c"),
            ("http2-settings", "x"),
            ("proxy", "http://evil"),
            ("proxy-authorization", "x"),
            ("keep-alive", "1"),
            ("expect", "100-continue"),
            ("accept", "*/*"),
        ]);
        let kept = clean(&mut headers, false, &ForwardedHeaders::default(), UnderscoreHeaders::Keep).expect("kept");
        assert!(kept.trailers);
        assert_eq!(names(&headers), ["accept", "content-length", "host"]);
    }

    #[test]
    fn connection_cannot_remove_what_a_trusted_peer_says() {
        let mut headers = map(&[("connection", "x-forwarded-for, x-real-ip"), ("x-forwarded-for", "198.51.100.1")]);
        clean(&mut headers, true, &ForwardedHeaders::default(), UnderscoreHeaders::Keep).expect("kept");
        assert_eq!(names(&headers), ["x-forwarded-for"]);
    }

    #[test]
    fn forwarding_fields_of_a_stranger_are_removed_with_their_twins() {
        let mut headers = map(&[
            ("x-forwarded-for", "1.1.1.1"),
            ("x-forwarded-proto", "ftp"),
            ("x-forwarded-prefix", "/admin"),
            ("x-real-ip", "1.1.1.1"),
            ("forwarded", "for=1.1.1.1"),
            ("x_forwarded_for", "1.1.1.1"),
            ("x-forwarded_host", "evil"),
            ("x.real.ip", "1.1.1.1"),
            ("x-my.own", "1"),
            ("content_length", "5"),
            ("my_own", "1"),
            ("host", "a:8443"),
        ]);
        clean(&mut headers, false, &ForwardedHeaders::default(), UnderscoreHeaders::Keep).expect("kept");
        assert_eq!(names(&headers), ["host", "my_own", "x-my.own"]);
    }

    #[test]
    fn headers_with_underscores_are_kept_deleted_or_rejected_as_configured() {
        let mut headers = map(&[("my_own", "1")]);
        assert!(clean(&mut headers, true, &ForwardedHeaders::default(), UnderscoreHeaders::Reject).is_err());
        clean(&mut headers, true, &ForwardedHeaders::default(), UnderscoreHeaders::Delete).expect("deleted");
        assert!(headers.is_empty());
    }

    #[test]
    fn connection_cannot_remove_where_a_request_has_passed() {
        let mut headers = map(&[("cdn-loop", "adit"), ("connection", "cdn-loop")]);
        assert!(Marks::of(&headers).passed);
        clean(&mut headers, false, &ForwardedHeaders::default(), UnderscoreHeaders::Keep).expect("kept");
        assert_eq!(names(&headers), ["cdn-loop"]);
    }

    #[test]
    fn cookie_crumbs_are_joined() {
        let mut headers = HeaderMap::new();
        for crumb in ["a=1", "b=2", "c=3"] {
            headers.append(header::COOKIE, HeaderValue::from_static(crumb));
        }
        join_cookies(&mut headers);
        assert_eq!(headers.get_all(header::COOKIE).iter().collect::<Vec<_>>(), ["a=1; b=2; c=3"]);
    }

    #[test]
    fn an_answer_with_a_transfer_coding_loses_its_length() {
        let mut headers = map(&[
            ("transfer-encoding", "chunked"),
            ("content-length", "5"),
            ("connection", "x-internal"),
            ("x-internal", "1"),
            ("etag", "e"),
        ]);
        clean_response(&mut headers).expect("a coding that is decoded");
        assert_eq!(names(&headers), ["etag"]);
        for codings in [&["gzip, chunked"][..], &["identity"], &["chunked", "chunked"]] {
            let mut headers: HeaderMap =
                codings.iter().map(|coding| (header::TRANSFER_ENCODING, HeaderValue::from_static(coding))).collect();
            assert!(clean_response(&mut headers).is_err(), "{codings:?}");
        }
    }
}
