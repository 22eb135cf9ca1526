//! `api`, `ping` and `metrics`: adit's own pages.

use super::Kind::{Bool, Family, Group, Integer, List, Text};
use super::{Flag, flag};

const OTHER_METRICS: &str = "metrics are served for Prometheus only";

pub(super) const FLAGS: &[Flag] = &[
    flag("api", Group, "false", "Have the API and the dashboard."),
    flag("api.insecure", Bool, "false", "Serve them on the entry point `traefik`, to everyone who reaches it."),
    flag("api.dashboard", Bool, "true", "Have the dashboard."),
    flag("api.basePath", Text, "/", "The path below which they are served."),
    flag("api.dashboardName", Text, "", "A name shown on the dashboard."),
    flag("api.debug", Bool, "false", "Have pages for debugging and profiling.").without_effect("adit has none"),
    flag("api.disableDashboardAd", Bool, "false", "Show no advertisement.").without_effect("there is none"),
    flag("ping", Group, "false", "Answer `/ping`."),
    flag("ping.entryPoint", Text, "traefik", "The entry point of `/ping`."),
    flag("ping.manualRouting", Bool, "false", "Serve `/ping` on no entry point."),
    flag("ping.terminatingStatusCode", Integer, "503", "What `/ping` answers from SIGTERM on."),
    flag("metrics", Group, "false", "Measure.").without_effect("metrics.prometheus is what serves them"),
    flag("metrics.addInternals", Bool, "false", "Count requests to adit's own pages too."),
    flag("metrics.prometheus", Group, "false", "Serve `/metrics` for Prometheus."),
    flag(
        "metrics.prometheus.buckets",
        List,
        "0.1,0.3,1.2,5.0",
        "Upper bounds of the histograms of durations, in seconds.",
    ),
    flag("metrics.prometheus.addEntryPointsLabels", Bool, "true", "Count by entry point."),
    flag("metrics.prometheus.addRoutersLabels", Bool, "false", "Count by router."),
    flag("metrics.prometheus.addServicesLabels", Bool, "true", "Count by service."),
    flag("metrics.prometheus.entryPoint", Text, "traefik", "The entry point of `/metrics`."),
    flag("metrics.prometheus.manualRouting", Bool, "false", "Serve `/metrics` on no entry point."),
    flag("metrics.prometheus.headerLabels._name_", Text, "", "A label with the value of this request header.")
        .not_yet("clients choose the values, and a series for each would grow without bound"),
    flag("metrics.datadog", Family, "", "Send metrics to Datadog.").not_yet(OTHER_METRICS),
    flag("metrics.influxDB2", Family, "", "Send metrics to InfluxDB.").not_yet(OTHER_METRICS),
    flag("metrics.statsD", Family, "", "Send metrics to StatsD.").not_yet(OTHER_METRICS),
    flag("metrics.otlp", Family, "", "Send metrics by OTLP.").not_yet(OTHER_METRICS),
];
