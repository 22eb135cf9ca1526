//! A line of the access log of which the client has written all it can: one line it stays, whose parts can be told apart.

use std::time::{Duration, SystemTime};

use http::{HeaderValue, Method, header};

use super::clf::{self, Tail};
use super::{AccessFormat, AccessRecord, AccessSettings, Mode, Origin, json};

/// Every field that a client, an endpoint or an author of manifests fills, in each format.
pub fn line(data: &[u8]) {
    let mut parts = data.split(|&byte| byte == 0xff);
    let mut bytes = || parts.next().unwrap_or_default();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let method = Method::from_bytes(bytes()).unwrap_or(Method::GET);
    let mut record = AccessRecord::new(SystemTime::UNIX_EPOCH, "web".into(), ([192, 0, 2, 1], 1).into(), method);
    record.path = text(bytes());
    record.host = text(bytes());
    record.user = Some(text(bytes()));
    record.forwarded_for = Some(text(bytes()));
    record.router = Some(text(bytes()).into());
    let (url, address) = (text(bytes()), text(bytes()));
    record.origin = Some(Origin { url, address, status: Some(200), bytes: 0, duration: Duration::ZERO });
    for name in [header::REFERER, header::USER_AGENT, header::ACCEPT] {
        record.request_headers.extend(HeaderValue::from_bytes(bytes()).map(|value| (name, value)));
    }
    for query in [Mode::Keep, Mode::Redact, Mode::Drop] {
        let settings = AccessSettings { query, ..AccessSettings::traefik() };
        for (tail, words) in [(Tail::Traefik, 13), (Tail::None, 9)] {
            let mut out = String::new();
            clf::write(&mut out, &record, 7, &settings, tail);
            assert_eq!(parts_of(&out), Some(words), "{out}");
        }
        let settings = AccessSettings { format: AccessFormat::Json, ..settings };
        let mut out = String::new();
        json::write(&mut out, &record, 7, &settings);
        assert!(!out.contains(['\n', '\r']), "{out}");
        let object: serde_json::Value = serde_json::from_str(&out).expect("a line of JSON");
        assert_eq!(object["ClientAddr"], "192.0.2.1:1", "a field is another's");
        assert_eq!(object["RequestHost"].as_str().map(|host| record.host.contains(host)), Some(true));
    }
}

/// Where the time stands, the only part in brackets.
const TIME: usize = 3;

/// How many parts a line has to somebody who knows quotes and brackets; `None` when it is no line.
fn parts_of(line: &str) -> Option<usize> {
    let mut rest = line;
    let mut parts = 0;
    if line.chars().any(char::is_control) {
        return None;
    }
    while !rest.is_empty() {
        rest = match rest.chars().next()? {
            '"' => {
                let mut escaped = false;
                let end = rest.char_indices().skip(1).find(|&(_, char)| {
                    let ends = char == '"' && !escaped;
                    escaped = char == '\\' && !escaped;
                    ends
                });
                rest.get(end?.0 + 1..)?
            }
            '[' if parts == TIME => rest.get(rest.find(']')? + 1..)?,
            _ => rest.get(rest.find(' ').unwrap_or(rest.len())..)?,
        };
        parts += 1;
        rest = if rest.is_empty() { rest } else { rest.strip_prefix(' ')? };
    }
    Some(parts)
}
