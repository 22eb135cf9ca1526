//! The address of an entry point as it is typed: `[host]:port[/tcp]`.

use std::net::Ipv6Addr;
use std::sync::Arc;

/// A parsed address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    /// `host:port`, without the protocol.
    pub(super) text: Arc<str>,
    /// Empty is every address of both families; an IPv6 address keeps its brackets.
    pub(super) host: String,
    /// Zero lets the system choose.
    pub(super) port: u16,
}

/// What an address looks like, for messages.
pub(super) const EXPECTED: &str = "[host]:port, such as :80 or 127.0.0.1:8080";

/// Why a text is not an address that HTTP is served on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoAddress {
    /// It has another form.
    Form,
    /// It ends with `/udp`.
    Udp,
}

impl Address {
    pub(super) fn parse(text: &str) -> Result<Self, NoAddress> {
        let (address, protocol) = text.trim().split_once('/').unwrap_or((text.trim(), "tcp"));
        match protocol.to_ascii_lowercase().as_str() {
            "tcp" => {}
            "udp" => return Err(NoAddress::Udp),
            _ => return Err(NoAddress::Form),
        }
        let (host, port) = address.rsplit_once(':').ok_or(NoAddress::Form)?;
        let port = port.parse().map_err(|_| NoAddress::Form)?;
        if !is_host(host) {
            return Err(NoAddress::Form);
        }
        Ok(Self { text: address.into(), host: host.to_owned(), port })
    }

    /// Whether both cannot be listened on at once.
    pub(super) fn collides(&self, other: &Self) -> bool {
        let is_any = |host: &str| matches!(host, "" | "0.0.0.0" | "[::]");
        self.port != 0
            && self.port == other.port
            && (self.host.eq_ignore_ascii_case(&other.host) || is_any(&self.host) || is_any(&other.host))
    }

    /// Where a client on the same machine reaches it.
    pub(super) fn local(&self) -> String {
        let host = match self.host.as_str() {
            "" | "0.0.0.0" => "127.0.0.1",
            "[::]" => "[::1]",
            host => host,
        };
        format!("{host}:{}", self.port)
    }
}

fn is_host(host: &str) -> bool {
    match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        // A zone (`fe80::1%eth0`) is for the resolver to understand.
        Some(v6) => v6.split('%').next().is_some_and(|v6| v6.parse::<Ipv6Addr>().is_ok()),
        None => host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_')),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_host_and_a_port_and_perhaps_tcp() {
        for (text, expected, host, port) in [
            (":80", ":80", "", 80),
            (":8000/tcp", ":8000", "", 8000),
            ("127.0.0.1:0", "127.0.0.1:0", "127.0.0.1", 0),
            ("[::1]:443/TCP", "[::1]:443", "[::1]", 443),
            ("localhost:8080", "localhost:8080", "localhost", 8080),
        ] {
            let address = Address::parse(text).expect(text);
            assert_eq!((&*address.text, address.host.as_str(), address.port), (expected, host, port));
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in ["", "80", ":http", ":70000", "::1:80", "[::1]", "a b:80", ":80/quic", "http://a:80"] {
            assert_eq!(Address::parse(text), Err(NoAddress::Form), "{text}");
        }
        assert_eq!(Address::parse(":53/udp"), Err(NoAddress::Udp));
    }

    #[test]
    fn addresses_collide_on_one_port_unless_their_hosts_differ() {
        let collide = |a, b| Address::parse(a).expect(a).collides(&Address::parse(b).expect(b));
        assert!(collide(":80", "127.0.0.1:80"));
        assert!(collide("127.0.0.1:80", "0.0.0.0:80"));
        assert!(!collide("127.0.0.1:80", "127.0.0.2:80"));
        assert!(!collide(":80", ":81"));
        assert!(!collide(":0", ":0"));
    }
}
