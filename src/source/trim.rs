//! Drops what translation does not read, before an object is stored: most of an object's bytes, and most of its changes,
//! are of no concern here.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{NodeSpec, NodeStatus, ServiceStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::objects::{EndpointSlice, Endpoints, Ingress, IngressClass, Node, SERVICE_LABEL, Secret, Service};

/// kubectl's copy of the whole object.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Keeps annotations, age, specification and addresses.
pub(crate) fn ingress(ingress: &mut Ingress) {
    metadata(&mut ingress.metadata);
}

/// Keeps annotations and the controller.
pub(crate) fn class(class: &mut IngressClass) {
    metadata(&mut class.metadata);
}

/// Keeps annotations, ports, type and addresses.
pub(crate) fn service(service: &mut Service) {
    metadata(&mut service.metadata);
    if let Some(spec) = &mut service.spec {
        spec.selector = None;
        spec.session_affinity = None;
        spec.session_affinity_config = None;
    }
    if let Some(status) = service.status.take() {
        service.status = Some(ServiceStatus { load_balancer: status.load_balancer, conditions: None });
    }
}

/// Keeps the Service it belongs to, addresses, their conditions, and ports.
pub(crate) fn slice(slice: &mut EndpointSlice) {
    let service = slice.metadata.labels.as_mut().and_then(|labels| labels.remove(SERVICE_LABEL));
    metadata(&mut slice.metadata);
    slice.metadata.annotations = None;
    slice.metadata.labels = service.map(|service| BTreeMap::from([(SERVICE_LABEL.to_owned(), service)]));
    for endpoint in &mut slice.endpoints {
        endpoint.deprecated_topology = None;
        endpoint.hints = None;
        endpoint.hostname = None;
        endpoint.node_name = None;
        endpoint.target_ref = None;
        endpoint.zone = None;
    }
}

/// Keeps addresses and ports.
pub(crate) fn endpoints(endpoints: &mut Endpoints) {
    metadata(&mut endpoints.metadata);
    endpoints.metadata.annotations = None;
    for subset in endpoints.subsets.iter_mut().flatten() {
        for address in subset.addresses.iter_mut().chain(&mut subset.not_ready_addresses).flatten() {
            address.hostname = None;
            address.node_name = None;
            address.target_ref = None;
        }
    }
}

/// Keeps the certificate and its key, and nobody's password.
pub(crate) fn secret(secret: &mut Secret) {
    metadata(&mut secret.metadata);
    secret.metadata.annotations = None;
    secret.string_data = None;
    if let Some(data) = &mut secret.data {
        data.retain(|name, _| name == "tls.crt" || name == "tls.key");
    }
}

/// Keeps the addresses: a node reports about itself every few seconds.
pub(crate) fn node(node: &mut Node) {
    metadata(&mut node.metadata);
    node.metadata.annotations = None;
    node.spec = None::<NodeSpec>;
    if let Some(status) = node.status.take() {
        node.status = Some(NodeStatus { addresses: status.addresses, ..NodeStatus::default() });
    }
}

/// Keeps name, age and annotations. Not the resource version: two objects that differ in it alone are the same to us.
fn metadata(metadata: &mut ObjectMeta) {
    let annotations = metadata.annotations.take().map(|mut annotations| {
        annotations.remove(LAST_APPLIED);
        annotations
    });
    *metadata = ObjectMeta {
        name: metadata.name.take(),
        namespace: metadata.namespace.take(),
        creation_timestamp: metadata.creation_timestamp.take(),
        annotations: annotations.filter(|annotations| !annotations.is_empty()),
        ..ObjectMeta::default()
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::ByteString;
    use serde_json::json;

    #[test]
    fn an_object_that_differs_only_in_what_is_not_read_is_the_same_after_trimming() {
        let object = |version: &str, heartbeat: &str| {
            let mut node: Node = serde_json::from_value(json!({
                "metadata": {"name": "a", "resourceVersion": version, "managedFields": [{"manager": "kubelet"}]},
                "spec": {"podCIDR": "10.0.0.0/24"},
                "status": {
                    "addresses": [{"type": "ExternalIP", "address": "192.0.2.1"}],
                    "conditions": [{"type": "Ready", "status": "True", "lastHeartbeatTime": heartbeat}],
                },
            }))
            .expect("the object is well-formed");
            super::node(&mut node);
            node
        };
        assert_eq!(object("1", "2026-01-01T00:00:00Z"), object("2", "2026-01-01T00:00:10Z"));
    }

    #[test]
    fn a_secret_keeps_its_certificate_and_nothing_else() {
        let bytes = |text: &str| ByteString(text.as_bytes().to_vec());
        let entries = [("tls.crt", "c"), ("tls.key", "k"), ("password", "p")];
        let data = entries.map(|(name, value)| (name.to_owned(), bytes(value)));
        let mut secret = Secret { data: Some(BTreeMap::from(data)), ..Secret::default() };
        super::secret(&mut secret);
        let names: Vec<_> = secret.data.iter().flatten().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["tls.crt", "tls.key"]);
    }

    #[test]
    fn a_slice_still_belongs_to_its_service() {
        let mut slice: EndpointSlice = serde_json::from_value(json!({
            "metadata": {"name": "a-x", "labels": {SERVICE_LABEL: "a", "other": "b"}},
            "addressType": "IPv4",
            "endpoints": [{"addresses": ["10.0.0.1"], "nodeName": "n", "targetRef": {"kind": "Pod"}}],
        }))
        .expect("the object is well-formed");
        super::slice(&mut slice);
        let labels = slice.metadata.labels.expect("the label is kept");
        assert_eq!(labels, BTreeMap::from([(SERVICE_LABEL.to_owned(), "a".to_owned())]));
        assert_eq!(slice.endpoints.first().map(|endpoint| &endpoint.target_ref), Some(&None));
    }
}
