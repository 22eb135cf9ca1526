//! What a client, a balancer and an endpoint send first, in any bytes and any cut. Each function takes what a fuzzer
//! makes up and asserts what must hold of everything.

use http::Request;

use super::h1::{Decoded, Decoder, Input, Malformed, RequestHead, read_request, read_response, write_request_line};
use super::headers::Marks;
use super::proxy_protocol::Header;
use super::serve::origin_form;
use super::{head, path, proxy_protocol};
use crate::route::{EncodedCharacters, HostPattern};

/// The bytes of a head that are read here: the default of an entry point is less.
const MOST: usize = 64 * 1024;

/// Splits `data` into a byte that steers, a byte that says how what follows is cut, and that.
fn steered(data: &[u8]) -> Option<(u8, usize, &[u8])> {
    let (&[steer, cut], bytes) = data.split_first_chunk::<2>()?;
    Some((steer, usize::from(cut).max(1), bytes))
}

/// A request's head: read, checked, brought into its one form, written, and read again as the same.
pub fn request_head(data: &[u8]) {
    let Some((_, cut, bytes)) = steered(data) else { return };
    let mut whole = Input::from(bytes);
    let Ok(Some(head)) = read_request(&mut whole, MOST) else {
        return assert!(in_pieces(bytes, cut).is_none(), "only in pieces a head");
    };
    assert!(whole.len() < bytes.len(), "a head has bytes");
    // How a head arrives makes no difference.
    let (pieces, rest) = in_pieces(bytes, cut).expect("a head in pieces too");
    assert_eq!(rest, whole.len(), "as long in pieces");
    assert_eq!(described(&head), described(&pieces));

    let framing = head::framing(&head.parts.headers, head.parts.version);
    let has_body = framing.as_ref().is_ok_and(|framing| *framing != Decoder::Done);
    assert!(head.framed || framing == Ok(Decoder::Done), "nothing says that there is a body");
    let Ok(authority) = head::check(&head.parts, Marks::of(&head.parts.headers), has_body) else { return };
    framing.expect("what passes the check has one framing");
    if let Some(authority) = authority {
        check_host(&authority.name);
    }
    let Ok(canonical) = path::canonical(head.parts.uri.path(), true, EncodedCharacters::default()) else { return };
    let uri = origin_form(&head.parts.uri, Some(&canonical)).expect("the one form of a path is a target");
    assert_eq!((uri.path(), uri.query()), (&*canonical, head.parts.uri.query()), "what is matched is forwarded");

    // What is written is one head and nothing else, and says the same.
    let mut request = Request::new(());
    *request.method_mut() = head.parts.method.clone();
    *request.uri_mut() = uri;
    *request.headers_mut() = head.parts.headers.clone();
    let mut out = Vec::new();
    write_request_line(&mut out, &request);
    out.extend_from_slice(b"\r\n");
    let mut written = Input::from(&out[..]);
    let again = read_request(&mut written, usize::MAX).expect("what is written is a head").expect("and all of it");
    assert!(written.is_empty(), "and nothing else");
    assert_eq!((&again.parts.method, &again.parts.uri), (request.method(), request.uri()));
    assert_eq!(&again.parts.headers, request.headers());
}

/// The head that comes of `bytes` read `cut` at a time, and how many bytes follow it.
fn in_pieces(bytes: &[u8], cut: usize) -> Option<(RequestHead, usize)> {
    let mut input = Input::default();
    let mut left = bytes.len();
    for piece in bytes.chunks(cut) {
        input.extend(piece);
        left -= piece.len();
        match read_request(&mut input, MOST) {
            Ok(None) => {}
            Ok(Some(head)) => return Some((head, input.len() + left)),
            Err(_) => return None,
        }
    }
    None
}

fn described(head: &RequestHead) -> String {
    let parts = &head.parts;
    let target = (&parts.method, &parts.uri, parts.version, &parts.headers);
    format!("{target:?} {} {} {} {}", head.framed, head.expects, head.te, head.keep_alive)
}

/// A body, in one piece and cut: the same data, the same trailers, the same rest, the same refusal.
pub fn body(data: &[u8]) {
    let Some((steer, cut, bytes)) = steered(data) else { return };
    let decoder = || match steer {
        0..=15 => Decoder::length(u64::from(steer) * 8),
        16..=31 => Decoder::Close,
        _ => Decoder::chunked(),
    };
    let whole = decoded(decoder(), [bytes].into_iter());
    let pieces = decoded(decoder(), bytes.chunks(cut));
    assert_eq!(whole, pieces);
    if let Ok((body, _, rest, _)) = whole {
        assert!(body.len() + rest <= bytes.len(), "a body has no bytes that were not sent");
    }
}

/// The data, the trailers, how many bytes are left over, and where the decoder stands.
type Taken = (Vec<u8>, String, usize, Decoder);

fn decoded<'a>(mut decoder: Decoder, pieces: impl Iterator<Item = &'a [u8]>) -> Result<Taken, Malformed> {
    let (mut input, mut body, mut trailers) = (Input::default(), Vec::new(), String::new());
    for piece in pieces {
        input.extend(piece);
        loop {
            match decoder.decode(&mut input)? {
                Decoded::Data(data) => {
                    assert!(!data.is_empty(), "data that is none goes on for ever");
                    body.extend_from_slice(&data);
                }
                Decoded::Trailers(fields) => trailers = format!("{fields:?}"),
                Decoded::More => break,
                Decoded::Done => {
                    assert_eq!(decoder, Decoder::Done);
                    break;
                }
            }
        }
    }
    let left = input.len();
    // An end that waits for the rest of it is the same as one that has not been looked for.
    Ok((body, trailers, left, decoder))
}

/// An endpoint's answers, one after the other: heads and bodies, whole and cut.
pub fn answer(data: &[u8]) {
    let Some((steer, cut, bytes)) = steered(data) else { return };
    let to_head = steer % 2 == 1;
    let whole = answered(to_head, [bytes].into_iter());
    let pieces = answered(to_head, bytes.chunks(cut));
    // A head that is no head is seen as soon as all of it is here, or later.
    assert!(whole == pieces || whole.ends_with("malformed"), "{whole} in one piece, {pieces} cut");
}

fn answered<'a>(to_head: bool, pieces: impl Iterator<Item = &'a [u8]>) -> String {
    let (mut input, mut told) = (Input::default(), String::new());
    for piece in pieces {
        input.extend(piece);
        loop {
            match read_response::<()>(&mut input, to_head) {
                Ok(None) => break,
                Err(_) => return told + "malformed",
                Ok(Some(head)) => {
                    let parts = (head.response.status(), head.response.headers(), &head.body);
                    told.push_str(&format!("{parts:?} {}\n", head.keep_alive));
                    if head.body != Decoder::Done {
                        return told;
                    }
                    assert!(!head.response.headers().contains_key("transfer-encoding") || head.body == Decoder::Done);
                }
            }
        }
    }
    told
}

/// A path: its one form is one, and stays as it is.
pub fn path(data: &[u8]) {
    let Some((&flags, bytes)) = data.split_first() else { return };
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let allows = |bit: u8| flags & (1 << bit) == 0;
    let allowed = EncodedCharacters {
        slash: allows(0),
        back_slash: allows(1),
        null_character: true,
        semicolon: allows(2),
        percent: allows(3),
        question_mark: allows(4),
        hash: allows(5),
    };
    let Ok(once) = path::canonical(text, true, allowed) else { return };
    assert_eq!(path::canonical(&once, true, allowed).as_deref(), Ok(&*once), "the one form has another");
    assert_eq!(path::canonical(text, false, allowed).as_deref(), Ok(text), "as it came it is sound too");
    assert!(once.starts_with('/') && !once.contains("//"), "{once:?}");
    assert!(once.bytes().all(|byte| byte > b' ' && byte < 0x7f && byte != b'\\'), "{once:?}");
    for segment in once.split('/') {
        let lower = segment.to_ascii_lowercase().replace("%2e", ".");
        let name = lower.split(';').next().unwrap_or_default();
        assert!(!matches!(name, "." | ".."), "a dot segment in {once:?}");
    }
}

/// A host: one that is taken is what rules are compared with.
pub fn host(data: &[u8]) {
    if let Ok(authority) = head::parse_authority(data) {
        assert!(authority.port != Some(0));
        check_host(&authority.name);
    }
    if let Ok(text) = std::str::from_utf8(data)
        && let Ok(pattern) = HostPattern::parse(text)
    {
        let again = if pattern == HostPattern::Any { String::new() } else { pattern.to_string() };
        assert_eq!(HostPattern::parse(&again), Ok(pattern), "as it is shown it is another");
    }
}

fn check_host(name: &str) {
    assert!(!name.is_empty() && name.is_ascii() && !name.bytes().any(|byte| byte.is_ascii_uppercase()), "{name:?}");
    let again = head::parse_authority(name.as_bytes()).expect("a host's name is a host");
    assert_eq!((&*again.name, again.port), (name, None), "a name has one form");
    if let Ok(pattern) = HostPattern::parse(name) {
        assert!(pattern == HostPattern::Exact(name.into()) && pattern.matches(name), "{name:?} is {pattern}");
    }
}

/// The PROXY protocol: what follows changes nothing, and what is cut short waits.
pub fn proxy_header(data: &[u8]) {
    let whole = proxy_protocol::parse(data);
    if let Header::Complete(length, _) = whole {
        assert!(length <= data.len() && length > 0);
    }
    for end in 0..data.len().min(512) {
        let early = proxy_protocol::parse(data.get(..end).unwrap_or_default());
        assert!(early == Header::Partial || early == whole, "{early:?} of {end} bytes, {whole:?} of all");
    }
}
