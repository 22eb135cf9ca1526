//! The requests to send: a list of URLs, or an access log of Traefik's in either format.

use std::collections::BTreeSet;

use serde::Serialize;

/// One request. It has no body.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Request {
    /// `GET`.
    pub method: String,
    /// The host that is asked for.
    pub host: String,
    /// Path and query.
    pub path: String,
}

/// How lines are read.
#[derive(Clone, Debug)]
pub struct Reading {
    /// The host of lines that name none: paths alone, and the common log format.
    pub host: Option<String>,
    /// The methods that may be sent.
    pub methods: Vec<String>,
}

/// The most different requests that are taken.
const MOST: usize = 100_000;

/// The different requests of a text, and how many lines were none to send.
pub fn read(text: &str, reading: &Reading) -> (BTreeSet<Request>, usize) {
    let (mut requests, mut skipped) = (BTreeSet::new(), 0);
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let found = match line.chars().next() {
            Some('{') => json(line),
            _ if line.contains('"') => common(line, reading),
            _ => typed(line, reading),
        };
        match found.filter(|request| may_be_sent(request, reading)) {
            Some(request) if requests.len() < MOST || requests.contains(&request) => drop(requests.insert(request)),
            _ => skipped += 1,
        }
    }
    (requests, skipped)
}

fn may_be_sent(request: &Request, reading: &Reading) -> bool {
    let visible = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    let method = reading.methods.iter().any(|method| method.eq_ignore_ascii_case(&request.method));
    method && visible(&request.host) && visible(&request.path) && request.path.starts_with('/')
}

/// `[METHOD] https://host/path`, `host/path` or `/path`.
fn typed(line: &str, reading: &Reading) -> Option<Request> {
    let (method, url) = match line.split_once(char::is_whitespace) {
        Some((method, url)) => (method.to_ascii_uppercase(), url.trim()),
        None => ("GET".to_owned(), line),
    };
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")).unwrap_or(url);
    let (host, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
    let path = path.split('#').next().unwrap_or_default().to_owned();
    let host = if host.is_empty() { reading.host.clone()? } else { host.to_owned() };
    Some(Request { method, host, path })
}

/// A line of `accessLog.format=common`: the request stands between the first two quotes.
fn common(line: &str, reading: &Reading) -> Option<Request> {
    let mut words = line.split('"').nth(1)?.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    Some(Request { method, host: reading.host.clone()?, path })
}

/// A line of `accessLog.format=json`.
fn json(line: &str) -> Option<Request> {
    let record: serde_json::Value = serde_json::from_str(line).ok()?;
    let text = |name: &str| record.get(name).and_then(serde_json::Value::as_str).map(str::to_owned);
    Some(Request { method: text("RequestMethod")?, host: text("RequestHost")?, path: text("RequestPath")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requests(text: &str, host: Option<&str>) -> (Vec<String>, usize) {
        let reading = Reading { host: host.map(str::to_owned), methods: vec!["GET".into(), "HEAD".into()] };
        let (requests, skipped) = read(text, &reading);
        let shown = |request: Request| format!("{} {}{}", request.method, request.host, request.path);
        (requests.into_iter().map(shown).collect(), skipped)
    }

    #[test]
    fn urls_may_be_typed_with_and_without_scheme_method_and_host() {
        let text = "# a comment\n\nhttps://a.example/x?y=1#z\nHEAD b.example:81\n/c\n";
        let expected = ["GET a.example/x?y=1", "GET d.example/c", "HEAD b.example:81/"].map(str::to_owned).to_vec();
        assert_eq!(requests(text, Some("d.example")), (expected, 0));
        assert_eq!(requests(text, None).1, 1, "a path without a host is none");
    }

    #[test]
    fn an_access_log_of_either_format_is_read_and_equal_lines_count_once() {
        let common =
            r#"10.0.0.1 - - [24/Jul/2026:10:33:15 +0000] "GET /forecast?q=1 HTTP/1.1" 200 512 "-" "-" 17 "r" "u" 3ms"#;
        let json = r#"{"RequestMethod":"GET","RequestHost":"a.example","RequestPath":"/x","DownstreamStatus":200}"#;
        let text = format!("{common}\n{json}\n{json}\n{common}\n");
        let expected = ["GET a.example/x", "GET b.example/forecast?q=1"].map(str::to_owned).to_vec();
        assert_eq!(requests(&text, Some("b.example")), (expected, 0));
        assert_eq!(requests(common, None), (vec![], 1));
    }

    #[test]
    fn other_methods_and_what_is_no_request_are_left_out() {
        let text = "POST a.example/x\n{\"RequestMethod\":\"GET\"}\n{bad\nGET a.example/a b\n\"GET\"\n";
        assert_eq!(requests(text, Some("a.example")), (vec![], 5));
    }
}
