//! The values of Traefik's Helm chart, as the flags that the chart makes of them. Which of them are flags is asked of the
//! table: groups of values that are static configuration bear its names.

use serde_json::{Map, Value};

use crate::config::review::is_flag;

/// What the chart passes when no value says otherwise.
const DEFAULTS: [&str; 11] = [
    "--entryPoints.metrics.address=:9100/tcp",
    "--entryPoints.traefik.address=:8080/tcp",
    "--entryPoints.web.address=:8000/tcp",
    "--entryPoints.websecure.address=:8443/tcp",
    "--entryPoints.websecure.http.tls=true",
    "--api.dashboard=true",
    "--ping=true",
    "--metrics.prometheus=true",
    "--metrics.prometheus.entryPoint=metrics",
    "--providers.kubernetesCRD=true",
    "--providers.kubernetesIngress=true",
];

/// Groups of values, and the flags' prefix that each stands for.
const GROUPS: [(&str, &str); 9] = [
    ("providers", "providers"),
    ("metrics", "metrics"),
    ("tracing", "tracing"),
    ("api", "api"),
    ("experimental", "experimental"),
    ("certificatesResolvers", "certificatesResolvers"),
    ("hostResolver", "hostResolver"),
    ("ocsp", "ocsp"),
    ("core", "core"),
];

/// Whether these are values and no object of a cluster.
pub(super) fn are_values(document: &Value) -> bool {
    let Some(map) = document.as_object() else { return false };
    let roots = ["additionalArguments", "ports", "providers", "deployment", "ingressClass", "logs", "metrics", "image"];
    !map.contains_key("kind") && !map.contains_key("apiVersion") && roots.iter().any(|root| map.contains_key(*root))
}

/// The flags that the chart makes of the values.
pub(super) fn flags(values: &Value) -> Vec<String> {
    let mut flags: Vec<String> = DEFAULTS.iter().map(|&flag| flag.to_owned()).collect();
    let empty = Map::new();
    let group = |name: &str| values.get(name).and_then(Value::as_object).unwrap_or(&empty);
    for (name, port) in group("ports") {
        let Some(port) = port.as_object() else { continue };
        if let Some(number) = port.get("port").and_then(Value::as_u64) {
            let protocol = port.get("protocol").and_then(Value::as_str).unwrap_or("tcp").to_ascii_lowercase();
            flags.push(format!("--entryPoints.{name}.address=:{number}/{protocol}"));
        }
        for (key, value) in port {
            // Older charts have `tls` and `redirections` without the `http` above them.
            for prefix in [format!("entryPoints.{name}"), format!("entryPoints.{name}.http")] {
                flatten(&format!("{prefix}.{key}"), value, &mut flags);
            }
        }
    }
    for (root, prefix) in GROUPS {
        for (key, value) in group(root) {
            flatten(&format!("{prefix}.{key}"), value, &mut flags);
        }
    }
    for (key, prefix) in [("general", "log"), ("access", "accessLog")] {
        if let Some(value) = group("logs").get(key) {
            flatten(prefix, value, &mut flags);
        }
    }
    let additional = values.get("additionalArguments").and_then(Value::as_array).into_iter().flatten();
    flags.extend(additional.filter_map(|argument| argument.as_str().map(str::to_owned)));
    flags
}

/// The flags below a key. What is no flag is the chart's own affair.
fn flatten(key: &str, value: &Value, flags: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            match map.get("enabled") {
                Some(Value::Bool(false)) => {
                    if is_flag(key) {
                        flags.push(format!("--{key}=false"));
                    }
                    return;
                }
                Some(_) if is_flag(key) => flags.push(format!("--{key}=true")),
                _ => {}
            }
            for (name, value) in map.iter().filter(|(name, _)| *name != "enabled") {
                flatten(&format!("{key}.{name}"), value, flags);
            }
        }
        Value::Null => {}
        _ if !is_flag(key) => {}
        Value::Array(values) => {
            let values: Vec<&str> = values.iter().filter_map(Value::as_str).collect();
            if !values.is_empty() {
                flags.push(format!("--{key}={}", values.join(",")));
            }
        }
        Value::String(text) if text.is_empty() => {}
        Value::String(text) => flags.push(format!("--{key}={text}")),
        Value::Bool(_) | Value::Number(_) => flags.push(format!("--{key}={value}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_are_static_configuration_become_flags_and_the_rest_is_left_to_the_chart() {
        let values = serde_json::json!({
            "deployment": {"replicas": 3},
            "ports": {"web": {"port": 8100, "exposedPort": 80, "http": {"redirections": {"entryPoint": {"to": "websecure"}}}},
                      "websecure": {"tls": {"enabled": true}, "forwardedHeaders": {"trustedIPs": ["10.0.0.0/8"]}}},
            "providers": {"kubernetesCRD": {"enabled": false}, "kubernetesIngress": {"ingressClass": "edge", "labelSelector": ""}},
            "logs": {"general": {"level": "WARN"}, "access": {"enabled": true, "format": "json"}},
            "additionalArguments": ["--ping.entryPoint=web"],
        });
        assert!(are_values(&values));
        let flags = flags(&values);
        for expected in [
            "--entryPoints.web.address=:8100/tcp",
            "--entryPoints.web.http.redirections.entryPoint.to=websecure",
            "--entryPoints.websecure.http.tls=true",
            "--entryPoints.websecure.forwardedHeaders.trustedIPs=10.0.0.0/8",
            "--providers.kubernetesCRD=false",
            "--providers.kubernetesIngress.ingressClass=edge",
            "--log.level=WARN",
            "--accessLog=true",
            "--accessLog.format=json",
            "--ping.entryPoint=web",
        ] {
            assert!(flags.iter().any(|flag| flag == expected), "{expected} in {flags:?}");
        }
        assert!(
            !flags.iter().any(|flag| flag.contains("replicas")
                || flag.contains("exposedPort")
                || flag.contains("labelSelector"))
        );
    }

    #[test]
    fn an_object_of_a_cluster_is_no_values() {
        assert!(!are_values(&serde_json::json!({"kind": "Service", "metadata": {}})));
        assert!(!are_values(&serde_json::json!({"colour": "blue"})));
    }
}
