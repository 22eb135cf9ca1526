//! What would become of a request, and why: the steps of [`super::serve`] up to the choice of an endpoint, on the
//! snapshot that serves, for people to read. Nothing is sent, counted or logged.

use http::request::Parts;
use http::{HeaderValue, Method, StatusCode};

use super::headers::{self, Marks, UnderscoreRejected};
use super::router::{Candidates, CompiledRoute, Found, Lookup, Router};
use super::{Error, redirect, serve};
use crate::route::{Action, HostPattern, Listener};

/// So many candidates of each kind are shown.
const MOST: usize = 8;

/// A request that might come.
#[derive(Debug)]
pub struct Question<'a> {
    /// The listener that it would come in on.
    pub listener: &'a Listener,
    /// That listener's index.
    pub index: usize,
    /// Over TLS.
    pub tls: bool,
    /// Its head. The target is a path and a query; the host is in the fields.
    pub parts: Parts,
}

/// What would become of it.
#[derive(Debug)]
pub struct Explanation {
    /// The host that it is for, as it is looked up.
    pub host: Option<String>,
    /// Its path, as it is matched and forwarded; none if the head is refused.
    pub path: Option<String>,
    /// The route that wins.
    pub route: Option<Found>,
    /// What the client gets.
    pub outcome: Outcome,
    /// The routes that were looked at.
    pub candidates: Candidates,
    /// A host that there are routes for and that differs in a letter or two, when there are none for this one.
    pub meant: Option<String>,
}

/// What the client gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The answer of an endpoint.
    Forward,
    /// A redirect.
    Redirect(StatusCode, HeaderValue),
    /// One of adit's own pages.
    Internal,
    /// 200 of adit's own: an OPTIONS that may be passed on no further (RFC 9110 §7.6.2).
    LastHop,
    /// A refusal.
    Refuse(Error),
}

/// What would become of a request, by this snapshot.
pub fn explain(router: &Router, question: &Question<'_>) -> Explanation {
    let Question { listener, index, tls, parts } = question;
    let marks = Marks::of(&parts.headers);
    let has_body = marks.content_length || marks.transfer_encoding;
    let (cleaned, authority) = match serve::read(listener, parts, marks, has_body) {
        Ok(read) => read,
        Err(error) => return refused_at_once(error),
    };
    let lookup = Lookup {
        listener: *index,
        listener_tls: listener.tls,
        tls: *tls,
        host: authority.as_ref().map(|authority| authority.name.as_ref()),
        path: cleaned.as_deref().unwrap_or(parts.uri.path()),
    };
    let route = router.find(&lookup);
    let candidates = router.candidates(&lookup, MOST);
    let meant = lookup.host.filter(|_| !candidates.nearest.iter().any(|it| it.host != HostPattern::Any));
    Explanation {
        outcome: match &route {
            Some(route) => outcome(route, question, marks),
            None => Outcome::Refuse(Error::NoRoute),
        },
        meant: meant.filter(|_| route.is_none()).and_then(|host| nearest_host(router, host)),
        host: lookup.host.map(str::to_owned),
        path: Some(lookup.path.to_owned()),
        route,
        candidates,
    }
}

fn refused_at_once(error: Error) -> Explanation {
    Explanation {
        host: None,
        path: None,
        route: None,
        outcome: Outcome::Refuse(error),
        candidates: Candidates::default(),
        meant: None,
    }
}

/// What a route does with the request that it has won.
fn outcome(route: &CompiledRoute, question: &Question<'_>, marks: Marks) -> Outcome {
    let Question { listener, parts, .. } = question;
    if let Some(upstream) = &route.upstream {
        let mut fields = parts.headers.clone();
        if parts.method == Method::OPTIONS && serve::is_last_hop(&mut fields) {
            return Outcome::LastHop;
        }
        let (forwarded, underscores) = (&listener.forwarded_headers, listener.underscore_headers);
        if let Err(UnderscoreRejected) = headers::clean_request(&mut fields, marks, false, forwarded, underscores) {
            return Outcome::Refuse(Error::UnderscoreHeader);
        }
        let none = upstream.endpoints().is_empty();
        return if none { Outcome::Refuse(Error::NoEndpoint) } else { Outcome::Forward };
    }
    match &route.route.action {
        Action::Forward(_) => Outcome::Refuse(Error::NoEndpoint),
        Action::Redirect(redirect) => match redirect::target(redirect, parts) {
            Ok((status, location)) => Outcome::Redirect(status, location),
            Err(error) => Outcome::Refuse(error),
        },
        Action::Internal(_) => Outcome::Internal,
        Action::Refuse(reason) => Outcome::Refuse(Error::Refused(*reason)),
    }
}

/// The host with routes that looks most like this one; none if more than two letters differ, or those that do are far
/// apart.
fn nearest_host(router: &Router, host: &str) -> Option<String> {
    let names = router.hosts().filter_map(|pattern| match pattern {
        HostPattern::Exact(name) => Some((distance(name, host)?, name)),
        _ => None,
    });
    names.filter(|(distance, _)| *distance <= 2).min().map(|(_, name)| name.to_string())
}

/// How many letters are wrong, missing, too many or swapped. Only what differs is compared, if that is short: there may be
/// tens of thousands of hosts.
fn distance(a: &str, b: &str) -> Option<usize> {
    const LONGEST: usize = 12;
    let same =
        |a: &mut dyn Iterator<Item = u8>, b: &mut dyn Iterator<Item = u8>| a.zip(b).take_while(|(a, b)| a == b).count();
    let front = same(&mut a.bytes(), &mut b.bytes());
    let (a, b) = (a.get(front..)?, b.get(front..)?);
    let back = same(&mut a.bytes().rev(), &mut b.bytes().rev());
    let (a, b) = (a.get(..a.len() - back)?, b.get(..b.len() - back)?);
    (a.len().max(b.len()) <= LONGEST).then(|| strsim::osa_distance(a, b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_that_differ_in_a_letter_or_two_are_near() {
        for (a, b, expected) in [
            ("shop.example", "shop.example", Some(0)),
            ("shop.exampel", "shop.example", Some(1)),
            ("shp.example", "shop.example", Some(1)),
            ("sohp.exmple", "shop.example", Some(2)),
            ("aa", "a", Some(1)),
            ("", "a", Some(1)),
            ("sohp.of-a-long-name.example", "shop.of-a-long-name.exmple", None),
        ] {
            assert_eq!(distance(a, b), expected, "{a} {b}");
        }
    }
}
