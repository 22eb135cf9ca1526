//! What each reason for a refusal means and what to do about it: in the log, and as the table of answers in
//! `docs/troubleshooting.md`.

use super::Refusal;

/// A reason for somebody who meets it for the first time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meaning {
    /// What happened.
    pub why: &'static str,
    /// What to do.
    pub mend: &'static str,
    /// What the client sees where it gets no answer of ours; empty when it always gets one.
    pub seen: &'static str,
}

const CLOSES: &str = "the connection closes";
const CUT: &str = "the answer is cut";

/// What a client is told of.
const fn told(why: &'static str, mend: &'static str) -> Meaning {
    Meaning { why, mend, seen: "" }
}

/// What a client sees, and is not told of.
const fn seen(seen: &'static str, why: &'static str, mend: &'static str) -> Meaning {
    Meaning { why, mend, seen }
}

impl Refusal {
    /// What it means and what to do about it.
    pub const fn explain(self) -> Meaning {
        match self {
            Self::BadFraming => told(
                "Content-Length and Transfer-Encoding are odd or contradict each other, or the body breaks them. Two \
                 programs could disagree on where the request ends.",
                "mend the client: the body of the answer names the rule",
            ),
            Self::BadHost => told(
                "Host (or :authority) is missing, there twice, no host, or another than that of the target.",
                "mend the client: the body of the answer names the rule",
            ),
            Self::BadPath => told(
                "The path has a malformed escape, %00, a backslash, `..;`, or an encoded character that the entry point \
                 forbids.",
                "mend the client; of encoded characters, http.encodedCharacters says which are allowed",
            ),
            Self::BadHeader => told(
                "A header's name has an underscore where the entry point refuses these, or Expect says something else \
                 than 100-continue.",
                "mend the client, or see http.underscoreHeadersStrategy of the entry point",
            ),
            Self::BadRequest => told(
                "The bytes are no HTTP request, or break a rule of HTTP that adit does not bend.",
                "mend the client: the body of the answer names the rule; TLS or another protocol may have come to a port \
                 where it is not spoken",
            ),
            Self::UnknownCoding => told(
                "Transfer-Encoding names a coding that adit does not decode.",
                "mend the client: send the body as it is, or with Transfer-Encoding: chunked alone",
            ),
            Self::HeaderTooLarge => told(
                "The head has more bytes than http.maxHeaderBytes of the entry point, or more than 100 fields.",
                "look for large or many cookies, or raise --entryPoints.NAME.http.maxHeaderBytes",
            ),
            Self::UriTooLong => {
                told("The target has more than 65534 bytes.", "mend the client: what is so long belongs into a body")
            }
            Self::MethodNotAllowed => told(
                "The method is CONNECT, TRACE or TRACK (405), or has more than 32 bytes (501).",
                "mend the client; adit is no forward proxy",
            ),
            Self::NoRoute => told(
                "No route of this entry point matches the host and path.",
                "look at the Ingress's host, path, class and entry points; /api/explain says which route a URL would take",
            ),
            Self::NoService => told(
                "The Ingress names a Service that does not exist in its namespace.",
                "create the Service or correct its name; /api/problems names the field",
            ),
            Self::NoPort => told(
                "The Service has no port of the number or name that the Ingress gives.",
                "correct the port; /api/problems names the field",
            ),
            Self::ExternalName => told(
                "The Service is an ExternalName, and these are refused unless they are allowed.",
                "start adit with --providers.kubernetesIngress.allowExternalNameServices if those who write Services may \
                 choose where it connects to",
            ),
            Self::UnsupportedBackend => told(
                "The backend is not a Service, or one that cannot be served.",
                "name a Service; /api/problems names the field",
            ),
            Self::UnsupportedPolicy => told(
                "The Ingress or Service names a guard that this version does not have: a lock that is not there must not \
                 open the door.",
                "remove the annotation if the route may be served without it; /api/problems names it",
            ),
            Self::NoEndpoints => told(
                "The Service has no endpoint that serves, or none came within upstream.waitForEndpoint.",
                "look at the pods and EndpointSlices of the Service",
            ),
            Self::ConnectFailed => told(
                "No endpoint that was tried took a connection.",
                "does the pod listen on the Service's targetPort, and not on 127.0.0.1 alone? Does a NetworkPolicy forbid \
                 it?",
            ),
            Self::NameUnresolved => told(
                "The name of an ExternalName Service does not exist, or was not resolved and no address of it was known from before.",
                "does the name exist, and do the cluster's name servers answer? The log has the resolver's words",
            ),
            Self::NoSocket => told(
                "The kernel had no socket, or no source port, for a connection to any endpoint that was tried.",
                "raise the limit of open files or widen net.ipv4.ip_local_port_range of the pod; more endpoints or \
                 replicas share the connections. The log has the kernel's words",
            ),
            Self::ConnectTimeout => told(
                "No endpoint that was tried took a connection within serversTransport.forwardingTimeouts.dialTimeout.",
                "look for a NetworkPolicy or firewall that drops packets, and for a node that is gone",
            ),
            Self::UpstreamTls => told(
                "The TLS handshake with the endpoint failed.",
                "does the port speak TLS? Trust its authority with --serversTransport.rootCAs",
            ),
            Self::UpstreamReset => told(
                "The endpoint closed the connection before it answered.",
                "did the pod crash or end with the request in hand? Let it finish its requests on SIGTERM",
            ),
            Self::UpstreamProtocol => told(
                "The endpoint's answer is no HTTP, or none that may be passed on.",
                "is it h2c or TLS where http is configured? See service.serversscheme",
            ),
            Self::ResponseTimeout => told(
                "The endpoint's answer did not begin within serversTransport.forwardingTimeouts.responseHeaderTimeout.",
                "look why the pod is slow, or raise the timeout",
            ),
            Self::ResponseTruncated => seen(
                CUT,
                "The answer's body stopped before its end: the endpoint closed or reset, or \
                 respondingTimeouts.writeTimeout passed.",
                "did the pod crash or end with the answer in hand?",
            ),
            Self::ClientGone => seen(
                "nobody is there to see it",
                "The client left before its answer was complete. 499 is only ever logged and counted.",
                "nothing, unless there are many: then answers are slow, or a client's own timeout is short",
            ),
            Self::HeadTimeout => seen(
                CLOSES,
                "The request's head was begun and not ended in 10 s, or in respondingTimeouts.readTimeout if that is \
                 shorter. A connection on which nothing was said is not counted.",
                "nothing, unless it is your own client: it has to send a head at once",
            ),
            Self::BodyTimeout => told(
                "The request's body paused for 60 s, or was not whole within respondingTimeouts.readTimeout.",
                "is the client's network bad? If the whole upload is what takes long, raise \
                 --entryPoints.NAME.transport.respondingTimeouts.readTimeout",
            ),
            Self::WriteTimeout => seen(
                CUT,
                "The client stopped reading for 60 s.",
                "nothing, unless it is your own client: it has to read its answers",
            ),
            Self::TlsHandshake => seen(
                CLOSES,
                "The TLS handshake with the client failed, or was not ended in time.",
                "does the client speak TLS 1.2 with one of the usual suites, and trust the certificate? The log says more \
                 at DEBUG",
            ),
            Self::ProxyProtocol => seen(
                CLOSES,
                "A peer in proxyProtocol.trustedIPs began with a PROXY protocol header that is malformed.",
                "look at what the balancer sends: version 1 or 2, once, at the very beginning",
            ),
            Self::Overloaded => seen(
                CLOSES,
                "There were as many connections as there may be.",
                "add replicas, raise the limit of open files (or limits.connections), or shorten \
                 respondingTimeouts.idleTimeout",
            ),
            Self::ClientLimit => seen(
                CLOSES,
                "One client had as many connections as limits.connectionsPerClient allows.",
                "is it a balancer? Name it in forwardedHeaders.trustedIPs or proxyProtocol.trustedIPs",
            ),
            Self::Memory => seen(
                CLOSES,
                "Memory was short: from 80 % of the limit on new connections are refused and idle ones let go, from 90 % on new requests are refused.",
                "raise the memory limit or add replicas",
            ),
            Self::Loop => told(
                "The request had passed through adit ten times.",
                "a route leads back to adit: look where the Service's endpoints or its external name lead",
            ),
            Self::Internal => told(
                "Something that should not happen: a bug.",
                "please report it, with the version and the log at DEBUG",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_says_why_and_what_to_do() {
        for reason in Refusal::ALL {
            let Meaning { why, mend, seen } = reason.explain();
            assert!(why.ends_with('.') && !why.contains("  ") && !why.contains('|'), "{reason}");
            assert!(
                !mend.is_empty() && !mend.ends_with('.') && !mend.contains("  ") && !mend.contains('|'),
                "{reason}"
            );
            assert!(!seen.ends_with('.'), "{reason}");
        }
    }
}
