//! What belongs to no other family, and what Traefik does not have.

use super::Kind::{Bool, Choice, Duration, Family, Group, Integer, Text};
use super::{Flag, flag};

pub(super) const FLAGS: &[Flag] = &[
    flag(
        "configFile",
        Text,
        "",
        "The file with the rest of the configuration, YAML or TOML; without it `adit` or `traefik` `.yml`, `.yaml` or `.toml` in `/etc/adit`, `/etc/traefik`, `$XDG_CONFIG_HOME`, `$HOME/.config` or `.`.",
    ),
    flag(
        "providers.directory.path",
        Text,
        "",
        "Read manifests from this directory instead of a cluster, and again when they change.",
    ),
    flag(
        "tls.defaultCertificate",
        Text,
        "",
        "The Secret, `namespace/name`, with the certificate for hosts that have none; without it a self-signed one.",
    ),
    flag(
        "tls.sniStrict",
        Bool,
        "false",
        "Refuse a handshake that names no host with a certificate, instead of showing the default certificate.",
    ),
    flag(
        "hostOwnership",
        Choice(&["shared", "strict"]),
        "shared",
        "`strict`: a host is the oldest Ingress's namespace's alone, whole; `shared`: of each of its paths, the oldest Ingress's.",
    ),
    flag("kubernetesEvents", Bool, "true", "Write Events about problems on the Ingresses that they concern."),
    flag(
        "readOnly",
        Bool,
        "false",
        "Write nothing to the cluster, neither statuses nor Events nor a Lease; for an adit beside the controller that serves.",
    ),
    flag("workers", Integer, "", "Threads that serve requests; without it as many as the CPU quota allows."),
    flag(
        "limits.connections",
        Integer,
        "",
        "Connections of clients at once, over all entry points; without it 45 % of the open files.",
    ),
    flag(
        "limits.connectionsPerClient",
        Integer,
        "",
        "Connections of one client at once, which is an IPv4 address or an IPv6 /64; without it as many as there may be of all.",
    ),
    flag(
        "limits.memory",
        Text,
        "",
        "The memory, such as `512Mi`, before which new connections and then new requests are refused; without it what the container or the machine has.",
    ),
    flag(
        "limits.tunnelIdleTimeout",
        Duration,
        "1h",
        "How long a tunnel, such as a WebSocket, may be silent in both directions; `0s` is for ever.",
    ),
    flag(
        "upstream.waitForEndpoint",
        Duration,
        "0s",
        "How long a request waits where no endpoint can be reached but terminating ones, before they are asked or it is \
         refused; `0s` does not wait.",
    ),
    flag("tls.options", Family, "", "TLS options.")
        .refused("adit has no TLS options yet, and hosts would be served without what they demand"),
    flag("certificatesResolvers", Family, "", "Request certificates.")
        .not_yet("certificates are not requested by adit; it serves those in TLS Secrets (cert-manager writes them)"),
    flag("experimental", Family, "", "Experiments.").not_yet("Traefik's experiments and plugins are not there"),
    flag("hostResolver", Family, "", "Resolve host names to their canonical ones.")
        .not_yet("hosts are matched as clients name them"),
    flag("ocsp", Family, "", "Staple OCSP answers.").not_yet("answers are not stapled"),
    flag("core.defaultRuleSyntax", Choice(&["v2", "v3"]), "v3", "The syntax of rules.")
        .without_effect("Ingresses have no rules of that syntax"),
    flag("global", Group, "", "Global settings.").without_effect("the keys below it have the effect"),
    flag("global.checkNewVersion", Bool, "false", "Ask whether there is a new version.")
        .without_effect("adit asks no one"),
    flag("global.sendAnonymousUsage", Bool, "false", "Send statistics of usage.").without_effect("adit sends none"),
    flag("global.notAppendXForwardedFor", Bool, "false", "Leave `X-Forwarded-For` as it came, on every entry point."),
];
