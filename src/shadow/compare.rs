//! In what two answers differ, less what differs by nature.

use std::collections::BTreeSet;

use serde::Serialize;

use super::ask::Answer;

/// Headers that are another in each answer, or that belong to the connection.
const BY_NATURE: [&str; 21] = [
    "age",
    "alt-svc",
    "cf-ray",
    "connection",
    "content-length",
    "date",
    "expires",
    "keep-alive",
    "request-id",
    "server-timing",
    "traceparent",
    "tracestate",
    "transfer-encoding",
    "via",
    "x-amzn-trace-id",
    "x-b3-traceid",
    "x-correlation-id",
    "x-request-id",
    "x-response-time",
    "x-runtime",
    "x-trace-id",
];

/// Headers that are not compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ignored(BTreeSet<String>);

impl Ignored {
    /// Those that differ by nature, and these.
    pub fn and<S: AsRef<str>>(names: &[S]) -> Self {
        let typed = names.iter().map(|name| name.as_ref().trim().to_ascii_lowercase());
        Self(BY_NATURE.iter().map(|&name| name.to_owned()).chain(typed).collect())
    }
}

/// One thing in which two answers differ.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Difference {
    /// `answer`, `status`, `header location` or `body`.
    pub what: String,
    /// What Traefik answered.
    pub traefik: String,
    /// What adit answered.
    pub adit: String,
}

/// In what the answers differ.
pub(super) fn differences(
    traefik: &Result<Answer, String>,
    adit: &Result<Answer, String>,
    ignored: &Ignored,
) -> Vec<Difference> {
    let difference = |what: &str, traefik: String, adit: String| Difference { what: what.to_owned(), traefik, adit };
    let (theirs, ours) = match (traefik, adit) {
        (Ok(theirs), Ok(ours)) => (theirs, ours),
        _ => {
            let shown = |answer: &Result<Answer, String>| match answer {
                Ok(answer) => answer.status.to_string(),
                Err(reason) => format!("none: {reason}"),
            };
            return vec![difference("answer", shown(traefik), shown(adit))];
        }
    };
    let mut found = Vec::new();
    if theirs.status != ours.status {
        found.push(difference("status", theirs.status.to_string(), ours.status.to_string()));
    }
    let names: BTreeSet<&String> = theirs.headers.keys().chain(ours.headers.keys()).collect();
    for name in names.into_iter().filter(|name| !ignored.0.contains(*name)) {
        let (a, b) = (values(theirs, name), values(ours, name));
        if a != b {
            found.push(difference(&format!("header {name}"), a, b));
        }
    }
    if (theirs.length, theirs.hash) != (ours.length, ours.hash) {
        let shown = |answer: &Answer| format!("{} bytes, hash {:016x}", answer.length, answer.hash);
        found.push(difference("body", shown(theirs), shown(ours)));
    }
    found
}

/// The values of a header. Of cookies the names: their values are sessions.
fn values(answer: &Answer, name: &str) -> String {
    let Some(values) = answer.headers.get(name) else { return "none".into() };
    if name != "set-cookie" {
        return values.join(", ");
    }
    let mut names: Vec<&str> = values.iter().filter_map(|cookie| cookie.split('=').next()).collect();
    names.sort_unstable();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, headers: &[(&str, &str)], hash: u64) -> Result<Answer, String> {
        let headers = headers.iter().map(|&(name, value)| (name.to_owned(), vec![value.to_owned()]));
        Ok(Answer { status, headers: headers.collect(), length: 1, hash })
    }

    fn what(a: &Result<Answer, String>, b: &Result<Answer, String>, ignored: &[&str]) -> Vec<String> {
        differences(a, b, &Ignored::and(ignored)).into_iter().map(|difference| difference.what).collect()
    }

    #[test]
    fn status_headers_and_body_are_compared_and_what_differs_by_nature_is_not() {
        let a = answer(200, &[("date", "1"), ("x-request-id", "a"), ("location", "/a"), ("x-only", "1")], 7);
        let b = answer(404, &[("date", "2"), ("x-request-id", "b"), ("location", "/b")], 8);
        assert_eq!(what(&a, &b, &[]), ["status", "header location", "header x-only", "body"]);
        assert_eq!(what(&a, &b, &["Location", "X-Only"]), ["status", "body"]);
        assert_eq!(what(&a, &a, &[]), Vec::<String>::new());
    }

    #[test]
    fn cookies_are_compared_by_name_and_their_values_never_shown() {
        let a = answer(200, &[("set-cookie", "session=secret1; Path=/")], 7);
        let b = answer(200, &[("set-cookie", "session=secret2; Path=/")], 7);
        assert_eq!(what(&a, &b, &[]), Vec::<String>::new());
        let none = answer(200, &[], 7);
        let found = differences(&a, &none, &Ignored::and::<&str>(&[]));
        assert!(found.len() == 1 && !format!("{found:?}").contains("secret"), "{found:?}");
    }

    #[test]
    fn an_answer_that_only_one_gave_is_a_difference() {
        let found = what(&answer(200, &[], 7), &Err("connection refused".into()), &[]);
        assert_eq!(found, ["answer"]);
    }
}
