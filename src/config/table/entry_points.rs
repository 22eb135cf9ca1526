//! `entryPoints`: the addresses that clients reach, and how they are treated there.

use super::Kind::{Bool, Choice, Duration, Family, Group, Integer, List, Text};
use super::{Flag, flag};

/// Traefik's priority of a redirect: adit's own pages alone come before it.
const REDIRECT_PRIORITY: &str = "9223372036854775806";

const ACME: &str = "certificates are not requested by adit; it serves those in TLS Secrets (cert-manager writes them)";
const ALWAYS_REFUSED: &str = "paths with %00 are refused whatever it says";

pub(super) const FLAGS: &[Flag] = &[
    flag("entryPoints._name_", Group, "", "An entry point of this name.").without_effect("its address makes it one"),
    flag(
        "entryPoints._name_.address",
        Text,
        "",
        "Where it listens, `[host]:port[/tcp]`; without a host on every address of both families.",
    ),
    flag(
        "entryPoints._name_.asDefault",
        Bool,
        "false",
        "Routes that name no entry point are on this one; when none says so, on all but those for adit's own pages.",
    ),
    flag(
        "entryPoints._name_.reusePort",
        Bool,
        "false",
        "Set SO_REUSEPORT, so that several processes can share the port.",
    ),
    flag("entryPoints._name_.allowACMEByPass", Bool, "false", "Let routes answer ACME challenges.")
        .without_effect("adit answers no challenges itself, so routes always do"),
    flag("entryPoints._name_.http", Group, "", "HTTP settings.").without_effect("the keys below it have the effect"),
    flag("entryPoints._name_.http.tls", Group, "false", "Every route on this entry point is TLS only."),
    flag("entryPoints._name_.http.tls.certResolver", Text, "", "The resolver that requests certificates.")
        .not_yet(ACME),
    flag("entryPoints._name_.http.tls.domains", Family, "", "The domains to request certificates for.").not_yet(ACME),
    flag("entryPoints._name_.http.tls.options", Text, "", "TLS options of every route on this entry point.")
        .refused("adit has no TLS options yet, and routes would be served without what they demand"),
    flag("entryPoints._name_.http.tls.clientAuth", Family, "", "Client certificates that are demanded.")
        .refused("adit does not verify client certificates yet, and everyone would be let in"),
    flag("entryPoints._name_.http.middlewares", List, "", "Middlewares of every route on this entry point.")
        .refused("adit has no such middlewares yet, and routes would be served without their protection"),
    flag(
        "entryPoints._name_.http.redirections.entryPoint.to",
        Text,
        "",
        "Redirect every request to this entry point's port, or to `:port`.",
    ),
    flag(
        "entryPoints._name_.http.redirections.entryPoint.scheme",
        Choice(&["http", "https"]),
        "https",
        "The scheme of the new URL.",
    ),
    flag(
        "entryPoints._name_.http.redirections.entryPoint.permanent",
        Bool,
        "true",
        "301 for GET and 308 for the rest; else 302 and 307.",
    ),
    flag(
        "entryPoints._name_.http.redirections.entryPoint.priority",
        Integer,
        REDIRECT_PRIORITY,
        "The priority of the redirect among the routes.",
    ),
    flag("entryPoints._name_.http.encodedCharacters.allowEncodedSlash", Bool, "true", "Accept `%2F` in paths."),
    flag("entryPoints._name_.http.encodedCharacters.allowEncodedBackSlash", Bool, "true", "Accept `%5C` in paths."),
    flag("entryPoints._name_.http.encodedCharacters.allowEncodedNullCharacter", Bool, "true", "Accept `%00` in paths.")
        .without_effect(ALWAYS_REFUSED),
    flag("entryPoints._name_.http.encodedCharacters.allowEncodedSemicolon", Bool, "true", "Accept `%3B` in paths."),
    flag("entryPoints._name_.http.encodedCharacters.allowEncodedPercent", Bool, "true", "Accept `%25` in paths."),
    flag("entryPoints._name_.http.encodedCharacters.allowEncodedQuestionMark", Bool, "true", "Accept `%3F` in paths."),
    flag("entryPoints._name_.http.encodedCharacters.allowEncodedHash", Bool, "true", "Accept `%23` in paths."),
    flag("entryPoints._name_.http.encodeQuerySemicolons", Bool, "false", "Encode semicolons in the query.")
        .without_effect("the query is passed on as it came"),
    flag(
        "entryPoints._name_.http.sanitizePath",
        Bool,
        "true",
        "Clean `//`, `/./` and `/../` in paths before routing; off passes them on byte for byte.",
    ),
    flag("entryPoints._name_.http.maxHeaderBytes", Integer, "65536", "The most bytes of a request's head.")
        .traefik("1048576"),
    flag(
        "entryPoints._name_.http.underscoreHeadersStrategy",
        Choice(&["keep", "delete", "reject"]),
        "keep",
        "What becomes of headers with `_` in their name.",
    ),
    flag("entryPoints._name_.http2.maxConcurrentStreams", Integer, "100", "HTTP/2 streams at once on one connection.")
        .traefik("250"),
    flag(
        "entryPoints._name_.http2.maxDecoderHeaderTableSize",
        Integer,
        "4096",
        "Bytes of the HPACK table that a client may make adit keep.",
    ),
    flag(
        "entryPoints._name_.http2.maxEncoderHeaderTableSize",
        Integer,
        "4096",
        "Bytes of the HPACK table that adit keeps for a client.",
    ),
    flag("entryPoints._name_.http3", Family, "", "HTTP/3.").not_yet("clients use HTTP/2 or HTTP/1.1"),
    flag("entryPoints._name_.udp", Family, "", "UDP.").not_yet("adit serves HTTP over TCP"),
    flag(
        "entryPoints._name_.forwardedHeaders.insecure",
        Bool,
        "false",
        "Believe the `X-Forwarded-*` headers of everyone.",
    ),
    flag(
        "entryPoints._name_.forwardedHeaders.trustedIPs",
        List,
        "",
        "Believe the `X-Forwarded-*` headers of these addresses and networks.",
    ),
    flag(
        "entryPoints._name_.forwardedHeaders.connection",
        List,
        "",
        "Headers that are kept although a client's `Connection` names them.",
    ),
    flag(
        "entryPoints._name_.forwardedHeaders.notAppendXForwardedFor",
        Bool,
        "false",
        "Leave `X-Forwarded-For` as it came.",
    ),
    flag(
        "entryPoints._name_.forwardedHeaders.addXForwardedSchemeHeaders",
        Bool,
        "false",
        "Add `X-Forwarded-Scheme` and `X-Scheme`.",
    )
    .not_yet("backends find the scheme in X-Forwarded-Proto"),
    flag("entryPoints._name_.proxyProtocol", Group, "", "The PROXY protocol.")
        .without_effect("whom to trust is said by the keys below it"),
    flag("entryPoints._name_.proxyProtocol.insecure", Bool, "false", "Take PROXY protocol headers from everyone."),
    flag(
        "entryPoints._name_.proxyProtocol.trustedIPs",
        List,
        "",
        "Take PROXY protocol headers from these addresses and networks.",
    ),
    flag(
        "entryPoints._name_.transport.respondingTimeouts.readTimeout",
        Duration,
        "0s",
        "The longest that a whole request with its body may take; zero is no limit, and a client that stalls is cut off anyway.",
    )
    .traefik("60s"),
    flag(
        "entryPoints._name_.transport.respondingTimeouts.writeTimeout",
        Duration,
        "0s",
        "The longest that a whole answer may take; zero is no limit.",
    ),
    flag(
        "entryPoints._name_.transport.respondingTimeouts.idleTimeout",
        Duration,
        "180s",
        "How long a connection is kept between two requests.",
    ),
    flag(
        "entryPoints._name_.transport.lifeCycle.requestAcceptGraceTimeout",
        Duration,
        "0s (in a cluster 10s)",
        "How long connections are still accepted after SIGTERM, while load balancers learn of it.",
    )
    .traefik("0s"),
    flag(
        "entryPoints._name_.transport.lifeCycle.graceTimeOut",
        Duration,
        "10s",
        "How long requests in flight may take after that.",
    ),
    flag(
        "entryPoints._name_.transport.keepAliveMaxTime",
        Duration,
        "0s",
        "The longest life of a keep-alive connection; zero is no limit.",
    ),
    flag(
        "entryPoints._name_.transport.keepAliveMaxRequests",
        Integer,
        "0",
        "The most requests of a keep-alive connection; zero is no limit.",
    ),
    flag("entryPoints._name_.observability.accessLogs", Bool, "true", "Requests appear in the access log."),
    flag("entryPoints._name_.observability.metrics", Bool, "true", "Requests are counted."),
    flag("entryPoints._name_.observability.tracing", Bool, "true", "Requests are traced, where any are."),
    flag(
        "entryPoints._name_.observability.traceVerbosity",
        Choice(&["minimal", "detailed"]),
        "minimal",
        "How much is traced.",
    )
    .without_effect("a request has one span of adit's own and one for each endpoint that is asked"),
];
