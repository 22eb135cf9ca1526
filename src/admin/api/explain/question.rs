//! What `/api/explain` is asked: a URL, or a host and a path; a method; header fields; an entry point.

use http::header::{HOST, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Method, Request, Uri};

use crate::admin::api::query::decode;
use crate::route::Listener;

/// A question that makes sense.
#[derive(Debug)]
pub(super) struct Asked {
    /// The head of the request.
    pub(super) parts: Parts,
    /// It comes over TLS.
    pub(super) tls: bool,
    /// The entry point that it comes in on.
    pub(super) index: usize,
    /// Why on that one.
    pub(super) because: &'static str,
}

/// The parts of the query, as they came.
#[derive(Debug, Default)]
struct Given {
    url: Option<String>,
    host: Option<String>,
    path: Option<String>,
    method: Option<String>,
    entry_point: Option<String>,
    headers: Vec<String>,
}

/// What a URL says.
#[derive(Debug, PartialEq, Eq)]
struct Url<'a> {
    tls: Option<bool>,
    authority: &'a str,
    /// A path and a query.
    target: String,
}

/// Reads the query of `/api/explain`; the error is for the person who wrote it.
pub(super) fn read(query: &str, listeners: &[Listener]) -> Result<Asked, String> {
    let given = given(query);
    let text = match (&given.url, &given.host, &given.path) {
        (Some(url), None, None) => url.clone(),
        (None, None, None) => return Err("give a url, as https://app.example.com/path; or a host and a path".into()),
        (None, host, path) => format!("{}{}", host.as_deref().unwrap_or(""), path.as_deref().unwrap_or("/")),
        _ => return Err("give a url, or a host and a path, not both".into()),
    };
    let url = url(text.trim())?;
    let (index, because) = entry_point(&given, &url, listeners)?;
    let method = given.method.as_deref().filter(|method| !method.is_empty()).unwrap_or("GET");
    let target = Uri::try_from(url.target.as_str())
        .map_err(|_| format!("{} is no path: what is not ASCII or printable is written as %XX", url.target))?;
    let mut request = Request::builder().uri(target);
    request = request.method(Method::from_bytes(method.as_bytes()).map_err(|_| format!("{method} is no method"))?);
    let (mut parts, ()) = request.body(()).map_err(|error| error.to_string())?.into_parts();
    for line in given.headers.iter().flat_map(|text| text.lines()).filter(|line| !line.trim().is_empty()) {
        let (name, value) = field(line).ok_or_else(|| format!("{line:?} is no header field, as Name: value"))?;
        parts.headers.append(name, value);
    }
    if !url.authority.is_empty() && !parts.headers.contains_key(HOST) {
        let host = HeaderValue::from_str(url.authority).map_err(|_| format!("{} is no host", url.authority))?;
        parts.headers.insert(HOST, host);
    }
    let tls = url.tls.unwrap_or_else(|| listeners.get(index).is_some_and(|listener| listener.tls));
    Ok(Asked { parts, tls, index, because })
}

fn given(query: &str) -> Given {
    let mut given = Given::default();
    for part in query.split('&') {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let value = decode(value, true);
        match decode(name, true).as_str() {
            "url" => given.url = Some(value),
            "host" => given.host = Some(value),
            "path" => given.path = Some(value),
            "method" => given.method = Some(value.trim().to_owned()),
            "entryPoint" => given.entry_point = Some(value).filter(|name| !name.is_empty()),
            "header" => given.headers.push(value),
            _ => {}
        }
    }
    given
}

/// A URL, as it is typed: the scheme may be left out. A fragment never leaves a browser, and neither does a password.
fn url(text: &str) -> Result<Url<'_>, String> {
    let text = text.split_once('#').map_or(text, |(before, _)| before);
    let (tls, rest) = match text.split_once("://") {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (Some(true), rest),
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (Some(false), rest),
        Some((scheme, _)) if !scheme.contains(['/', '?', '.']) => {
            return Err(format!("{scheme} is neither http nor https"));
        }
        _ => (None, text),
    };
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, target) = rest.split_at_checked(end).unwrap_or((rest, ""));
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let target = if target.starts_with('/') { target.to_owned() } else { format!("/{target}") };
    Ok(Url { tls, authority, target })
}

/// The entry point that was named; or the one of the URL's port; or the one that its scheme usually means.
fn entry_point(given: &Given, url: &Url<'_>, listeners: &[Listener]) -> Result<(usize, &'static str), String> {
    let all = || listeners.iter().map(|listener| &*listener.name).collect::<Vec<_>>().join(", ");
    let find = |is: &dyn Fn(&Listener) -> bool| listeners.iter().position(is);
    if let Some(name) = &given.entry_point {
        let index = find(&|listener| *listener.name == **name);
        return index
            .map(|index| (index, "it was asked for"))
            .ok_or_else(|| format!("there is no entry point {name} with routes; there are: {}", all()));
    }
    let port_of = |text: &str| text.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
    if let Some(port) = port_of(url.authority).filter(|_| !url.authority.ends_with(']'))
        && let Some(index) = find(&|listener| port_of(&listener.address) == Some(port))
    {
        return Ok((index, "it has the port of the URL"));
    }
    let tls = url.tls.unwrap_or(false);
    let (port, name) = if tls { (443, "websecure") } else { (80, "web") };
    let usual = find(&|listener| port_of(&listener.address) == Some(port))
        .or_else(|| find(&|listener| *listener.name == *name))
        .or_else(|| find(&|listener| listener.tls == tls));
    match usual {
        Some(index) => Ok((index, if tls { "https usually comes to it" } else { "http usually comes to it" })),
        None if listeners.is_empty() => Err("no entry point has routes".to_owned()),
        None => Ok((0, "it is the first")),
    }
}

fn field(line: &str) -> Option<(HeaderName, HeaderValue)> {
    let (name, value) = line.split_once(':')?;
    Some((HeaderName::from_bytes(name.trim().as_bytes()).ok()?, HeaderValue::from_str(value.trim()).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listeners() -> Vec<Listener> {
        vec![
            Listener::new("web", ":8000"),
            Listener { tls: true, ..Listener::new("websecure", ":8443") },
            Listener::new("other", "[::]:9000"),
        ]
    }

    fn asked(query: &str) -> Result<(usize, bool, String, String), String> {
        read(query, &listeners()).map(|asked| {
            let host = asked.parts.headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("").to_owned();
            (asked.index, asked.tls, host, asked.parts.uri.to_string())
        })
    }

    #[test]
    fn a_url_may_be_typed_as_people_type_them() {
        for (url, index, tls, host, target) in [
            ("http://a.example/x?y=1#z", 0, false, "a.example", "/x?y=1"),
            ("HTTPS://a.example", 1, true, "a.example", "/"),
            ("a.example", 0, false, "a.example", "/"),
            ("a.example:9000/x", 2, false, "a.example:9000", "/x"),
            ("a.example:8443/x", 1, true, "a.example:8443", "/x"),
            ("https://a.example:9000/", 2, true, "a.example:9000", "/"),
            ("http://[::1]/x", 0, false, "[::1]", "/x"),
            ("http://me:secret@a.example/?u=http://b", 0, false, "a.example", "/?u=http://b"),
            ("/only/a/path", 0, false, "", "/only/a/path"),
            ("http://a.example?q", 0, false, "a.example", "/?q"),
        ] {
            assert_eq!(
                asked(&format!("url={}", url.replace('&', "%26"))),
                Ok((index, tls, host.to_owned(), target.to_owned())),
                "{url}"
            );
        }
    }

    #[test]
    fn a_host_and_a_path_do_as_well_and_fields_are_taken_as_lines() {
        let query = "host=a.example&path=/x%3Fy&method=post&entryPoint=other&header=X-A:%201%0AX-B:2&header=X-A:3";
        let asked = read(query, &listeners()).expect("a question");
        assert_eq!((asked.index, asked.parts.method.as_str()), (2, "post"));
        let values: Vec<_> = asked.parts.headers.get_all("x-a").iter().collect();
        assert_eq!(values, ["1", "3"]);
        assert_eq!(asked.parts.headers["x-b"], "2");
        assert_eq!(asked.parts.uri, "/x?y");
    }

    #[test]
    fn a_question_that_makes_no_sense_is_refused_with_what_would() {
        for (query, says) in [
            ("", "give a url"),
            ("url=http://a&host=b", "not both"),
            ("url=ftp://a.example/", "ftp is neither"),
            ("url=http://a.example/%C3%A9%20x", "is no path"),
            ("url=http://a.example/&entryPoint=none", "there are: web, websecure, other"),
            ("url=http://a.example/&method=G%20T", "is no method"),
            ("url=http://a.example/&header=nothing", "is no header field"),
            ("url=http://a%00b/", "is no host"),
        ] {
            let error = asked(query).expect_err(query);
            assert!(error.contains(says), "{query}: {error}");
        }
        assert!(read("url=http://a/", &[]).is_err());
    }
}
