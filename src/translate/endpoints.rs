//! The endpoints of an upstream: out of EndpointSlices, Endpoints, the Service itself, or nodes.

use std::net::{IpAddr, SocketAddr};

use crate::objects::{ClusterAddress, EndpointAddress, Node, ObjectKey, Objects, Service, SlicePort};
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
    endpoints.shrink_to_fit();
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
            (Some(port), _) => Some(port.port),
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
    if node_port(service) {
        let Some(number) = port.node_port else { return Vec::new() };
        return node_addresses(objects, |node| &node.internal_ips)
            .filter_map(|ip| ip.parse().ok())
            .map(|ip| ready(Address::Socket(SocketAddr::new(ip, number))))
            .collect();
    }
    if native(service, settings) {
        let ClusterAddress::Ip(ip) = service.address else { return Vec::new() };
        return vec![ready(Address::Socket(SocketAddr::new(ip, port.port)))];
    }
    if objects.access.slices { from_slices(objects, key, &port.name) } else { from_endpoints(objects, key, &port.name) }
}

fn from_slices(objects: &Objects, key: &ObjectKey, port: &str) -> Vec<Endpoint> {
    let mut found = Vec::new();
    for (_, slice) in objects.slices.get(key).into_iter().flatten() {
        for number in numbers(&slice.ports, port) {
            found.extend(slice.endpoints.iter().map(|endpoint| Endpoint {
                address: match &endpoint.address {
                    EndpointAddress::Ip(ip) => Address::Socket(SocketAddr::new(*ip, number)),
                    EndpointAddress::Name(name) => Address::Name((**name).into(), number),
                },
                condition: if endpoint.draining { Condition::Draining } else { Condition::Ready },
            }));
        }
    }
    found
}

fn from_endpoints(objects: &Objects, key: &ObjectKey, port: &str) -> Vec<Endpoint> {
    let mut found = Vec::new();
    for subset in objects.endpoints.get(key).into_iter().flat_map(|endpoints| &endpoints.subsets) {
        for number in numbers(&subset.ports, port) {
            found.extend(subset.addresses.iter().map(|ip| Endpoint {
                address: Address::Socket(SocketAddr::new(*ip, number)),
                condition: Condition::Ready,
            }));
        }
    }
    found
}

/// The numbers of the ports of this name.
fn numbers(ports: &[SlicePort], name: &str) -> impl Iterator<Item = u16> {
    ports.iter().filter(move |port| *port.name == *name).map(|port| port.port)
}

/// Addresses of all nodes.
pub(super) fn node_addresses(objects: &Objects, of: fn(&Node) -> &[Box<str>]) -> impl Iterator<Item = &str> {
    objects.nodes.values().flat_map(move |node| of(node)).map(|address| &**address)
}
