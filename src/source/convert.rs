//! The API's objects, reduced to what translation reads: most of an object's bytes, and most of its changes, are of no
//! concern here. What cannot be meant is left out, so that a missing and an impossible value are the same.

use std::collections::BTreeMap;
use std::net::IpAddr;

use k8s_openapi::api::core::v1 as core;
use k8s_openapi::api::discovery::v1 as discovery;
use k8s_openapi::api::networking::v1 as networking;

use crate::objects::{
    Backend, BackendPort, BalancerAddress, ClusterAddress, EndpointAddress, EndpointSlice, EndpointSubset, Endpoints,
    Ingress, IngressClass, IngressTls, Node, Path, PathType, Rule, Secret, Service, ServicePort, ServiceType,
    SliceEndpoint, SlicePort, StringMap,
};

/// The label by which an EndpointSlice names its Service.
const SERVICE_LABEL: &str = "kubernetes.io/service-name";
/// kubectl's copy of the whole object.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
const IS_DEFAULT_CLASS: &str = "ingressclass.kubernetes.io/is-default-class";

/// An object of the API, to what is read of it.
pub(crate) trait Convert {
    /// What is read of it.
    type Object;
    fn convert(self) -> Self::Object;
}

impl Convert for networking::Ingress {
    type Object = Ingress;

    fn convert(self) -> Ingress {
        let spec = self.spec.unwrap_or_default();
        let balancer = self.status.and_then(|status| status.load_balancer).and_then(|balancer| balancer.ingress);
        let addresses = balancer.into_iter().flatten().flat_map(|point| addresses(point.ip, point.hostname));
        Ingress {
            created: self.metadata.creation_timestamp.map(|time| time.0.as_second()),
            annotations: annotations(self.metadata.annotations),
            class: spec.ingress_class_name.map(Into::into),
            rules: spec.rules.into_iter().flatten().map(rule).collect(),
            default_backend: spec.default_backend.map(backend).map(Box::new),
            tls: spec.tls.into_iter().flatten().map(tls).collect(),
            addresses: addresses.collect(),
        }
    }
}

fn rule(rule: networking::IngressRule) -> Rule {
    let paths = rule.http.into_iter().flat_map(|http| http.paths).map(|path| Path {
        path: path.path.unwrap_or_default().into(),
        kind: match path.path_type.as_str() {
            "Exact" => PathType::Exact,
            "Prefix" => PathType::Prefix,
            "ImplementationSpecific" | "" => PathType::ImplementationSpecific,
            other => PathType::Unknown(other.into()),
        },
        backend: backend(path.backend),
    });
    Rule { host: rule.host.unwrap_or_default().into(), paths: paths.collect() }
}

fn backend(backend: networking::IngressBackend) -> Backend {
    let Some(service) = backend.service else {
        return if backend.resource.is_some() { Backend::Resource } else { Backend::Nothing };
    };
    let port = service.port.and_then(|port| match (port.number, port.name) {
        (Some(number), _) => u16::try_from(number).ok().map(BackendPort::Number),
        (None, Some(name)) if !name.is_empty() => Some(BackendPort::Name(name.into())),
        _ => None,
    });
    Backend::Service { name: service.name.into(), port }
}

fn tls(tls: networking::IngressTLS) -> IngressTls {
    IngressTls {
        hosts: tls.hosts.into_iter().flatten().map(Into::into).collect(),
        secret: tls.secret_name.unwrap_or_default().into(),
    }
}

impl Convert for networking::IngressClass {
    type Object = IngressClass;

    fn convert(self) -> IngressClass {
        let default = self.metadata.annotations.as_ref().and_then(|annotations| annotations.get(IS_DEFAULT_CLASS));
        IngressClass {
            is_default: default.is_some_and(|default| default == "true"),
            controller: self.spec.and_then(|spec| spec.controller).unwrap_or_default().into(),
        }
    }
}

impl Convert for core::Service {
    type Object = Service;

    fn convert(self) -> Service {
        let spec = self.spec.unwrap_or_default();
        let balancer = self.status.and_then(|status| status.load_balancer).and_then(|balancer| balancer.ingress);
        let balancer = balancer.into_iter().flatten().flat_map(|point| addresses(point.ip, point.hostname));
        Service {
            annotations: annotations(self.metadata.annotations),
            kind: match spec.type_.as_deref() {
                Some("NodePort") => ServiceType::NodePort,
                Some("LoadBalancer") => ServiceType::LoadBalancer,
                Some("ExternalName") => ServiceType::ExternalName,
                _ => ServiceType::ClusterIp,
            },
            address: match spec.cluster_ip.as_deref() {
                Some("None") => ClusterAddress::Headless,
                other => other.and_then(|ip| ip.parse().ok()).map_or(ClusterAddress::Unknown, ClusterAddress::Ip),
            },
            external_name: spec.external_name.unwrap_or_default().into(),
            external_ips: spec.external_ips.into_iter().flatten().map(Into::into).collect(),
            ports: spec.ports.into_iter().flatten().filter_map(service_port).collect(),
            balancer: balancer.collect(),
        }
    }
}

fn service_port(port: core::ServicePort) -> Option<ServicePort> {
    Some(ServicePort {
        name: port.name.unwrap_or_default().into(),
        port: u16::try_from(port.port).ok()?,
        node_port: port.node_port.and_then(|port| u16::try_from(port).ok()),
        protocol: port.app_protocol.map(Into::into),
    })
}

impl Convert for discovery::EndpointSlice {
    type Object = EndpointSlice;

    fn convert(self) -> EndpointSlice {
        let named = self.address_type == "FQDN";
        let endpoints = self.endpoints.into_iter().flat_map(|endpoint| {
            let conditions = endpoint.conditions.unwrap_or_default();
            // `serving` is younger than `ready`; unknown means true (EndpointConditions).
            let serves = conditions.serving.or(conditions.ready).unwrap_or(true);
            let draining = conditions.terminating.unwrap_or(false);
            let addresses = endpoint.addresses.into_iter().filter(move |_| serves);
            addresses.filter_map(move |text| {
                let address = match text.parse() {
                    Ok(ip) => EndpointAddress::Ip(ip),
                    Err(_) if named => EndpointAddress::Name(text.into()),
                    Err(_) => return None,
                };
                Some(SliceEndpoint { address, draining })
            })
        });
        let service = self.metadata.labels.and_then(|mut labels| labels.remove(SERVICE_LABEL));
        let ports = self.ports.into_iter().flatten().filter_map(|port| slice_port(port.name, port.port?));
        EndpointSlice { service: service.map(Into::into), ports: ports.collect(), endpoints: endpoints.collect() }
    }
}

impl Convert for core::Endpoints {
    type Object = Endpoints;

    fn convert(self) -> Endpoints {
        let subsets = self.subsets.into_iter().flatten().map(|subset| EndpointSubset {
            ports: subset.ports.into_iter().flatten().filter_map(|port| slice_port(port.name, port.port)).collect(),
            addresses: ips(subset.addresses.into_iter().flatten().map(|address| address.ip)),
        });
        Endpoints { subsets: subsets.collect() }
    }
}

fn slice_port(name: Option<String>, port: i32) -> Option<SlicePort> {
    let port = u16::try_from(port).ok().filter(|port| *port > 0)?;
    Some(SlicePort { name: name.unwrap_or_default().into(), port })
}

fn ips(texts: impl Iterator<Item = String>) -> Box<[IpAddr]> {
    texts.filter_map(|text| text.parse().ok()).collect()
}

impl Convert for core::Secret {
    type Object = Secret;

    /// The certificate and its key, and nobody's password.
    fn convert(self) -> Secret {
        let mut data = self.data.unwrap_or_default();
        for (name, text) in self.string_data.unwrap_or_default() {
            data.insert(name, k8s_openapi::ByteString(text.into_bytes()));
        }
        let mut take = |name: &str| data.remove(name).map(|bytes| bytes.0.into()).unwrap_or_default();
        Secret { certificate: take("tls.crt"), key: take("tls.key") }
    }
}

impl Convert for core::Node {
    type Object = Node;

    /// The addresses: a node reports about itself every few seconds.
    fn convert(self) -> Node {
        let addresses = self.status.and_then(|status| status.addresses).unwrap_or_default();
        let of = |kind: &str| {
            let addresses = addresses.iter().filter(|address| address.type_ == kind);
            addresses.map(|address| address.address.as_str().into()).collect()
        };
        Node { internal_ips: of("InternalIP"), external_ips: of("ExternalIP") }
    }
}

fn annotations(annotations: Option<BTreeMap<String, String>>) -> StringMap {
    annotations.into_iter().flatten().filter(|(name, _)| name != LAST_APPLIED).collect()
}

fn addresses(ip: Option<String>, hostname: Option<String>) -> impl Iterator<Item = BalancerAddress> {
    let some = |text: &String| !text.is_empty();
    let ip = ip.filter(some).map(|ip| BalancerAddress::Ip(ip.into()));
    let hostname = hostname.filter(some).map(|name| BalancerAddress::Hostname(name.into()));
    ip.into_iter().chain(hostname)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read<K: Convert + serde::de::DeserializeOwned>(value: serde_json::Value) -> K::Object {
        serde_json::from_value::<K>(value).expect("the object is well-formed").convert()
    }

    #[test]
    fn objects_that_differ_only_in_what_is_not_read_are_the_same() {
        let node = |version: &str, heartbeat: &str| {
            read::<core::Node>(json!({
                "metadata": {"name": "a", "resourceVersion": version, "managedFields": [{"manager": "kubelet"}]},
                "spec": {"podCIDR": "10.0.0.0/24"},
                "status": {
                    "addresses": [{"type": "ExternalIP", "address": "192.0.2.1"}],
                    "conditions": [{"type": "Ready", "status": "True", "lastHeartbeatTime": heartbeat}],
                },
            }))
        };
        assert_eq!(node("1", "2026-01-01T00:00:00Z"), node("2", "2026-01-01T00:00:10Z"));
        let ingress = |applied: &str| {
            read::<networking::Ingress>(json!({
                "metadata": {"name": "a", "annotations": {LAST_APPLIED: applied, "b": "2", "a": "1"}},
            }))
        };
        assert_eq!(ingress("x"), ingress("y"));
        assert_eq!(ingress("x").annotations.iter().collect::<Vec<_>>(), [("a", "1"), ("b", "2")]);
    }

    #[test]
    fn a_secret_keeps_its_certificate_and_nothing_else() {
        let secret = read::<core::Secret>(json!({
            "data": {"tls.crt": "Yw==", "password": "cA=="}, "stringData": {"tls.key": "k"},
        }));
        assert_eq!(secret, Secret { certificate: (*b"c").into(), key: (*b"k").into() });
    }

    #[test]
    fn a_slice_keeps_its_service_and_the_endpoints_that_serve() {
        let endpoint =
            |address: &str, conditions: serde_json::Value| json!({"addresses": [address], "conditions": conditions});
        let slice = read::<discovery::EndpointSlice>(json!({
            "metadata": {"name": "a-x", "labels": {SERVICE_LABEL: "a", "other": "b"}},
            "addressType": "IPv4",
            "ports": [{"name": "web", "port": 8080}, {"port": 0}, {"port": 70000}],
            "endpoints": [
                endpoint("10.0.0.1", json!({})),
                endpoint("10.0.0.2", json!({"ready": false})),
                endpoint("10.0.0.3", json!({"ready": false, "serving": true, "terminating": true})),
                endpoint("not an address", json!({})),
            ],
        }));
        let ip = |last: u8| EndpointAddress::Ip(IpAddr::from([10, 0, 0, last]));
        assert_eq!(slice.service.as_deref(), Some("a"));
        assert_eq!(*slice.ports, [SlicePort { name: "web".into(), port: 8080 }]);
        assert_eq!(
            *slice.endpoints,
            [SliceEndpoint { address: ip(1), draining: false }, SliceEndpoint { address: ip(3), draining: true }]
        );
    }
}
