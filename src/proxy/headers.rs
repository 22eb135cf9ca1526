//! Header fields on their way through: what belongs to one hop is removed, what says who is asking is replaced.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use crate::route::{ForwardedHeaders, UnderscoreHeaders};

/// Fields that speak of a request's origin; replaced when they come from a peer that is not trusted.
static FORWARDING: [HeaderName; 14] = [
    X_FORWARDED_FOR,
    X_FORWARDED_HOST,
    X_FORWARDED_PORT,
    X_FORWARDED_PROTO,
    X_FORWARDED_SERVER,
    X_REAL_IP,
    HeaderName::from_static("x-forwarded-prefix"),
    HeaderName::from_static("x-forwarded-uri"),
    HeaderName::from_static("x-forwarded-method"),
    HeaderName::from_static("x-forwarded-scheme"),
    HeaderName::from_static("x-scheme"),
    HeaderName::from_static("x-forwarded-tls-client-cert"),
    HeaderName::from_static("x-forwarded-tls-client-cert-info"),
    header::FORWARDED,
];

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_SERVER: HeaderName = HeaderName::from_static("x-forwarded-server");
const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");
const PROXY: HeaderName = HeaderName::from_static("proxy");

/// What the scan of a request's names found; acting on it is the exception.
#[derive(Clone, Copy, Default)]
struct Found {
    connection: bool,
    hop: bool,
    forwarding: bool,
    underscore: bool,
}

fn scan(headers: &HeaderMap) -> Found {
    let mut found = Found::default();
    for name in headers.keys() {
        let name = name.as_str();
        match name.as_bytes().first() {
            Some(b'c') => found.connection |= name == "connection",
            Some(b'x') => {
                found.forwarding |= name.starts_with("x-forwarded-") || name == "x-real-ip" || name == "x-scheme"
            }
            Some(b'f') => found.forwarding |= name == "forwarded",
            Some(b't') => found.hop |= name == "te" || name == "transfer-encoding",
            Some(b'k') => found.hop |= name == "keep-alive",
            Some(b'u') => found.hop |= name == "upgrade",
            Some(b'e') => found.hop |= name == "expect",
            Some(b'h') => found.hop |= name == "http2-settings",
            Some(b'p') => found.hop |= name.starts_with("proxy"),
            _ => {}
        }
        found.underscore |= name.as_bytes().contains(&b'_');
    }
    found
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
    trusted: bool,
    forwarded: &ForwardedHeaders,
    underscores: UnderscoreHeaders,
) -> Result<Kept, UnderscoreRejected> {
    let found = scan(headers);
    let mut kept = Kept::default();
    if found.underscore {
        underscore(headers, trusted, underscores)?;
    }
    if found.hop {
        kept.trailers = headers.get_all(header::TE).iter().any(|value| has_token(value, "trailers"));
    }
    if found.connection {
        remove_nominated(headers, forwarded);
        headers.remove(header::CONNECTION);
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
        for name in &FORWARDING {
            headers.remove(name);
        }
    }
    Ok(kept)
}

/// Names with `_` reach a CGI-like backend as their `-` twins: those of forwarding fields go, the rest is as configured.
fn underscore(headers: &mut HeaderMap, trusted: bool, strategy: UnderscoreHeaders) -> Result<(), UnderscoreRejected> {
    let names: Vec<HeaderName> = headers.keys().filter(|name| name.as_str().contains('_')).cloned().collect();
    for name in names {
        let twin = name.as_str().replace('_', "-");
        let impersonates = FORWARDING.iter().any(|forwarding| forwarding.as_str() == twin);
        let framing = matches!(twin.as_str(), "content-length" | "transfer-encoding" | "host" | "connection");
        match strategy {
            UnderscoreHeaders::Reject => return Err(UnderscoreRejected),
            UnderscoreHeaders::Delete => drop(headers.remove(name)),
            UnderscoreHeaders::Keep if framing || (impersonates && !trusted) => drop(headers.remove(name)),
            UnderscoreHeaders::Keep => {}
        }
    }
    Ok(())
}

/// RFC 9110 §7.6.1, but for what frames or addresses the message, and what we manage.
fn remove_nominated(headers: &mut HeaderMap, forwarded: &ForwardedHeaders) {
    let nominated: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
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
        if !framing && !allowed && !FORWARDING.contains(&name) {
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

/// What of a connection the forwarding fields say; made once per connection.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    /// The peer's address.
    pub(crate) address: HeaderValue,
    /// `http` or `https`.
    pub(crate) proto: HeaderValue,
    /// The scheme's own port, used when the Host has none.
    pub(crate) default_port: HeaderValue,
    /// Our host name.
    pub(crate) server: HeaderValue,
}

/// Adds who is asking, as Traefik does: what a trusted peer has said stays, `X-Forwarded-For` grows.
pub(crate) fn add_forwarding(
    headers: &mut HeaderMap,
    origin: &Origin,
    host: Option<&HeaderValue>,
    port: Option<u16>,
    websocket: bool,
    append_for: bool,
) {
    if append_for {
        append(headers, &origin.address);
    }
    headers.entry(X_REAL_IP).or_insert_with(|| origin.address.clone());
    headers.entry(X_FORWARDED_PROTO).or_insert_with(|| match (websocket, origin.proto.as_bytes()) {
        (true, b"https") => HeaderValue::from_static("wss"),
        (true, _) => HeaderValue::from_static("ws"),
        (false, _) => origin.proto.clone(),
    });
    headers
        .entry(X_FORWARDED_PORT)
        .or_insert_with(|| port.map_or_else(|| origin.default_port.clone(), HeaderValue::from));
    if let Some(host) = host {
        headers.entry(X_FORWARDED_HOST).or_insert_with(|| host.clone());
    }
    headers.insert(X_FORWARDED_SERVER, origin.server.clone());
}

fn append(headers: &mut HeaderMap, address: &HeaderValue) {
    let mut before = headers.get_all(X_FORWARDED_FOR).iter();
    let Some(first) = before.next() else {
        headers.insert(X_FORWARDED_FOR, address.clone());
        return;
    };
    let mut joined = first.as_bytes().to_vec();
    for more in before {
        joined.extend_from_slice(b", ");
        joined.extend_from_slice(more.as_bytes());
    }
    joined.extend_from_slice(b", ");
    joined.extend_from_slice(address.as_bytes());
    headers.insert(X_FORWARDED_FOR, HeaderValue::from_bytes(&joined).unwrap_or_else(|_| address.clone()));
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

/// Removes from an answer what belongs to the hop behind us.
pub(crate) fn clean_response(headers: &mut HeaderMap) {
    let mut hop = false;
    let mut connection = false;
    for name in headers.keys() {
        match name.as_str() {
            "connection" => connection = true,
            "keep-alive" | "proxy-connection" | "transfer-encoding" | "upgrade" | "te" | "proxy-authenticate" => {
                hop = true
            }
            _ => {}
        }
    }
    if connection {
        remove_nominated(headers, &ForwardedHeaders::default());
        headers.remove(header::CONNECTION);
    }
    if hop {
        if headers.remove(header::TRANSFER_ENCODING).is_some() {
            // RFC 9112 §6.3: the transfer coding overrides the length.
            headers.remove(header::CONTENT_LENGTH);
        }
        for name in [KEEP_ALIVE, PROXY_CONNECTION, header::UPGRADE, header::TE, header::PROXY_AUTHENTICATE] {
            headers.remove(name);
        }
    }
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

    fn origin() -> Origin {
        Origin {
            address: HeaderValue::from_static("192.0.2.7"),
            proto: HeaderValue::from_static("https"),
            default_port: HeaderValue::from_static("443"),
            server: HeaderValue::from_static("adit-0"),
        }
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
        let kept =
            clean_request(&mut headers, false, &ForwardedHeaders::default(), UnderscoreHeaders::Keep).expect("kept");
        assert!(kept.trailers);
        assert_eq!(names(&headers), ["accept", "content-length", "host"]);
    }

    #[test]
    fn connection_cannot_remove_what_a_trusted_peer_says() {
        let mut headers = map(&[("connection", "x-forwarded-for, x-real-ip"), ("x-forwarded-for", "198.51.100.1")]);
        clean_request(&mut headers, true, &ForwardedHeaders::default(), UnderscoreHeaders::Keep).expect("kept");
        add_forwarding(&mut headers, &origin(), None, None, false, true);
        assert_eq!(headers[X_FORWARDED_FOR], "198.51.100.1, 192.0.2.7");
        assert_eq!(headers[X_REAL_IP], "192.0.2.7");
    }

    #[test]
    fn forwarding_fields_of_a_stranger_are_replaced_with_their_twins() {
        let mut headers = map(&[
            ("x-forwarded-for", "1.1.1.1"),
            ("x-forwarded-proto", "ftp"),
            ("x-forwarded-prefix", "/admin"),
            ("x-real-ip", "1.1.1.1"),
            ("forwarded", "for=1.1.1.1"),
            ("x_forwarded_for", "1.1.1.1"),
            ("x-forwarded_host", "evil"),
            ("content_length", "5"),
            ("my_own", "1"),
        ]);
        clean_request(&mut headers, false, &ForwardedHeaders::default(), UnderscoreHeaders::Keep).expect("kept");
        assert_eq!(names(&headers), ["my_own"]);
        add_forwarding(&mut headers, &origin(), Some(&HeaderValue::from_static("a:8443")), Some(8443), true, true);
        assert_eq!(headers[X_FORWARDED_FOR], "192.0.2.7");
        assert_eq!(headers[X_FORWARDED_PROTO], "wss");
        assert_eq!(headers[X_FORWARDED_PORT], "8443");
        assert_eq!(headers[X_FORWARDED_HOST], "a:8443");
        assert_eq!(headers[X_FORWARDED_SERVER], "adit-0");
    }

    #[test]
    fn headers_with_underscores_are_kept_deleted_or_rejected_as_configured() {
        let mut headers = map(&[("my_own", "1")]);
        assert!(clean_request(&mut headers, true, &ForwardedHeaders::default(), UnderscoreHeaders::Reject).is_err());
        clean_request(&mut headers, true, &ForwardedHeaders::default(), UnderscoreHeaders::Delete).expect("deleted");
        assert!(headers.is_empty());
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
        clean_response(&mut headers);
        assert_eq!(names(&headers), ["etag"]);
    }
}
