//! Bodies (RFC 9112 §6, §7): taken off what has been read, without their framing.

use bytes::{Buf, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::SizeHint;

use super::input::Input;
use super::{MAX_FIELDS, Malformed};

/// The most bytes of a chunk's size line, extensions included.
const MAX_SIZE_LINE: usize = 4 * 1024;
/// The most bytes of a body's trailers.
const MAX_TRAILERS: usize = 16 * 1024;

/// Where a body stands.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Decoder {
    /// So many bytes are to come.
    Length(u64),
    Chunked(Chunk),
    /// It lasts until the endpoint closes.
    Close,
    /// All of it has been taken.
    Done,
}

/// Where a chunked body stands.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Chunk {
    /// The next is a size line.
    Size,
    /// So many bytes of data are to come.
    Data(u64),
    /// The line end after data.
    End,
    /// The last chunk has come.
    Trailers,
}

/// What could be taken.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Decoded {
    Data(Bytes),
    Trailers(HeaderMap),
    /// Nothing before more has been read.
    More,
    /// The body is over.
    Done,
}

impl Decoder {
    pub(crate) fn chunked() -> Self {
        Self::Chunked(Chunk::Size)
    }

    pub(crate) fn length(length: u64) -> Self {
        if length == 0 { Self::Done } else { Self::Length(length) }
    }

    /// What is left.
    pub(crate) fn size_hint(&self) -> SizeHint {
        match self {
            Self::Done => SizeHint::with_exact(0),
            Self::Length(left) => SizeHint::with_exact(*left),
            Self::Chunked(_) | Self::Close => SizeHint::default(),
        }
    }

    /// Takes the next piece.
    pub(crate) fn decode(&mut self, input: &mut Input) -> Result<Decoded, Malformed> {
        self.take(&mut input.bytes)
    }

    fn take(&mut self, input: &mut BytesMut) -> Result<Decoded, Malformed> {
        loop {
            match self {
                Self::Done => return Ok(Decoded::Done),
                Self::Length(0) => *self = Self::Done,
                Self::Close | Self::Length(_) | Self::Chunked(_) if input.is_empty() => return Ok(Decoded::More),
                Self::Close => return Ok(Decoded::Data(input.split().freeze())),
                Self::Length(left) => {
                    let data = take(input, left);
                    if *left == 0 {
                        *self = Self::Done;
                    }
                    return Ok(Decoded::Data(data));
                }
                Self::Chunked(Chunk::Data(left)) => {
                    let data = take(input, left);
                    if *left == 0 {
                        *self = Self::Chunked(Chunk::End);
                        self.look_ahead(input)?;
                    }
                    return Ok(Decoded::Data(data));
                }
                Self::Chunked(_) => match self.frame(input)? {
                    Framed::Went => {}
                    Framed::Waits => return Ok(Decoded::More),
                    Framed::Ended(trailers) if trailers.is_empty() => {}
                    Framed::Ended(trailers) => return Ok(Decoded::Trailers(trailers)),
                },
            }
        }
    }

    /// After data: when the end is here already, the data was the last.
    fn look_ahead(&mut self, input: &mut BytesMut) -> Result<(), Malformed> {
        const END: &[u8] = b"\r\n0\r\n\r\n";
        if input.starts_with(END) {
            input.advance(END.len());
            *self = Self::Done;
        }
        Ok(())
    }

    /// Takes what is between the data of chunks.
    fn frame(&mut self, input: &mut BytesMut) -> Result<Framed, Malformed> {
        let Self::Chunked(chunk) = self else { return Ok(Framed::Went) };
        match chunk {
            Chunk::Data(_) => {}
            Chunk::End => match input.get(..2) {
                Some(b"\r\n") => {
                    input.advance(2);
                    *chunk = Chunk::Size;
                }
                None if input.starts_with(b"\r") => return Ok(Framed::Waits),
                _ => return Err(Malformed::Rule("a chunk does not end where it should")),
            },
            Chunk::Size => {
                let Some((line, size)) = size_line(input)? else { return Ok(Framed::Waits) };
                input.advance(line);
                *chunk = if size == 0 { Chunk::Trailers } else { Chunk::Data(size) };
            }
            Chunk::Trailers => {
                let Some((length, trailers)) = trailers(input)? else { return Ok(Framed::Waits) };
                input.advance(length);
                *self = Self::Done;
                return Ok(Framed::Ended(trailers));
            }
        }
        Ok(Framed::Went)
    }
}

/// How far a look between chunks came.
enum Framed {
    Went,
    Waits,
    Ended(HeaderMap),
}

fn take(input: &mut BytesMut, left: &mut u64) -> Bytes {
    let count = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
    *left -= count as u64;
    input.split_to(count).freeze()
}

/// A chunk's size line and the size it says: hexadecimal digits, then perhaps extensions, which nobody reads.
fn size_line(input: &[u8]) -> Result<Option<(usize, u64)>, Malformed> {
    const BAD: Malformed = Malformed::Rule("a chunk has no size");
    let Some(end) = input.iter().take(MAX_SIZE_LINE).position(|&byte| byte == b'\n') else {
        return if input.len() < MAX_SIZE_LINE { Ok(None) } else { Err(BAD) };
    };
    let line = input.get(..end).and_then(|line| line.strip_suffix(b"\r")).ok_or(BAD)?;
    let size = line.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii_end();
    if size.is_empty() || size.len() > 15 || !size.iter().all(u8::is_ascii_hexdigit) || line.contains(&b'\r') {
        return Err(BAD);
    }
    let size = std::str::from_utf8(size).map_err(|_| BAD)?;
    Ok(Some((end + 1, u64::from_str_radix(size, 16).map_err(|_| BAD)?)))
}

/// The trailers and how long they are, once all of them are here.
fn trailers(input: &[u8]) -> Result<Option<(usize, HeaderMap)>, Malformed> {
    const BAD: Malformed = Malformed::Rule("its trailers are none");
    // A line ends in two bytes: to whom one is enough, others would see other fields.
    let strict = |section: &[u8]| {
        !section.starts_with(b"\n") && !section.windows(2).any(|pair| pair[1] == b'\n' && pair[0] != b'\r')
    };
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    match httparse::parse_headers(input, &mut fields) {
        Ok(httparse::Status::Complete((length, fields)))
            if length <= MAX_TRAILERS && input.get(..length).is_some_and(strict) =>
        {
            let mut trailers = HeaderMap::with_capacity(fields.len());
            for field in fields {
                let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| BAD)?;
                trailers.append(name, HeaderValue::from_bytes(field.value).map_err(|_| BAD)?);
            }
            Ok(Some((length, trailers)))
        }
        Ok(httparse::Status::Partial) if input.len() < MAX_TRAILERS => Ok(None),
        _ => Err(BAD),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes of `parts` that arrive one after the other.
    fn chunked(parts: &[&str]) -> Result<(String, HeaderMap, Decoder, BytesMut), Malformed> {
        let (mut decoder, mut input) = (Decoder::chunked(), BytesMut::new());
        let (mut text, mut trailers) = (String::new(), HeaderMap::new());
        for part in parts {
            input.extend_from_slice(part.as_bytes());
            loop {
                match decoder.take(&mut input)? {
                    Decoded::Data(data) => text.push_str(std::str::from_utf8(&data).unwrap()),
                    Decoded::Trailers(fields) => trailers = fields,
                    Decoded::More | Decoded::Done => break,
                }
            }
        }
        Ok((text, trailers, decoder, input))
    }

    #[test]
    fn chunks_are_joined_however_they_are_cut() {
        let whole = "5;a=\"b\"\r\nhello\r\n7 ;x\r\n, world\r\n0\r\nA: b\r\n\r\nnext";
        for cut in 0..whole.len() {
            let (text, trailers, decoder, rest) = chunked(&[&whole[..cut], &whole[cut..]]).unwrap();
            assert_eq!((&*text, &decoder, &rest[..]), ("hello, world", &Decoder::Done, &b"next"[..]), "cut at {cut}");
            assert_eq!(trailers["a"], "b");
        }
        let single: Vec<_> = whole.split("").collect();
        assert_eq!(chunked(&single).unwrap().0, "hello, world");
    }

    #[test]
    fn the_last_data_is_known_as_the_last_when_the_end_came_with_it() {
        let (mut decoder, mut input) = (Decoder::chunked(), BytesMut::from("2\r\nhi\r\n0\r\n\r\n"));
        assert_eq!(decoder.take(&mut input), Ok(Decoded::Data("hi".into())));
        assert_eq!((decoder, input.len()), (Decoder::Done, 0));
    }

    #[test]
    fn chunks_in_doubt_are_refused() {
        for bad in ["\r\n", "g\r\n", "-1\r\n", "+1\r\n", "0x1\r\n", "1\n", "1 1\r\n", " 1\r\n", "1\r\r\n", "1;\ra\r\n"]
        {
            assert_eq!(chunked(&[bad]).err(), Some(Malformed::Rule("a chunk has no size")), "{bad:?}");
        }
        assert!(chunked(&["1111111111111111\r\n"]).is_err(), "more than any body has");
        assert!(chunked(&[&"1;".repeat(MAX_SIZE_LINE)]).is_err(), "an extension without end");
        assert!(chunked(&["1\r\nab\r\n"]).is_err());
        assert!(chunked(&["0\r\na b\r\n\r\n"]).is_err());
        assert!(chunked(&["0\r\na: b\nc: d\r\n\r\n"]).is_err());
        assert!(chunked(&["0\r\n\n"]).is_err());
        assert!(chunked(&["0\r\na: b\r\n\r\nGET\n"]).is_ok(), "what follows is another's");
        assert!(chunked(&["0\r\n", &"a: b\r\n".repeat(101), "\r\n"]).is_err());
        assert!(chunked(&["0\r\na: ", &"b".repeat(MAX_TRAILERS)]).is_err());
    }

    #[test]
    fn a_length_ends_where_it_says_and_a_body_without_one_takes_all() {
        let (mut decoder, mut input) = (Decoder::Length(5), BytesMut::from("hel"));
        assert_eq!(decoder.take(&mut input), Ok(Decoded::Data("hel".into())));
        assert_eq!(decoder.take(&mut input), Ok(Decoded::More));
        input.extend_from_slice(b"lo, world");
        assert_eq!(decoder.take(&mut input), Ok(Decoded::Data("lo".into())));
        assert_eq!(decoder, Decoder::Done);
        let mut decoder = Decoder::Close;
        assert_eq!(decoder.take(&mut input), Ok(Decoded::Data(", world".into())));
        assert_eq!(decoder.take(&mut input), Ok(Decoded::More));
    }
}
