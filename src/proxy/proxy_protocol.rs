//! The PROXY protocol's header, versions 1 and 2, as trusted load balancers send it ahead of a connection.
//! Source: HAProxy's specification "The PROXY protocol", sections 2.1 and 2.2.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// What the bytes at the start of a connection are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Header {
    /// Not a PROXY header.
    Absent,
    /// The start of one: more bytes are needed.
    Partial,
    /// One of this length; the client's address, unless the balancer speaks for itself or cannot tell.
    Complete(usize, Option<SocketAddr>),
    /// One that is broken.
    Malformed,
}

const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Section 2.1: the longest line of version 1, with CRLF.
const LONGEST_V1: usize = 107;
/// More extension bytes than any balancer sends.
const LONGEST_V2: usize = 4096;

/// Looks at the first bytes of a connection.
pub(crate) fn parse(bytes: &[u8]) -> Header {
    let common = |pattern: &[u8]| bytes.iter().zip(pattern).all(|(a, b)| a == b);
    if common(SIGNATURE) {
        return if bytes.len() < 16 { Header::Partial } else { version_2(bytes) };
    }
    if common(b"PROXY ") {
        return if bytes.len() < 6 { Header::Partial } else { version_1(bytes) };
    }
    Header::Absent
}

fn version_1(bytes: &[u8]) -> Header {
    let window = bytes.get(..bytes.len().min(LONGEST_V1)).unwrap_or_default();
    let Some(end) = window.windows(2).position(|pair| pair == b"\r\n") else {
        return if bytes.len() < LONGEST_V1 { Header::Partial } else { Header::Malformed };
    };
    let Some(line) = window.get(6..end).and_then(|line| std::str::from_utf8(line).ok()) else {
        return Header::Malformed;
    };
    let mut words = line.split(' ');
    let source = match (words.next(), words.next(), words.next(), words.next(), words.next(), words.next()) {
        (Some("UNKNOWN"), ..) => return Header::Complete(end + 2, None),
        (Some("TCP4"), Some(source), Some(target), Some(port), Some(target_port), None) => {
            let both = source.parse::<Ipv4Addr>().ok().zip(target.parse::<Ipv4Addr>().ok());
            both.map(|(source, _)| IpAddr::V4(source)).zip(ports(port, target_port))
        }
        (Some("TCP6"), Some(source), Some(target), Some(port), Some(target_port), None) => {
            let both = source.parse::<Ipv6Addr>().ok().zip(target.parse::<Ipv6Addr>().ok());
            both.map(|(source, _)| IpAddr::V6(source)).zip(ports(port, target_port))
        }
        _ => None,
    };
    match source {
        Some((ip, port)) => Header::Complete(end + 2, Some(SocketAddr::new(ip, port))),
        None => Header::Malformed,
    }
}

fn ports(source: &str, target: &str) -> Option<u16> {
    let port = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u16>().ok()).flatten();
    port(target)?;
    port(source)
}

fn version_2(bytes: &[u8]) -> Header {
    let (Some(&version), Some(&family), Some(length)) = (bytes.get(12), bytes.get(13), bytes.get(14..16)) else {
        return Header::Partial;
    };
    let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
    if version >> 4 != 2 || length > LONGEST_V2 {
        return Header::Malformed;
    }
    let Some(body) = bytes.get(16..16 + length) else { return Header::Partial };
    let end = 16 + length;
    match (version & 0xf, family) {
        // LOCAL: the balancer's own health check.
        (0, _) => Header::Complete(end, None),
        (1, 0x11) => match body.first_chunk::<12>() {
            Some([a, b, c, d, _, _, _, _, high, low, _, _]) => {
                let ip = Ipv4Addr::new(*a, *b, *c, *d);
                Header::Complete(end, Some(SocketAddr::new(ip.into(), u16::from_be_bytes([*high, *low]))))
            }
            None => Header::Malformed,
        },
        (1, 0x21) => match (body.first_chunk::<16>(), body.get(32..36)) {
            (Some(ip), Some(&[high, low, _, _])) => {
                let ip = IpAddr::V6(Ipv6Addr::from(*ip)).to_canonical();
                Header::Complete(end, Some(SocketAddr::new(ip, u16::from_be_bytes([high, low]))))
            }
            _ => Header::Malformed,
        },
        // Unspecified, datagram or UNIX: the address cannot be used, the connection can.
        (1, _) => Header::Complete(end, None),
        _ => Header::Malformed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v2(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
        let mut bytes = SIGNATURE.to_vec();
        bytes.extend([0x20 | command, family]);
        bytes.extend((body.len() as u16).to_be_bytes());
        bytes.extend(body);
        bytes
    }

    #[test]
    fn a_version_1_line_gives_the_source() {
        let line = b"PROXY TCP4 192.0.2.1 198.51.100.1 5000 80\r\nGET / HTTP/1.1\r\n";
        assert_eq!(parse(line), Header::Complete(43, Some("192.0.2.1:5000".parse().expect("an address"))));
        assert_eq!(parse(b"PROXY UNKNOWN\r\n"), Header::Complete(15, None));
        let v6 = b"PROXY TCP6 2001:db8::1 2001:db8::2 1 2\r\n";
        assert_eq!(parse(v6), Header::Complete(v6.len(), Some("[2001:db8::1]:1".parse().expect("an address"))));
    }

    #[test]
    fn a_version_2_header_gives_the_source() {
        let bytes = v2(1, 0x11, &[192, 0, 2, 1, 198, 51, 100, 1, 0x13, 0x88, 0, 80]);
        assert_eq!(parse(&bytes), Header::Complete(28, Some("192.0.2.1:5000".parse().expect("an address"))));
        let mut body = Ipv4Addr::new(192, 0, 2, 9).to_ipv6_mapped().octets().to_vec();
        body.extend([0; 16]);
        body.extend([0, 7, 0, 80]);
        assert_eq!(parse(&v2(1, 0x21, &body)), Header::Complete(52, Some("192.0.2.9:7".parse().expect("an address"))));
        assert_eq!(parse(&v2(0, 0, &[])), Header::Complete(16, None));
        assert_eq!(parse(&v2(1, 0x31, &[0; 216])), Header::Complete(232, None));
    }

    #[test]
    fn what_is_cut_short_asks_for_more_and_what_is_broken_is_malformed() {
        assert_eq!(parse(b"PRO"), Header::Partial);
        assert_eq!(parse(b"PROXY TCP4 192.0.2.1"), Header::Partial);
        assert_eq!(parse(&SIGNATURE[..5]), Header::Partial);
        assert_eq!(parse(&v2(1, 0x11, &[0; 12])[..20]), Header::Partial);
        for line in [
            "PROXY TCP4 a b 1 2\r\n",
            "PROXY TCP4 1.1.1.1 2.2.2.2 70000 1\r\n",
            "PROXY TCP9 1 2 3 4\r\n",
            "PROXY TCP4 1.1.1.1 2.2.2.2 +1 1\r\n",
        ] {
            assert_eq!(parse(line.as_bytes()), Header::Malformed, "{line}");
        }
        assert_eq!(parse(&[&b"PROXY "[..], &[b'x'; 110]].concat()), Header::Malformed);
        assert_eq!(parse(&v2(1, 0x11, &[0; 4])), Header::Malformed);
        assert_eq!(parse(&v2(7, 0x11, &[0; 12])), Header::Malformed);
        assert_eq!(parse(b"GET / HTTP/1.1\r\n"), Header::Absent);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(tail in proptest::collection::vec(proptest::num::u8::ANY, 0..64), which in 0..3u8) {
            let start: &[u8] = match which { 0 => b"PROXY ", 1 => SIGNATURE, _ => b"" };
            let _ = parse(&[start, &tail].concat());
        }
    }
}
