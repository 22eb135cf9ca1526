//! The endpoints of an upstream: out of EndpointSlices, Endpoints, the Service itself, or nodes.

use std::net::{IpAddr, SocketAddr};

use crate::objects::{ObjectKey, Objects, Service};
use crate::route::{Address, Condition, Endpoint, EndpointSet, PortRef, UpstreamId};

use super::Settings;
use super::resolve::{external_name, native, node_port, service_port};

/// The endpoints of this moment, sorted and without duplicates; none when the Service or its port is gone.
pub(super) fn endpoints(objects: &Objects, settings: &Settings, id: &UpstreamId) -> EndpointSet {
    let key = ObjectKey { namespace: id.namespace.clone(), name: id.service.clone() };
    let Some(service) = objects.services.get(&key) else { return EndpointSet::default() };
    let mut endpoints = collect(objects, settings, id, &key, service);
    endpoints.sort_unstable();
    // Ready comes before draining: an address that is both is ready.
    endpoints.dedup_by(|later, earlier| later.address == earlier.address);
    EndpointSet { endpoints }
}

fn collect(
    objects: &Objects,
    settings: &Settings,
    id: &UpstreamId,
    key: &ObjectKey,
    service: &Service,
) -> Vec<Endpoint> {
    let ready = |address| Endpoint { address, condition: Condition::Ready };
    let port = service_port(service, &id.port);
    if let Some(name) = external_name(service) {
        let number = match (port, &id.port) {
            (Some(port), _) => u16::try_from(port.port).ok(),
            (None, PortRef::Number(number)) => Some(*number),
            (None, PortRef::Name(_)) => None,
        };
        let Some(number) = number.filter(|_| !name.is_empty() && settings.allow_external_names) else {
            return Vec::new();
        };
        return vec![ready(match name.parse::<IpAddr>() {
            Ok(ip) => Address::Socket(SocketAddr::new(ip, number)),
            Err(_) => Address::Name(name.into(), number),
        })];
    }
    let Some(port) = port else { return Vec::new() };
    let Some(spec) = &service.spec else { return Vec::new() };
    if node_port(service) {
        let Some(number) = port.node_port.and_then(|port| u16::try_from(port).ok()) else { return Vec::new() };
        return node_addresses(objects, "InternalIP")
            .filter_map(|ip| ip.parse().ok())
            .map(|ip| ready(Address::Socket(SocketAddr::new(ip, number))))
            .collect();
    }
    if native(service, settings) {
        let ip = spec.cluster_ip.as_deref().and_then(|ip| ip.parse::<IpAddr>().ok());
        return ip
            .zip(u16::try_from(port.port).ok())
            .map(|(ip, port)| ready(Address::Socket(SocketAddr::new(ip, port))))
            .into_iter()
            .collect();
    }
    let name = port.name.as_deref().unwrap_or_default();
    if objects.access.slices { from_slices(objects, key, name) } else { from_endpoints(objects, key, name) }
}

fn from_slices(objects: &Objects, key: &ObjectKey, port: &str) -> Vec<Endpoint> {
    let mut found = Vec::new();
    for slice in objects.slices.get(key).into_iter().flat_map(|slices| slices.values()) {
        let ports =
            slice.ports.iter().flatten().filter(|candidate| candidate.name.as_deref().unwrap_or_default() == port);
        for number in ports.filter_map(|port| u16::try_from(port.port?).ok()).filter(|port| *port > 0) {
            for endpoint in &slice.endpoints {
                let conditions = endpoint.conditions.as_ref();
                let condition = |of: fn(&k8s_openapi::api::discovery::v1::EndpointConditions) -> Option<bool>| {
                    conditions.and_then(of)
                };
                let terminating = condition(|conditions| conditions.terminating).unwrap_or(false);
                // `serving` is younger than `ready`; unknown means true (EndpointConditions).
                let serving = condition(|conditions| conditions.serving)
                    .or_else(|| condition(|conditions| conditions.ready))
                    .unwrap_or(true);
                if !serving {
                    continue;
                }
                let condition = if terminating { Condition::Draining } else { Condition::Ready };
                for address in &endpoint.addresses {
                    let address = match address.parse::<IpAddr>() {
                        Ok(ip) => Address::Socket(SocketAddr::new(ip, number)),
                        Err(_) if slice.address_type == "FQDN" => Address::Name(address.as_str().into(), number),
                        Err(_) => continue,
                    };
                    found.push(Endpoint { address, condition });
                }
            }
        }
    }
    found
}

fn from_endpoints(objects: &Objects, key: &ObjectKey, port: &str) -> Vec<Endpoint> {
    let mut found = Vec::new();
    for subset in objects.endpoints.get(key).iter().flat_map(|endpoints| endpoints.subsets.iter().flatten()) {
        let ports =
            subset.ports.iter().flatten().filter(|candidate| candidate.name.as_deref().unwrap_or_default() == port);
        for number in ports.filter_map(|port| u16::try_from(port.port).ok()).filter(|port| *port > 0) {
            let addresses = subset.addresses.iter().flatten().filter_map(|address| address.ip.parse::<IpAddr>().ok());
            found.extend(addresses.map(|ip| Endpoint {
                address: Address::Socket(SocketAddr::new(ip, number)),
                condition: Condition::Ready,
            }));
        }
    }
    found
}

/// The addresses of one type of all nodes.
pub(super) fn node_addresses<'a>(objects: &'a Objects, kind: &'a str) -> impl Iterator<Item = &'a str> {
    let addresses = objects.nodes.values().filter_map(|node| node.status.as_ref()?.addresses.as_ref()).flatten();
    addresses.filter(move |address| address.type_ == kind).map(|address| address.address.as_str())
}
