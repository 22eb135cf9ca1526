//! `entryPoints`: each of them on its own.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::config::address::{Address, EXPECTED, NoAddress};
use crate::config::error::Error;
use crate::config::raw::{Origin, Settings};
use crate::config::scope::{Scope, bad};
use crate::route::{
    EncodedCharacters, ForwardedHeaders, Http2, LifeCycle, Listener, ProxyProtocol, RespondingTimeouts, TrustedPeers,
    UnderscoreHeaders,
};

use super::pages::INTERNAL;

/// How long connections are still accepted after SIGTERM in a cluster: what it takes until no load balancer knows this
/// pod any more. Traefik's default of none loses what arrives meanwhile.
const GRACE_IN_CLUSTER: Duration = Duration::from_secs(10);

/// One entry point, before it is known what it is for.
#[derive(Clone, Debug)]
pub(super) struct EntryPoint {
    pub(super) listener: Listener,
    pub(super) address: Address,
    /// `asDefault`.
    pub(super) as_default: bool,
    pub(super) redirection: Option<Redirection>,
    /// The settings that only count where there are routes.
    pub(super) for_routes: Vec<String>,
}

/// `http.redirections.entryPoint`.
#[derive(Clone, Debug)]
pub(super) struct Redirection {
    /// An entry point, or `:port`.
    pub(super) to: String,
    /// How the key of `to` was spelt.
    pub(super) spelt: String,
    pub(super) scheme: &'static str,
    pub(super) permanent: bool,
    pub(super) priority: i64,
}

/// All entry points, in the order of their names. Without any there is `http` on `:80`.
pub(super) fn read(settings: &Settings, in_cluster: bool) -> Result<Vec<EntryPoint>, Error> {
    let names = names(settings)?;
    if names.is_empty() {
        return Ok(vec![entry_point(settings, "http", in_cluster)?]);
    }
    names.iter().map(|name| entry_point(settings, name, in_cluster)).collect()
}

/// Names differ in more than case; the best source says how each is spelt, since the environment knows upper case only.
fn names(settings: &Settings) -> Result<Vec<String>, Error> {
    let mut names: BTreeMap<String, (Origin, &str)> = BTreeMap::new();
    for (_, setting) in settings.iter().filter(|(_, setting)| setting.flag.key.starts_with("entryPoints._name_")) {
        let Some(name) = setting.name.as_deref() else { continue };
        if name.contains(|c: char| c.is_whitespace() || matches!(c, '.' | ',' | '@' | '/')) {
            return Err(Error::Conflict(format!("{}: an entry point cannot be called {name:?}", setting.spelt)));
        }
        // Between the environment and the file, the file's spelling is the one that somebody wrote as a name.
        let rank = match setting.origin {
            Origin::Flag => Origin::Flag,
            Origin::File => Origin::OwnEnvironment,
            Origin::Environment | Origin::OwnEnvironment => Origin::File,
        };
        let known = names.entry(name.to_ascii_lowercase()).or_insert((rank, name));
        if known.0 < rank {
            *known = (rank, name);
        }
    }
    let lower = |name: &str, origin| if origin == Origin::File { name.to_ascii_lowercase() } else { name.to_owned() };
    let mut names: Vec<String> = names.values().map(|(rank, name)| lower(name, *rank)).collect();
    names.sort();
    Ok(names)
}

fn entry_point(settings: &Settings, name: &str, in_cluster: bool) -> Result<EntryPoint, Error> {
    let prefix = format!("entryPoints.{name}.");
    let scope = Scope::new(settings, &prefix);
    let address = address(scope, name)?;
    let mut listener = Listener::new(name, address.text.clone());
    scope.boolean("reusePort", &mut listener.reuse_port)?;
    listener.tls = scope.is_on("http.tls");
    listener.forwarded_headers = forwarded_headers(settings, scope)?;
    listener.proxy_protocol =
        ProxyProtocol { trusted: trusted(scope, "proxyProtocol.insecure", "proxyProtocol.trustedIPs")? };
    listener.timeouts = timeouts(scope)?;
    listener.life_cycle = life_cycle(scope, in_cluster)?;
    listener.http2 = http2(scope)?;
    // hyper needs 8 KiB to read a head at all.
    scope.number("http.maxHeaderBytes", 8192, &mut listener.max_header_bytes)?;
    scope.boolean("http.sanitizePath", &mut listener.sanitize_path)?;
    listener.encoded_characters = encoded_characters(scope)?;
    let strategies = [
        ("keep", UnderscoreHeaders::Keep),
        ("delete", UnderscoreHeaders::Delete),
        ("reject", UnderscoreHeaders::Reject),
    ];
    scope.choice("http.underscoreHeadersStrategy", &strategies, &mut listener.underscore_headers)?;
    scope.boolean("observability.accessLogs", &mut listener.access_logs)?;
    scope.boolean("observability.metrics", &mut listener.metrics)?;
    scope.boolean("observability.tracing", &mut listener.tracing)?;
    let mut as_default = false;
    scope.boolean("asDefault", &mut as_default)?;
    let for_routes = for_routes(settings, &prefix);
    Ok(EntryPoint { listener, address, as_default, redirection: redirection(scope, &prefix)?, for_routes })
}

fn address(scope: Scope<'_>, name: &str) -> Result<Address, Error> {
    let (text, setting) = match (scope.text("address"), scope.get("address"), name) {
        (Some(text), setting, _) => (text, setting),
        (None, _, INTERNAL) => (":8080", None),
        (None, _, "http") => (":80", None),
        (None, ..) => {
            return Err(Error::Conflict(format!(
                "entry point {name} has settings and no address: set {}=[host]:port, or correct its name where it is set",
                crate::config::address_flag(name)
            )));
        }
    };
    Address::parse(text).map_err(|error| match (error, setting) {
        (NoAddress::Udp, _) => Error::Conflict(format!(
            "{}={text}: adit serves HTTP over TCP; an entry point cannot be UDP",
            crate::config::address_flag(name)
        )),
        (NoAddress::Form, Some(setting)) => bad(setting, EXPECTED),
        (NoAddress::Form, None) => Error::Conflict(format!("{text} is no address")),
    })
}

fn trusted(scope: Scope<'_>, all: &str, networks: &str) -> Result<TrustedPeers, Error> {
    let mut trusted = TrustedPeers { all: false, networks: scope.networks(networks)? };
    scope.boolean(all, &mut trusted.all)?;
    Ok(trusted)
}

fn forwarded_headers(settings: &Settings, scope: Scope<'_>) -> Result<ForwardedHeaders, Error> {
    let mut headers = ForwardedHeaders {
        trusted: trusted(scope, "forwardedHeaders.insecure", "forwardedHeaders.trustedIPs")?,
        connection: scope.headers("forwardedHeaders.connection")?,
        not_append_x_forwarded_for: false,
    };
    Scope::new(settings, "global.").boolean("notAppendXForwardedFor", &mut headers.not_append_x_forwarded_for)?;
    scope.boolean("forwardedHeaders.notAppendXForwardedFor", &mut headers.not_append_x_forwarded_for)?;
    Ok(headers)
}

fn timeouts(scope: Scope<'_>) -> Result<RespondingTimeouts, Error> {
    let mut timeouts = RespondingTimeouts::default();
    scope.duration("transport.respondingTimeouts.readTimeout", &mut timeouts.read)?;
    scope.duration("transport.respondingTimeouts.writeTimeout", &mut timeouts.write)?;
    scope.duration("transport.respondingTimeouts.idleTimeout", &mut timeouts.idle)?;
    // What bounds the whole bounds its parts.
    let (read, write) = (timeouts.read, timeouts.write);
    if !read.is_zero() {
        timeouts.head = timeouts.head.min(read);
        timeouts.body_idle = timeouts.body_idle.min(read);
    }
    if !write.is_zero() {
        timeouts.write_stall = timeouts.write_stall.min(write);
    }
    Ok(timeouts)
}

fn life_cycle(scope: Scope<'_>, in_cluster: bool) -> Result<LifeCycle, Error> {
    let mut cycle = LifeCycle::default();
    if in_cluster {
        cycle.request_accept_grace = GRACE_IN_CLUSTER;
    }
    scope.duration("transport.lifeCycle.requestAcceptGraceTimeout", &mut cycle.request_accept_grace)?;
    scope.duration("transport.lifeCycle.graceTimeOut", &mut cycle.grace)?;
    scope.duration("transport.keepAliveMaxTime", &mut cycle.keep_alive_max_time)?;
    scope.number("transport.keepAliveMaxRequests", 0, &mut cycle.keep_alive_max_requests)?;
    Ok(cycle)
}

fn http2(scope: Scope<'_>) -> Result<Http2, Error> {
    let mut http2 = Http2::default();
    scope.number("http2.maxConcurrentStreams", 1, &mut http2.max_concurrent_streams)?;
    scope.number("http2.maxDecoderHeaderTableSize", 0, &mut http2.max_decoder_header_table_size)?;
    scope.number("http2.maxEncoderHeaderTableSize", 0, &mut http2.max_encoder_header_table_size)?;
    Ok(http2)
}

fn encoded_characters(scope: Scope<'_>) -> Result<EncodedCharacters, Error> {
    let mut allowed = EncodedCharacters::default();
    for (key, target) in [
        ("http.encodedCharacters.allowEncodedSlash", &mut allowed.slash),
        ("http.encodedCharacters.allowEncodedBackSlash", &mut allowed.back_slash),
        ("http.encodedCharacters.allowEncodedNullCharacter", &mut allowed.null_character),
        ("http.encodedCharacters.allowEncodedSemicolon", &mut allowed.semicolon),
        ("http.encodedCharacters.allowEncodedPercent", &mut allowed.percent),
        ("http.encodedCharacters.allowEncodedQuestionMark", &mut allowed.question_mark),
        ("http.encodedCharacters.allowEncodedHash", &mut allowed.hash),
    ] {
        scope.boolean(key, target)?;
    }
    Ok(allowed)
}

fn redirection(scope: Scope<'_>, prefix: &str) -> Result<Option<Redirection>, Error> {
    const GROUP: &str = "http.redirections.entryPoint";
    if !scope.is_on(GROUP) {
        return Ok(None);
    }
    let Some(to) = scope.text("http.redirections.entryPoint.to") else {
        let flag = format!("--{prefix}{GROUP}.to");
        return Err(Error::MissingValue { flag, expected: "an entry point or :port".into() });
    };
    let spelt = scope.get("http.redirections.entryPoint.to").map(|setting| setting.spelt.clone()).unwrap_or_default();
    let (mut scheme, mut permanent, mut priority) = ("https", true, i64::MAX - 1);
    scope.choice("http.redirections.entryPoint.scheme", &[("http", "http"), ("https", "https")], &mut scheme)?;
    scope.boolean("http.redirections.entryPoint.permanent", &mut permanent)?;
    scope.number("http.redirections.entryPoint.priority", i64::MIN, &mut priority)?;
    Ok(Some(Redirection { to: to.to_owned(), spelt, scheme, permanent, priority }))
}

/// How the settings were spelt that mean nothing for adit's own pages. What an entry point of both kinds has
/// (its address, its observability, how it ends) does not make it one for routes.
fn for_routes(settings: &Settings, prefix: &str) -> Vec<String> {
    let prefix = prefix.to_ascii_lowercase();
    let below = settings.iter().filter_map(|(path, setting)| Some((path.strip_prefix(&prefix)?, setting)));
    let families = ["http.", "http2.", "http3", "forwardedheaders.", "proxyprotocol."];
    below
        .filter(|(key, setting)| {
            let is_default = *key == "asdefault" && crate::config::raw::boolean(&setting.value) == Some(true);
            is_default || families.iter().any(|family| key.starts_with(family))
        })
        .map(|(_, setting)| setting.spelt.clone())
        .collect()
}
