//! Cookie affinity: the cookie's value names the endpoint, as Traefik's does, so that sessions survive a change of proxy.

use std::fmt::Write as _;

use http::{HeaderMap, HeaderValue, header};

use crate::route::{SameSite, Sticky};

/// The value that names an endpoint: the first 16 hexadecimal digits of its URL's SHA-256.
pub(crate) type Session = [u8; 16];

/// The value that names the endpoint with this URL, `http://10.0.0.1:80`.
pub(crate) fn session(url: &str) -> Session {
    let mut session = [b'0'; 16];
    // rustls has the hash function; a package of its own would be one more.
    if let Some(suite) = rustls::crypto::aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256.tls13() {
        let hash = suite.common.hash_provider.hash(url.as_bytes());
        for (digits, byte) in session.chunks_exact_mut(2).zip(hash.as_ref()) {
            digits.copy_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        }
    }
    session
}

const HEX: [u8; 16] = *b"0123456789abcdef";

/// The values of all cookies of this name, in the order they came. There may be several, of different paths or domains.
pub(crate) fn values<'a>(headers: &'a HeaderMap, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .flat_map(|value| value.as_bytes().split(|&byte| byte == b';'))
        .filter_map(move |pair| pair.trim_ascii().strip_prefix(name.as_bytes())?.strip_prefix(b"="))
        .map(|value| value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value))
}

/// The `Set-Cookie` that keeps a client with an endpoint; none if the cookie's settings are no header.
pub(crate) fn set_cookie(sticky: &Sticky, session: Session) -> Option<HeaderValue> {
    let mut cookie = format!("{}=", sticky.name);
    cookie.extend(session.iter().map(|&byte| char::from(byte)));
    if !sticky.path.is_empty() {
        let _ = write!(cookie, "; Path={}", sticky.path);
    }
    if let Some(domain) = &sticky.domain {
        let _ = write!(cookie, "; Domain={domain}");
    }
    match sticky.max_age {
        None | Some(0) => {}
        Some(age) => {
            let _ = write!(cookie, "; Max-Age={}", age.max(0));
        }
    }
    if sticky.http_only {
        cookie.push_str("; HttpOnly");
    }
    if sticky.secure {
        cookie.push_str("; Secure");
    }
    match sticky.same_site {
        None => {}
        Some(SameSite::None) => cookie.push_str("; SameSite=None"),
        Some(SameSite::Lax) => cookie.push_str("; SameSite=Lax"),
        Some(SameSite::Strict) => cookie.push_str("; SameSite=Strict"),
    }
    HeaderValue::from_str(&cookie).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sticky() -> Sticky {
        Sticky {
            name: "_1d52e".into(),
            secure: false,
            http_only: false,
            same_site: None,
            max_age: None,
            path: "/".into(),
            domain: None,
        }
    }

    fn found(cookies: &[&'static str]) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for cookie in cookies {
            headers.append(header::COOKIE, HeaderValue::from_static(cookie));
        }
        values(&headers, "_1d52e").map(|value| String::from_utf8_lossy(value).into_owned()).collect()
    }

    #[test]
    fn an_endpoint_is_named_by_the_start_of_its_urls_sha256() {
        // printf http://10.0.0.1:80 | sha256sum
        assert_eq!(&session("http://10.0.0.1:80"), SHA256_OF_THE_URL);
    }

    const SHA256_OF_THE_URL: &[u8; 16] = b"df5bd2f9c0180410";

    #[test]
    fn the_cookie_is_found_among_others_and_over_several_headers() {
        assert_eq!(found(&["_1d52e=abc"]), ["abc"]);
        assert_eq!(found(&["a=b;  _1d52e=abc ; c=d"]), ["abc"]);
        assert_eq!(found(&["a=b", "_1d52e=\"abc\"; x=_1d52e=no"]), ["abc"]);
        assert_eq!(found(&["_1d52e=one; _1d52e=two"]), ["one", "two"]);
        assert!(found(&["_1d52ee=abc; x_1d52e=abc; _1d52e; =; _1D52E=abc"]).is_empty());
    }

    #[test]
    fn a_bare_cookie_has_its_path_alone() {
        let cookie = set_cookie(&sticky(), *b"0123456789abcdef").expect("a header");
        assert_eq!(cookie, "_1d52e=0123456789abcdef; Path=/");
    }

    #[test]
    fn every_attribute_is_written_when_it_is_set() {
        let all = Sticky {
            secure: true,
            http_only: true,
            same_site: Some(SameSite::Strict),
            max_age: Some(3600),
            path: "/app".into(),
            domain: Some("example.com".into()),
            ..sticky()
        };
        let cookie = set_cookie(&all, *b"0123456789abcdef").expect("a header");
        assert_eq!(
            cookie,
            "_1d52e=0123456789abcdef; Path=/app; Domain=example.com; Max-Age=3600; HttpOnly; Secure; SameSite=Strict"
        );
        for (same_site, written) in [(SameSite::None, "None"), (SameSite::Lax, "Lax")] {
            let cookie = set_cookie(&Sticky { same_site: Some(same_site), ..sticky() }, [b'0'; 16]).expect("a header");
            assert!(cookie.to_str().expect("text").ends_with(&format!("; SameSite={written}")));
        }
    }

    #[test]
    fn a_negative_age_ends_the_cookie_and_zero_is_no_age() {
        let with = |max_age| set_cookie(&Sticky { max_age: Some(max_age), ..sticky() }, [b'0'; 16]).expect("a header");
        assert!(with(-1).to_str().expect("text").ends_with("; Max-Age=0"));
        assert!(!with(0).to_str().expect("text").contains("Max-Age"));
        assert!(with(1).to_str().expect("text").ends_with("; Max-Age=1"));
    }

    #[test]
    fn settings_that_are_no_header_set_no_cookie() {
        assert!(set_cookie(&Sticky { name: "a\nb".into(), ..sticky() }, [b'0'; 16]).is_none());
    }
}
