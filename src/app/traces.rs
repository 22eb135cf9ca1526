//! What traces requests, as configured: TLS to the collector, and what this process says of itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Error;
use crate::config::Tracing;
use crate::proxy::{self, ClientTls};
use crate::telemetry::meters::Meters;
use crate::telemetry::traces::{Exporter, Tracer};

/// Reads a variable of the environment, which is there and not empty.
type Variables<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The tracer and its exporter, which the control runtime is to run.
pub(super) fn start(tracing: &Tracing, meters: &Arc<Meters>) -> Result<(Arc<Tracer>, Exporter), Error> {
    let tls = proxy::client_config(&client_tls(tracing), &[]).map_err(Error::Tracing)?;
    let mut settings = tracing.settings.clone();
    let environment = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    settings.resource = resource(settings.resource, &environment);
    Ok(Tracer::new(settings, tls, meters.clone()))
}

fn client_tls(tracing: &Tracing) -> ClientTls {
    let tls = &tracing.tls;
    ClientTls {
        insecure_skip_verify: tls.insecure_skip_verify,
        root_cas: tls.ca.iter().map(ToString::to_string).collect(),
        // Half of a pair is a mistake, which what reads the other half will name.
        identity: (tls.certificate.is_some() || tls.key.is_some()).then(|| {
            let certificate = tls.certificate.as_deref().unwrap_or_default();
            (certificate.to_owned(), tls.key.as_ref().map_or_else(String::new, |key| key.0.clone()))
        }),
        roots_setting: tls.group,
        identity_setting: tls.group,
    }
}

/// Attributes of the process: its pod, then what was configured, then what OpenTelemetry's own variables say, which is
/// Traefik's order.
fn resource(configured: BTreeMap<String, String>, environment: Variables<'_>) -> BTreeMap<String, String> {
    let pod = [("k8s.pod.name", "POD_NAME"), ("k8s.namespace.name", "POD_NAMESPACE"), ("k8s.pod.uid", "POD_UID")];
    let pod = pod.into_iter().filter_map(|(key, variable)| Some((key.to_owned(), environment(variable)?)));
    let given = environment("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default();
    let given = given.split(',').filter_map(|pair| pair.split_once('='));
    let given = given.map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned()));
    let service = environment("OTEL_SERVICE_NAME").map(|name| ("service.name".to_owned(), name));
    pod.chain(configured).chain(given).chain(service).filter(|(key, _)| !key.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opentelemetrys_variables_win_over_flags_and_those_over_the_pod() {
        let environment = |name: &str| {
            let value = match name {
                "POD_NAME" => "adit-0",
                "POD_NAMESPACE" => "edge",
                "OTEL_RESOURCE_ATTRIBUTES" => "team=web, a=environment,junk,=nothing",
                "OTEL_SERVICE_NAME" => "edge-proxy",
                _ => return None,
            };
            Some(value.to_owned())
        };
        let configured = [("a", "flag"), ("b", "flag"), ("k8s.pod.name", "flag")];
        let configured = configured.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        let expected = [
            ("a", "environment"),
            ("b", "flag"),
            ("k8s.namespace.name", "edge"),
            ("k8s.pod.name", "flag"),
            ("service.name", "edge-proxy"),
            ("team", "web"),
        ];
        let found = resource(configured, &environment);
        let found: Vec<_> = found.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        assert_eq!(found, expected);
    }
}
