//! One look at a whole cluster, for those who compare and do not serve: lists, no watches, and nothing written.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use http::Request;
use kube::Client;
use serde_json::Value;

use super::{Connection, Error, connect};

/// What a cluster holds that a migration asks for.
#[derive(Debug, Default)]
pub struct Inventory {
    /// The objects as the API server has them.
    pub objects: Vec<Value>,
    /// What could not be listed, and why.
    pub missing: Vec<String>,
}

/// Objects of one answer.
const PAGE: usize = 500;
/// No answer within this is none.
const ANSWER: Duration = Duration::from_secs(30);
/// Secrets that are asked for at a time.
const AT_ONCE: usize = 8;
/// Groups that other gateways have beside Ingresses; a cluster without them says 404.
const OTHER_GROUPS: [&str; 4] = [
    "/apis/traefik.io/v1alpha1",
    "/apis/traefik.containo.us/v1alpha1",
    "/apis/gateway.networking.k8s.io/v1",
    "/apis/gateway.networking.k8s.io/v1alpha2",
];

/// Lists Ingresses, what they name, the workloads that may be a Traefik, and what of Traefik's own is there. Ingresses
/// must be readable; the rest is told as missing.
pub async fn inventory(connection: &Connection, namespaces: &[String]) -> Result<Inventory, Error> {
    let client = match connection.endpoint {
        Some(_) => connect(connection).await?,
        // A person's own rights: what kubectl would use.
        None => Client::try_default().await.map_err(Error::Client)?,
    };
    let mut look = Look { client, found: Inventory::default() };
    let everywhere = [String::new()];
    let namespaces = if namespaces.is_empty() { &everywhere[..] } else { namespaces };
    for namespace in namespaces {
        let ingresses = look.list("/apis/networking.k8s.io/v1", namespace, "ingresses").await;
        let ingresses = ingresses.map_err(|reason| Error::Inventory { what: "Ingresses", reason })?;
        look.found.objects.extend(ingresses);
    }
    look.add("/apis/networking.k8s.io/v1", "", "ingressclasses").await;
    for namespace in namespaces {
        look.add("/api/v1", namespace, "services").await;
        for plural in ["deployments", "daemonsets"] {
            look.add("/apis/apps/v1", namespace, plural).await;
        }
    }
    look.secrets().await;
    for group in OTHER_GROUPS {
        for plural in look.plurals(group).await {
            look.add(group, "", &plural).await;
        }
    }
    Ok(look.found)
}

struct Look {
    client: Client,
    found: Inventory,
}

impl Look {
    async fn add(&mut self, group: &str, namespace: &str, plural: &str) {
        match self.list(group, namespace, plural).await {
            Ok(objects) => self.found.objects.extend(objects),
            Err(reason) => self.found.missing.push(format!("{plural} cannot be listed: {reason}")),
        }
    }

    /// All objects of a kind, page by page; each says its kind, which lists leave out.
    async fn list(&self, group: &str, namespace: &str, plural: &str) -> Result<Vec<Value>, String> {
        let place = if namespace.is_empty() { String::new() } else { format!("/namespaces/{namespace}") };
        let (mut objects, mut next) = (Vec::new(), String::new());
        loop {
            let from = if next.is_empty() { String::new() } else { format!("&continue={next}") };
            let mut page = get(&self.client, &format!("{group}{place}/{plural}?limit={PAGE}{from}")).await?;
            let text = |value: &Value| value.as_str().map(str::to_owned);
            let kind = page.get("kind").and_then(text).unwrap_or_default();
            let version = page.get("apiVersion").cloned().unwrap_or_default();
            next = page.pointer("/metadata/continue").and_then(text).unwrap_or_default();
            let Some(Value::Array(items)) = page.get_mut("items").map(Value::take) else { return Ok(objects) };
            objects.extend(items.into_iter().map(|mut item| {
                item["kind"] = kind.strip_suffix("List").unwrap_or(&kind).into();
                item["apiVersion"] = version.clone();
                item
            }));
            if next.is_empty() {
                return Ok(objects);
            }
        }
    }

    /// The kinds of a group that can be listed; none when the cluster does not have the group.
    async fn plurals(&self, group: &str) -> Vec<String> {
        let resources = get(&self.client, group).await.ok();
        let resources = resources.as_ref().and_then(|found| found.get("resources")?.as_array());
        let names = resources.into_iter().flatten().filter_map(|resource| resource.get("name")?.as_str());
        names.filter(|name| !name.contains('/')).map(str::to_owned).collect()
    }

    /// The Secrets that Ingresses name, and no others.
    async fn secrets(&mut self) {
        let named: BTreeSet<String> = self.found.objects.iter().flat_map(secrets_of).collect();
        let client = &self.client;
        let asked = stream::iter(named).map(async |path| (get(client, &path).await, path));
        let answers: Vec<_> = asked.buffer_unordered(AT_ONCE).collect().await;
        let mut refused = None;
        for (answer, _) in answers {
            match answer {
                Ok(mut secret) => {
                    secret["kind"] = "Secret".into();
                    self.found.objects.push(secret);
                }
                Err(reason) if reason.contains("not found") => {}
                Err(reason) => refused = Some(reason),
            }
        }
        if let Some(reason) = refused {
            self.found.missing.push(format!("secrets cannot be read: {reason}"));
        }
    }
}

/// The paths of the Secrets that an Ingress names.
fn secrets_of(object: &Value) -> Vec<String> {
    if object.get("kind").and_then(Value::as_str) != Some("Ingress") {
        return Vec::new();
    }
    let namespace = object.pointer("/metadata/namespace").and_then(Value::as_str).unwrap_or("default");
    let entries = object.pointer("/spec/tls").and_then(Value::as_array);
    let names = entries.into_iter().flatten().filter_map(|entry| entry.get("secretName")?.as_str());
    names.map(|name| format!("/api/v1/namespaces/{namespace}/secrets/{name}")).collect()
}

async fn get(client: &Client, path: &str) -> Result<Value, String> {
    let request = Request::get(path).body(Vec::new()).map_err(|error| error.to_string())?;
    match tokio::time::timeout(ANSWER, client.request::<Value>(request)).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(kube::Error::Api(status))) => Err(status.message.clone()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {} s", ANSWER.as_secs())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_secrets_that_an_ingress_names_are_asked_for() {
        let ingress = serde_json::json!({
            "kind": "Ingress", "metadata": {"name": "a", "namespace": "shop"},
            "spec": {"tls": [{"secretName": "one"}, {"hosts": ["a.example"]}, {"secretName": "two"}]},
        });
        let paths = ["/api/v1/namespaces/shop/secrets/one", "/api/v1/namespaces/shop/secrets/two"];
        assert_eq!(secrets_of(&ingress), paths);
        assert!(secrets_of(&serde_json::json!({"kind": "Service"})).is_empty());
    }
}
