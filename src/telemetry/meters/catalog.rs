//! Every metric that adit has: the one table that the page is written from and that the documentation shows.
//!
//! Names, labels and meanings under `traefik_` are Traefik's: dashboards and alerts made for it keep working.

use prometheus::proto::MetricType;

/// One metric.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// Counter, gauge or histogram.
    pub kind: MetricType,
    /// Its labels, sorted.
    pub labels: &'static [&'static str],
    /// What it means, in one sentence.
    pub help: &'static str,
}

macro_rules! catalog {
    ($($constant:ident: $kind:ident $name:literal [$($label:literal),*] $help:literal;)+) => {
        $(pub(super) const $constant: Metric =
            Metric { name: $name, kind: MetricType::$kind, labels: &[$($label),*], help: $help };)+

        /// All metrics.
        pub const METRICS: &[Metric] = &[$($constant),+];
    };
}

catalog! {
    CONFIG_RELOADS: COUNTER "traefik_config_reloads_total" [] "Routing tables installed";
    CONFIG_LAST_RELOAD: GAUGE "traefik_config_last_reload_success" [] "When the last routing table was installed, seconds since the epoch";
    OPEN_CONNECTIONS: GAUGE "traefik_open_connections" ["entrypoint", "protocol"] "Client connections that are open";
    CERTIFICATES: GAUGE "traefik_tls_certs_not_after" ["cn", "sans", "serial"] "When a certificate expires, seconds since the epoch";

    ENTRY_POINT_REQUESTS: COUNTER "traefik_entrypoint_requests_total" ["code", "entrypoint", "method", "protocol"] "Requests of an entry point";
    ENTRY_POINT_TLS: COUNTER "traefik_entrypoint_requests_tls_total" ["entrypoint", "tls_cipher", "tls_version"] "Requests of an entry point that came over TLS";
    ENTRY_POINT_DURATION: HISTOGRAM "traefik_entrypoint_request_duration_seconds" ["code", "entrypoint", "method", "protocol"] "From a request's first byte to its answer's last, by entry point";
    ENTRY_POINT_REQUEST_BYTES: COUNTER "traefik_entrypoint_requests_bytes_total" ["code", "entrypoint", "method", "protocol"] "Bytes of request bodies of an entry point";
    ENTRY_POINT_RESPONSE_BYTES: COUNTER "traefik_entrypoint_responses_bytes_total" ["code", "entrypoint", "method", "protocol"] "Bytes of response bodies of an entry point";

    ROUTER_REQUESTS: COUNTER "traefik_router_requests_total" ["code", "method", "protocol", "router", "service"] "Requests of a router";
    ROUTER_TLS: COUNTER "traefik_router_requests_tls_total" ["router", "service", "tls_cipher", "tls_version"] "Requests of a router that came over TLS";
    ROUTER_DURATION: HISTOGRAM "traefik_router_request_duration_seconds" ["code", "method", "protocol", "router", "service"] "From a request's first byte to its answer's last, by router";
    ROUTER_REQUEST_BYTES: COUNTER "traefik_router_requests_bytes_total" ["code", "method", "protocol", "router", "service"] "Bytes of request bodies of a router";
    ROUTER_RESPONSE_BYTES: COUNTER "traefik_router_responses_bytes_total" ["code", "method", "protocol", "router", "service"] "Bytes of response bodies of a router";

    SERVICE_REQUESTS: COUNTER "traefik_service_requests_total" ["code", "method", "protocol", "service"] "Requests of a service";
    SERVICE_TLS: COUNTER "traefik_service_requests_tls_total" ["service", "tls_cipher", "tls_version"] "Requests of a service that came over TLS";
    SERVICE_DURATION: HISTOGRAM "traefik_service_request_duration_seconds" ["code", "method", "protocol", "service"] "From a request's first byte to its answer's last, by service";
    SERVICE_REQUEST_BYTES: COUNTER "traefik_service_requests_bytes_total" ["code", "method", "protocol", "service"] "Bytes of request bodies of a service";
    SERVICE_RESPONSE_BYTES: COUNTER "traefik_service_responses_bytes_total" ["code", "method", "protocol", "service"] "Bytes of response bodies of a service";
    SERVICE_RETRIES: COUNTER "traefik_service_retries_total" ["service"] "Requests sent once more";
    SERVICE_SERVER_UP: GAUGE "traefik_service_server_up" ["service", "url"] "1 while an endpoint takes requests, 0 while it is set aside after failures";

    BUILD: GAUGE "adit_build_info" ["version"] "1, with the version of the program";
    EVENT_TO_SWAP: HISTOGRAM "adit_event_to_swap_seconds" [] "From an event of the source to the routing table that serves it";
    ROUTES: GAUGE "adit_routes" [] "Routes in the table";
    HOSTS: GAUGE "adit_hosts" [] "Host patterns in the table";
    UPSTREAMS: GAUGE "adit_upstreams" [] "Service ports that routes name";
    ENDPOINTS: GAUGE "adit_endpoints" ["state"] "Endpoints by state: ready, draining (terminating but serving), ejected (set aside after failures)";
    PROBLEMS: GAUGE "adit_problems" ["severity"] "Problems of the objects: error (some traffic is refused) or warning";
    RETRIES: COUNTER "adit_retries_total" ["reason"] "Requests sent once more, by reason";
    REFUSALS: COUNTER "adit_refusals_total" ["reason"] "Requests that adit answered itself or gave up, by reason";
    CONNECTIONS_REFUSED: COUNTER "adit_connections_refused_total" [] "Connections closed at once because the limit on connections was reached";
    REQUESTS_WAITING: GAUGE "adit_requests_waiting" [] "Requests that wait for an endpoint (upstream.waitForEndpoint)";
    ENDPOINT_WAITS: COUNTER "adit_endpoint_waits_total" ["outcome"] "Waits of requests for an endpoint, by how they ended";
    LOG_DROPPED: COUNTER "adit_log_dropped_total" ["log"] "Log lines dropped because their writer could not keep up or failed";
    SPANS_EXPORTED: COUNTER "adit_spans_exported_total" [] "Spans that the collector of traces has taken";
    SPANS_DROPPED: COUNTER "adit_spans_dropped_total" ["reason"] "Spans that the collector of traces never got, or did not take, by reason";
    LEADER: GAUGE "adit_leader" [] "1 while this replica writes the Ingresses' statuses and Events";

    PROCESS_CPU: COUNTER "process_cpu_seconds_total" [] "User and system CPU time spent, seconds";
    PROCESS_OPEN_FDS: GAUGE "process_open_fds" [] "File descriptors that are open";
    PROCESS_MAX_FDS: GAUGE "process_max_fds" [] "File descriptors that may be open";
    PROCESS_RESIDENT: GAUGE "process_resident_memory_bytes" [] "Resident memory, bytes";
    PROCESS_VIRTUAL: GAUGE "process_virtual_memory_bytes" [] "Virtual memory, bytes";
    PROCESS_START: GAUGE "process_start_time_seconds" [] "When the process started, seconds since the epoch";
    PROCESS_THREADS: GAUGE "process_threads" [] "Threads of the process";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_labels_sorted() {
        let mut names: Vec<_> = METRICS.iter().map(|metric| metric.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), METRICS.len());
        for metric in METRICS {
            assert!(metric.labels.is_sorted(), "{}", metric.name);
            assert!(!metric.help.is_empty() && !metric.help.ends_with('.'), "{}", metric.name);
        }
    }
}
