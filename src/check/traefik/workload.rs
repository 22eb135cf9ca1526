//! Finds a Traefik among workloads, and how it is started.

use serde_json::Value;

/// A Traefik that runs, or would.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Workload {
    /// `Deployment kube-system/traefik`.
    pub(super) object: String,
    pub(super) arguments: Vec<String>,
    /// Environment with its values; those that come from elsewhere are not known.
    pub(super) variables: Vec<(String, String)>,
    /// Names of Traefik's variables whose values come from elsewhere.
    elsewhere: Vec<String>,
}

impl Workload {
    /// What the arguments do not say.
    pub(super) fn remarks(&self) -> impl Iterator<Item = String> {
        let typed = self.variables.iter().map(|(name, _)| name).find(|name| is_setting(name));
        let ignored = typed.filter(|_| !self.arguments.is_empty()).map(|name| {
            format!(
                "{} has arguments and {name}: Traefik reads the arguments only, adit both; remove the variable if it \
                 is not meant",
                self.object
            )
        });
        let unknown =
            self.elsewhere.iter().map(|name| format!("the value of {name} comes from elsewhere: not looked at"));
        ignored.into_iter().chain(unknown.collect::<Vec<_>>())
    }
}

/// The Traefik of a workload: the container whose image or name says so.
pub(super) fn find(object: &Value) -> Option<Workload> {
    let text = |path: &str| object.pointer(path).and_then(Value::as_str).unwrap_or_default();
    let kind = text("/kind");
    let containers = match kind {
        "Deployment" | "DaemonSet" | "StatefulSet" => object.pointer("/spec/template/spec/containers"),
        "Pod" => object.pointer("/spec/containers"),
        _ => None,
    };
    let containers = containers?.as_array()?;
    let container = containers.iter().find(|container| is_traefik(container))?;
    let words = |name: &str| {
        let all = container.get(name).and_then(Value::as_array).into_iter().flatten();
        all.filter_map(|word| word.as_str().map(str::to_owned)).collect::<Vec<_>>()
    };
    let (mut variables, mut elsewhere) = (Vec::new(), Vec::new());
    for variable in container.get("env").and_then(Value::as_array).into_iter().flatten() {
        let Some(name) = variable.get("name").and_then(Value::as_str) else { continue };
        match variable.get("value").and_then(Value::as_str) {
            Some(value) => variables.push((name.to_owned(), value.to_owned())),
            None if is_setting(name) => elsewhere.push(name.to_owned()),
            None => {}
        }
    }
    let namespace = text("/metadata/namespace");
    let namespace = if namespace.is_empty() { "default" } else { namespace };
    Some(Workload {
        object: format!("{kind} {namespace}/{}", text("/metadata/name")),
        // The program itself comes first.
        arguments: words("command").into_iter().skip(1).chain(words("args")).collect(),
        variables,
        elsewhere,
    })
}

fn is_traefik(container: &Value) -> bool {
    let text = |name: &str| container.get(name).and_then(Value::as_str).unwrap_or_default();
    let image = text("image");
    let last = image.rsplit('/').next().unwrap_or(image);
    text("name") == "traefik" || last.split([':', '@']).next().is_some_and(|name| name.contains("traefik"))
}

/// The path of a configuration file that an argument names.
pub(super) fn configuration_file(argument: &str) -> Option<&str> {
    let (name, path) = argument.trim_start_matches('-').split_once('=')?;
    name.eq_ignore_ascii_case("configFile").then_some(path)
}

fn is_setting(name: &str) -> bool {
    name.to_ascii_uppercase().starts_with("TRAEFIK_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_container_is_known_by_its_image_and_started_by_command_arguments_and_environment() {
        let object = serde_json::json!({
            "kind": "Deployment", "metadata": {"name": "edge", "namespace": "infra"},
            "spec": {"template": {"spec": {"containers": [
                {"name": "sidecar", "image": "busybox", "args": ["--not-this"]},
                {"name": "proxy", "image": "registry.example:5000/library/traefik:v3.7@sha256:0",
                 "command": ["/traefik", "--ping"], "args": ["--api"],
                 "env": [{"name": "TRAEFIK_LOG_LEVEL", "value": "WARN"},
                         {"name": "TRAEFIK_PILOT_TOKEN", "valueFrom": {}}, {"name": "POD_NAME", "valueFrom": {}}]},
            ]}}},
        });
        let workload = find(&object).expect("a Traefik");
        assert_eq!(workload.object, "Deployment infra/edge");
        assert_eq!(workload.arguments, ["--ping", "--api"]);
        assert_eq!(workload.variables, [("TRAEFIK_LOG_LEVEL".to_owned(), "WARN".to_owned())]);
        let remarks: Vec<_> = workload.remarks().collect();
        assert_eq!(remarks.len(), 2, "{remarks:?}");
        assert!(remarks[0].contains("TRAEFIK_LOG_LEVEL") && remarks[1].contains("TRAEFIK_PILOT_TOKEN"), "{remarks:?}");
    }

    #[test]
    fn other_workloads_are_none_of_ours() {
        let object = serde_json::json!({
            "kind": "Deployment", "metadata": {"name": "traefik-whoami"},
            "spec": {"template": {"spec": {"containers": [{"name": "whoami", "image": "whoami:1"}]}}},
        });
        assert_eq!(find(&object), None);
        assert_eq!(find(&serde_json::json!({"kind": "Pod"})), None);
    }
}
