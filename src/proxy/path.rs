//! The one form of a path: what is matched is what is forwarded.

use std::borrow::Cow;

use crate::route::EncodedCharacters;

/// Why a path is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPath {
    /// Not `/…`.
    #[error("the path does not start with a slash")]
    Relative,
    /// A raw character that a URI may not hold.
    #[error("the path has a character that must be percent-encoded")]
    RawCharacter,
    /// `%` without two hexadecimal digits.
    #[error("the path has a malformed percent-escape")]
    MalformedEscape,
    /// `%00`.
    #[error("the path has an encoded null character")]
    Null,
    /// `..;`, which some servers resolve like `..`.
    #[error("the path has a dot segment with a parameter")]
    DotParameter,
    /// A percent-encoded character that `http.encodedCharacters` forbids.
    #[error("the path has an encoded character that this entry point forbids")]
    ForbiddenEncoding,
}

/// The canonical form of `path` (without query): malformed escapes, `%00`, raw backslashes and forbidden encodings are
/// refused; with `sanitize`, percent-encoded unreserved characters are decoded (RFC 3986 §6.2.2.2), `//` is merged and
/// dot segments are resolved (§5.2.4). Percent-encoded slashes stay as they are. Borrowed when nothing had to change.
pub(crate) fn canonical(path: &str, sanitize: bool, allowed: EncodedCharacters) -> Result<Cow<'_, str>, BadPath> {
    let bytes = path.as_bytes();
    if bytes.first() != Some(&b'/') {
        return Err(BadPath::Relative);
    }
    let mut decodes = false;
    let mut segments = false;
    let mut previous = 0;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'%' => {
                let decoded = escape(bytes, at).ok_or(BadPath::MalformedEscape)?;
                check_encoded(decoded, allowed)?;
                decodes |= unreserved(decoded);
                at += 2;
            }
            b'/' | b'.' if previous == b'/' => segments = true,
            b'\\' => return Err(BadPath::RawCharacter),
            0..=b' ' | 0x7f.. => return Err(BadPath::RawCharacter),
            _ => {}
        }
        previous = byte;
        at += 1;
    }
    if !sanitize || !(decodes || segments) {
        return Ok(Cow::Borrowed(path));
    }
    let decoded = if decodes { Cow::Owned(decode_unreserved(path)) } else { Cow::Borrowed(path) };
    resolve(&decoded).map(Cow::Owned)
}

fn escape(bytes: &[u8], at: usize) -> Option<u8> {
    let digit = |offset: usize| (*bytes.get(at + offset)? as char).to_digit(16).map(|digit| digit as u8);
    Some(digit(1)? << 4 | digit(2)?)
}

fn check_encoded(decoded: u8, allowed: EncodedCharacters) -> Result<(), BadPath> {
    let allowed = match decoded {
        0 => return Err(BadPath::Null),
        b'/' => allowed.slash,
        b'\\' => allowed.back_slash,
        b';' => allowed.semicolon,
        b'%' => allowed.percent,
        b'?' => allowed.question_mark,
        b'#' => allowed.hash,
        _ => true,
    };
    if allowed { Ok(()) } else { Err(BadPath::ForbiddenEncoding) }
}

fn unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// Decodes escapes of unreserved characters once; an escape that this brings about stays (`%2541` is `%2541`).
fn decode_unreserved(path: &str) -> String {
    let bytes = path.as_bytes();
    let mut out = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(at) = rest.find('%') {
        let (before, escaped) = rest.split_at(at);
        out.push_str(before);
        let offset = bytes.len() - escaped.len();
        match escape(bytes, offset).filter(|&byte| unreserved(byte)) {
            Some(byte) => out.push(byte as char),
            None => out.push_str(escaped.get(..3).unwrap_or(escaped)),
        }
        rest = escaped.get(3..).unwrap_or_default();
    }
    out.push_str(rest);
    out
}

/// Merges `//` and resolves `.` and `..`; never leaves the root. A dot segment with a parameter (`..;x`) is an ordinary
/// name in a URI, but servers of servlets resolve it: whoever sends one wants a path that is not matched.
fn resolve(path: &str) -> Result<String, BadPath> {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    let mut directory = false;
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        directory = last && matches!(segment, "" | "." | "..");
        match segment {
            "" | "." => {}
            ".." => {
                kept.pop();
            }
            _ if segment.starts_with("..;") || segment.starts_with(".;") => return Err(BadPath::DotParameter),
            _ => kept.push(segment),
        }
    }
    let mut out = String::with_capacity(path.len());
    for segment in kept {
        out.push('/');
        out.push_str(segment);
    }
    if directory || out.is_empty() {
        out.push('/');
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clean(path: &str) -> Result<String, BadPath> {
        canonical(path, true, EncodedCharacters::default()).map(Cow::into_owned)
    }

    #[test]
    fn slashes_and_dot_segments_are_cleaned() {
        for (path, expected) in [
            ("/", "/"),
            ("/a//b/../c", "/a/c"),
            ("/a/./b", "/a/b"),
            ("/a/b/..", "/a/"),
            ("/a/b/.", "/a/b/"),
            ("/../../etc", "/etc"),
            ("//evil.com/x", "/evil.com/x"),
            ("/a//", "/a/"),
            ("/.well-known/x", "/.well-known/x"),
            ("/..a;/admin", "/..a;/admin"),
            ("/a/..b/c.", "/a/..b/c."),
        ] {
            assert_eq!(clean(path).as_deref(), Ok(expected), "{path}");
        }
    }

    #[test]
    fn unreserved_escapes_are_decoded_once_and_others_stay() {
        for (path, expected) in [
            ("/%41%2d%7E", "/A-~"),
            ("/public/%2e%2E/admin", "/admin"),
            ("/.%2e/x", "/x"),
            ("/a%2Fb", "/a%2Fb"),
            ("/a%2f..%2fb", "/a%2f..%2fb"),
            ("/a%252e%252e/b", "/a%252e%252e/b"),
            ("/a%25%34%31", "/a%2541"),
            ("/a%0d%0ab", "/a%0d%0ab"),
            ("/%3fx%23y%3B", "/%3fx%23y%3B"),
        ] {
            assert_eq!(clean(path).as_deref(), Ok(expected), "{path}");
        }
    }

    #[test]
    fn what_no_backend_should_see_is_refused() {
        for (path, expected) in [
            ("a", BadPath::Relative),
            ("", BadPath::Relative),
            ("*", BadPath::Relative),
            ("/a\\b", BadPath::RawCharacter),
            ("/a b", BadPath::RawCharacter),
            ("/\u{e9}", BadPath::RawCharacter),
            ("/a%zz", BadPath::MalformedEscape),
            ("/a%", BadPath::MalformedEscape),
            ("/a%4", BadPath::MalformedEscape),
            ("/a%u002f", BadPath::MalformedEscape),
            ("/a%00", BadPath::Null),
        ] {
            assert_eq!(clean(path), Err(expected), "{path:?}");
            assert_eq!(canonical(path, false, EncodedCharacters::default()), Err(expected), "{path:?}");
        }
    }

    #[test]
    fn a_dot_segment_with_a_parameter_is_refused() {
        for path in ["/..;/admin", "/a/..;b=c/d", "/.;", "/a/%2e%2e;/d"] {
            assert_eq!(clean(path), Err(BadPath::DotParameter), "{path}");
        }
    }

    #[test]
    fn without_sanitizing_a_path_stays_byte_for_byte() {
        for path in ["/a//b/../c", "/%41", "/./"] {
            assert_eq!(canonical(path, false, EncodedCharacters::default()), Ok(Cow::Borrowed(path)));
        }
    }

    #[test]
    fn an_entry_point_may_forbid_encoded_characters() {
        let strict = EncodedCharacters { slash: false, ..EncodedCharacters::default() };
        assert_eq!(canonical("/a%2Fb", true, strict), Err(BadPath::ForbiddenEncoding));
        assert!(canonical("/a%5Cb", true, strict).is_ok());
    }

    proptest::proptest! {
        #[test]
        fn canonicalisation_is_idempotent(path in "/[a-c./%25e2E;]{0,24}") {
            if let Ok(once) = clean(&path) {
                proptest::prop_assert_eq!(clean(&once), Ok(once.clone()));
            }
        }

        #[test]
        fn the_path_that_is_matched_is_the_path_that_is_forwarded(
            path in "(/[a-c./%25e2E;!~]{0,24})?",
            query in proptest::option::of("[a-c/.%?&=;]{0,8}"),
            authority in "(http://a\\.example)?",
            sanitize in proptest::bool::ANY,
        ) {
            let Ok(uri) = http::Uri::try_from(authority + &path + &query.map(|query| format!("?{query}")).unwrap_or_default()) else {
                return Ok(());
            };
            let Ok(matched) = canonical(uri.path(), sanitize, EncodedCharacters::default()) else { return Ok(()) };
            let cleaned = matches!(matched, Cow::Owned(_)).then_some(&*matched);
            let forwarded = crate::proxy::serve::origin_form(&uri, cleaned).expect("a target");
            proptest::prop_assert_eq!(forwarded.path(), &*matched);
            proptest::prop_assert_eq!(forwarded.query(), uri.query());
            proptest::prop_assert!(forwarded.authority().is_none());
            proptest::prop_assert!(forwarded.path_and_query().expect("a target").as_str().starts_with('/'));
        }
    }
}
