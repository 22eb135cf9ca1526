//! `tracing`.

use super::Kind::{Bool, Family, Group, List, Text};
use super::{Flag, flag};

const HEADER: &str = "A header of each message to the collector.";
const CA: &str =
    "The certificates that the collector's is verified with, PEM or a file of them; without it the public ones.";
const CERTIFICATE: &str = "The certificate that is shown to the collector, PEM or a file of it.";
const KEY: &str = "Its key, PEM or a file of it.";
const INSECURE: &str = "Send to whoever answers, with any certificate.";

pub(super) const FLAGS: &[Flag] = &[
    flag("tracing", Group, "false", "Trace requests, and send their spans to an OpenTelemetry collector."),
    flag("tracing.serviceName", Text, "traefik", "What spans give as the service that they are from."),
    flag(
        "tracing.sampleRate",
        Text,
        "1.0",
        "The share of requests that is traced, from 0 to 1; what a request's `traceparent` says comes first.",
    ),
    flag("tracing.addInternals", Bool, "false", "Trace requests to adit's own pages too."),
    flag(
        "tracing.resourceAttributes",
        Family,
        "",
        "What spans say of the service besides, such as `tracing.resourceAttributes.deployment.environment.name=staging`; names are in lower case.",
    ),
    flag("tracing.globalAttributes", Family, "", "The older name of `resourceAttributes`."),
    flag("tracing.capturedRequestHeaders", List, "", "Headers of requests that are shown in spans."),
    flag("tracing.capturedResponseHeaders", List, "", "Headers of answers that are shown in spans."),
    flag("tracing.safeQueryParams", List, "", "Parameters of queries whose values are not redacted."),
    flag("tracing.otlp", Group, "", "Send spans by OTLP, which is the one way there is.")
        .without_effect("spans go no other way"),
    flag("tracing.otlp.http", Group, "", "Send them by HTTP.").without_effect("it is the default"),
    flag(
        "tracing.otlp.http.endpoint",
        Text,
        "https://localhost:4318",
        "The collector's URL; without a path it is `/v1/traces`.",
    ),
    flag("tracing.otlp.http.headers._name_", Text, "", HEADER),
    flag("tracing.otlp.http.tls.ca", Text, "", CA),
    flag("tracing.otlp.http.tls.cert", Text, "", CERTIFICATE),
    flag("tracing.otlp.http.tls.key", Text, "", KEY),
    flag("tracing.otlp.http.tls.insecureSkipVerify", Bool, "false", INSECURE),
    flag("tracing.otlp.grpc", Group, "", "Send them by gRPC, whatever `otlp.http` says."),
    flag("tracing.otlp.grpc.endpoint", Text, "localhost:4317", "The collector's host and port."),
    flag("tracing.otlp.grpc.insecure", Bool, "false", "Send in the clear."),
    flag("tracing.otlp.grpc.headers._name_", Text, "", HEADER),
    flag("tracing.otlp.grpc.tls.ca", Text, "", CA),
    flag("tracing.otlp.grpc.tls.cert", Text, "", CERTIFICATE),
    flag("tracing.otlp.grpc.tls.key", Text, "", KEY),
    flag("tracing.otlp.grpc.tls.insecureSkipVerify", Bool, "false", INSECURE),
];
