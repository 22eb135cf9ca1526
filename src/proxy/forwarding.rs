//! Who is asking, as backends are told: the fields that say so, as Traefik writes them.

use std::borrow::Cow;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use super::h1::write_field;
use super::passes::{CDN_LOOP, US};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
pub(crate) const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_SERVER: HeaderName = HeaderName::from_static("x-forwarded-server");
const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

/// Whether a field speaks of where a request comes from, or of what was asked before somebody rewrote it. Backends and
/// frameworks believe these; a peer that is not trusted has no say in them.
pub(crate) fn is_forwarding(name: &str) -> bool {
    name.starts_with("x-forwarded-")
        || name.starts_with("ssl-client-")
        || matches!(
            name,
            "x-real-ip"
                | "x-scheme"
                | "x-client-ip"
                | "x-original-url"
                | "x-rewrite-url"
                | "true-client-ip"
                | "cf-connecting-ip"
                | "forwarded"
        )
}

/// What of a connection the forwarding fields say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin<'a> {
    /// The peer's address.
    pub(crate) address: &'a HeaderValue,
    /// It came over TLS.
    pub(crate) secured: bool,
    /// Our host name.
    pub(crate) server: &'a HeaderValue,
}

/// What a request itself says about who is asking.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Said {
    /// It has forwarding fields, of a trusted peer.
    pub(crate) before: bool,
    /// The port that its Host names.
    pub(crate) port: Option<u16>,
    /// It asks for a WebSocket.
    pub(crate) websocket: bool,
    /// Its fields say already that it has passed here: see [`super::passes`].
    pub(crate) passed: bool,
}

impl<'a> Origin<'a> {
    fn proto(&self, said: Said) -> HeaderValue {
        HeaderValue::from_static(match (said.websocket, self.secured) {
            (true, true) => "wss",
            (true, false) => "ws",
            (false, true) => "https",
            (false, false) => "http",
        })
    }

    fn port(&self, said: Said) -> HeaderValue {
        let usual = if self.secured { "443" } else { "80" };
        said.port.map_or(HeaderValue::from_static(usual), HeaderValue::from)
    }

    /// What is said of a stranger, but for `X-Forwarded-Host`.
    fn fields(self, said: Said, append_for: bool) -> impl Iterator<Item = (HeaderName, Cow<'a, HeaderValue>)> {
        let forwarded_for = append_for.then_some((X_FORWARDED_FOR, Cow::Borrowed(self.address)));
        let passes = (!said.passed).then_some((CDN_LOOP, Cow::Owned(US)));
        forwarded_for.into_iter().chain(passes).chain([
            (X_REAL_IP, Cow::Borrowed(self.address)),
            (X_FORWARDED_PROTO, Cow::Owned(self.proto(said))),
            (X_FORWARDED_PORT, Cow::Owned(self.port(said))),
            (X_FORWARDED_SERVER, Cow::Borrowed(self.server)),
        ])
    }
}

/// Adds who is asking, as Traefik does: what a trusted peer has said stays, `X-Forwarded-For` grows.
pub(crate) fn add_forwarding(headers: &mut HeaderMap, origin: Origin<'_>, said: Said, append_for: bool) {
    let host = headers.get(header::HOST).cloned();
    if said.before {
        if append_for {
            append(headers, origin.address);
        }
        headers.entry(X_REAL_IP).or_insert_with(|| origin.address.clone());
        headers.entry(X_FORWARDED_PROTO).or_insert_with(|| origin.proto(said));
        headers.entry(X_FORWARDED_PORT).or_insert_with(|| origin.port(said));
        if let Some(host) = host {
            headers.entry(X_FORWARDED_HOST).or_insert(host);
        }
        headers.insert(X_FORWARDED_SERVER, origin.server.clone());
        if !said.passed {
            headers.insert(CDN_LOOP, US);
        }
        return;
    }
    // None of them is there: nothing to look up first.
    for (name, value) in origin.fields(said, append_for) {
        headers.append(name, value.into_owned());
    }
    if let Some(host) = host {
        headers.append(X_FORWARDED_HOST, host);
    }
}

/// The same as lines of a head whose fields say nothing of it: what [`super::headers::clean_request`] leaves of a stranger's. But for
/// `X-Forwarded-Host`, they are the same for most requests of a connection.
pub(crate) fn write_forwarding(out: &mut Vec<u8>, origin: Origin<'_>, said: Said, append_for: bool) {
    for (name, value) in origin.fields(said, append_for) {
        write_field(out, &name, &value);
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    static PEER: HeaderValue = HeaderValue::from_static("192.0.2.7");
    static SERVER: HeaderValue = HeaderValue::from_static("adit-0");
    static ORIGIN: Origin<'_> = Origin { address: &PEER, secured: true, server: &SERVER };

    #[test]
    fn what_a_trusted_peer_says_stays_and_grows() {
        let mut headers = HeaderMap::new();
        headers.append(X_FORWARDED_FOR, HeaderValue::from_static("203.0.113.1"));
        headers.append(X_FORWARDED_FOR, HeaderValue::from_static("198.51.100.1"));
        headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static("http"));
        add_forwarding(&mut headers, ORIGIN, Said { before: true, ..Said::default() }, true);
        assert_eq!(headers[X_FORWARDED_FOR], "203.0.113.1, 198.51.100.1, 192.0.2.7");
        assert_eq!(headers[X_FORWARDED_PROTO], "http");
        assert_eq!(headers[X_REAL_IP], "192.0.2.7");
    }

    #[test]
    fn of_a_stranger_all_is_said_once() {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_static("a:8443"));
        let said = Said { before: false, port: Some(8443), websocket: true, passed: false };
        let mut lines = Vec::new();
        write_forwarding(&mut lines, ORIGIN, said, true);
        add_forwarding(&mut headers, ORIGIN, said, true);
        assert_eq!(headers.len(), 8, "each once: {headers:?}");
        assert_eq!(headers[CDN_LOOP], "adit");
        assert_eq!(headers[X_FORWARDED_FOR], "192.0.2.7");
        assert_eq!(headers[X_FORWARDED_PROTO], "wss");
        assert_eq!(headers[X_FORWARDED_PORT], "8443");
        assert_eq!(headers[X_FORWARDED_HOST], "a:8443");
        assert_eq!(headers[X_FORWARDED_SERVER], "adit-0");
        assert_eq!(lines.iter().filter(|byte| **byte == b'\n').count(), 6, "the same but for Host's two");
    }
}
