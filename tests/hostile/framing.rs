//! Framing of HTTP/1 requests: where one ends is never in doubt.

use crate::table::{Case, Row, Stage, get, post, run, send};

#[tokio::test]
async fn the_end_of_a_request_is_never_in_doubt() {
    run(1..=37, rows(), &Stage::new(&[]).await).await;
}

const CHUNKED_Z: &str = "POST /\ntransfer-encoding: chunked\n\nZ";
const Z: &str = "1\r\nZ\r\n0\r\n\r\n";

fn coding(value: &str) -> Case {
    post(&format!("Transfer-Encoding: {value}"), Z)
}

fn length(value: &str) -> Case {
    post(&format!("Content-Length: {value}"), "Z")
}

pub(crate) fn rows() -> Vec<Row> {
    vec![
        Row::cases(
            1,
            "a length, then a coding: refused",
            [post("Content-Length: 6\r\nTransfer-Encoding: chunked", "0\r\n\r\nG").refused(400)],
        ),
        Row::cases(
            2,
            "a coding, then a length: the same",
            [post("Transfer-Encoding: chunked\r\nContent-Length: 4", "0\r\n\r\nG").refused(400)],
        ),
        Row::cases(
            3,
            "a coding beside a length that is none: the same",
            [post("Transfer-Encoding: chunked\r\nContent-Length: abc", "0\r\n\r\nG").refused(400)],
        ),
        Row::cases(
            4,
            "a coding that nobody knows: refused",
            ["xchunked", "blegh"].map(|name| coding(name).refused(400)),
        ),
        Row::cases(5, "chunked, but not last: refused", [coding("chunked, identity").refused(400)]),
        Row::cases(6, "identity before chunked: refused", [coding("identity, chunked").refused(400)]),
        Row::cases(7, "a coding that we do not decode: 501", [coding("gzip, chunked").refused(501)]),
        Row::cases(8, "chunked twice in one field: refused", [coding("chunked, chunked").refused(400)]),
        Row::cases(
            9,
            "chunked twice in two fields: refused",
            [coding("chunked\r\nTransfer-Encoding: chunked").refused(400)],
        ),
        Row::cases(10, "nonsense, then chunked: refused", [coding("cow\r\nTransfer-Encoding: chunked").refused(400)]),
        Row::cases(11, "chunked, then nonsense: refused", [coding("chunked\r\nTransfer-Encoding: cow").refused(400)]),
        Row::cases(12, "an empty coding before chunked: refused", [coding(",chunked").refused(400)]),
        Row::cases(
            13,
            "chunked with something behind it, or nothing at all: refused",
            ["chunked,", "chunked;x=1", ""].map(|value| coding(value).refused(400)),
        ),
        Row::cases(
            14,
            "chunked in any case and with any space before it: taken, and passed on in one form",
            ["cHuNkEd", "\tchunked", "chunked  "].map(|value| coding(value).seen(CHUNKED_Z)),
        ),
        Row::cases(
            15,
            "chunked behind a character that is no space, or in quotes: refused",
            [&b"\x0bchunked"[..], b"\xa0chunked", b"\0chunked", b"\"chunked\""].map(|value| {
                let head = b"POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: ";
                send([&head[..], value, b"\r\n\r\n", Z.as_bytes()].concat()).refused(400)
            }),
        ),
        Row::cases(16, "a folded coding: refused", [coding("\r\n chunked").refused(400)]),
        Row::cases(17, "a space before the colon: refused", [post("Transfer-Encoding : chunked", Z).refused(400)]),
        Row::cases(
            18,
            "a space before a field, the first one or a later one: refused",
            [
                post(" Transfer-Encoding: chunked", Z).refused(400),
                send(format!("POST / HTTP/1.1\r\n Transfer-Encoding: chunked\r\nHost: a.example\r\n\r\n{Z}"))
                    .refused(400),
            ],
        ),
        Row::cases(
            19,
            "framing with an underscore, which some backends read as a hyphen: dropped",
            ["Transfer_Encoding: chunked", "Content_Length: 5"].map(|field| post(field, "").seen("POST /")),
        ),
        Row::cases(
            20,
            "a bare line feed before a coding: the end of a line for us and, written anew, for the backend",
            [post("X: a\nTransfer-Encoding: chunked", Z).seen("POST /\nx: a\ntransfer-encoding: chunked\n\nZ")],
        ),
        Row::cases(
            21,
            "a coding in HTTP/1.0: refused",
            [send(format!("POST / HTTP/1.0\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n{Z}")).refused(400)],
        ),
        Row::cases(
            22,
            "HTTP/1.0 without a length, and bytes after it: no body, and the bytes are nobody's",
            [send("POST / HTTP/1.0\r\nHost: a.example\r\n\r\nGET /x HTTP/1.0\r\n\r\n").seen("POST /").closed()],
        ),
        Row::cases(
            23,
            "the same length twice: once",
            [length("1\r\nContent-Length: 1").seen("POST /\ncontent-length: 1\n\nZ")],
        ),
        Row::cases(24, "two lengths: refused", [length("1\r\nContent-Length: 2").refused(400)]),
        Row::cases(25, "a list of lengths: refused", ["1, 1", "1,2"].map(|value| length(value).refused(400))),
        Row::cases(
            26,
            "a length that is no number: refused",
            ["+1", "-1", "0x1", "1_0", "1 0", "1Z", "", "18446744073709551616"].map(|value| length(value).refused(400)),
        ),
        Row::cases(27, "the largest of lengths: refused", [length("18446744073709551615").refused(400)]),
        Row::cases(
            28,
            "a length with zeros before it: passed on without them",
            ["01", "0001"].map(|value| length(value).seen("POST /\ncontent-length: 1\n\nZ")),
        ),
        Row::cases(
            29,
            "a length with a space before the colon: refused",
            [post("Content-Length : 1", "Z").refused(400)],
        ),
        Row::cases(
            30,
            "a GET with a length and a body: passed on whole, and its backend's connection is used no more",
            [send("GET / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\n\r\nhello")
                .seen("GET /\ncontent-length: 5\n\nhello")
                .fresh()],
        ),
        Row::cases(
            31,
            "a GET with chunks: the same",
            [send(format!("GET / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n{Z}"))
                .seen("GET /\ntransfer-encoding: chunked\n\nZ")
                .fresh()],
        ),
        Row::cases(32, "other methods with a body: passed on whole, but for TRACE", {
            let with_body =
                |method: &str| send(format!("{method} / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 2\r\n\r\nhi"));
            let served = ["HEAD", "OPTIONS", "DELETE"]
                .map(|method| with_body(method).seen(&format!("{method} /\ncontent-length: 2\n\nhi")).fresh());
            served.into_iter().chain([with_body("TRACE").refused(405)])
        }),
        Row::cases(
            33,
            "a body that looks like a last chunk: five bytes, and the next request is the next request",
            [post("Content-Length: 5", "0\r\n\r\nGET /next HTTP/1.1\r\nHost: a.example\r\n\r\n")
                .seen("POST /\ncontent-length: 5\n\n0\r\n\r\n")
                .then(200)
                .seen("GET /next")],
        ),
        Row::cases(
            34,
            "a body shorter than its length: refused, and the backend never sees it whole",
            [post("Content-Length: 10", "abc").ends().broken(400)],
        ),
        Row::cases(
            35,
            "a good request and then a bad one: the good one is answered first",
            [get("\r\nGET /\x01 HTTP/1.1").seen("GET /").then(400).closed()],
        ),
        Row::cases(
            36,
            "Connection names the length: it frames the body all the same",
            [length("1\r\nConnection: content-length").seen("POST /\ncontent-length: 1\n\nZ")],
        ),
        Row::cases(
            37,
            "Connection names the coding: it frames the body all the same",
            [coding("chunked\r\nConnection: transfer-encoding").seen(CHUNKED_Z)],
        ),
    ]
}
