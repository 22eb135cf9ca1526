//! `serversTransport`: connections to backends.

use super::Kind::{Bool, Duration, Family, Integer, List};
use super::{Flag, flag};

pub(super) const FLAGS: &[Flag] = &[
    flag("serversTransport.insecureSkipVerify", Bool, "false", "Do not verify the certificates of HTTPS backends."),
    flag(
        "serversTransport.rootCAs",
        List,
        "",
        "Certificate authorities of HTTPS backends, files or PEM text, instead of the public ones.",
    ),
    flag(
        "serversTransport.maxIdleConnsPerHost",
        Integer,
        "200",
        "Idle connections kept to one backend; zero is the default, and a negative number keeps none.",
    ),
    flag("serversTransport.forwardingTimeouts.dialTimeout", Duration, "5s", "How long a connection may take to open.")
        .traefik("30s"),
    flag(
        "serversTransport.forwardingTimeouts.responseHeaderTimeout",
        Duration,
        "300s",
        "How long a backend may take to begin its answer; zero is no limit.",
    )
    .traefik("0s"),
    flag(
        "serversTransport.forwardingTimeouts.idleConnTimeout",
        Duration,
        "90s",
        "How long an idle connection is kept; zero is no limit.",
    ),
    flag("serversTransport.spiffe", Family, "", "Verify backends by SPIFFE identity.")
        .refused("adit has no SPIFFE, and backends would not be verified as demanded"),
    flag("spiffe", Family, "", "SPIFFE.").refused("adit has no SPIFFE, and backends would not be verified as demanded"),
    flag("tcpServersTransport", Family, "", "Connections to TCP backends.").not_yet("TCP routes are not served"),
];
