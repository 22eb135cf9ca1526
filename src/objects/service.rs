//! Services, and what stands behind them.

use std::net::IpAddr;

use super::{BalancerAddress, StringMap};

/// A Service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Service {
    /// `metadata.annotations`.
    pub annotations: StringMap,
    /// `spec.type`.
    pub kind: ServiceType,
    /// `spec.clusterIP`.
    pub address: ClusterAddress,
    /// `spec.externalName`.
    pub external_name: Box<str>,
    /// `spec.externalIPs`.
    pub external_ips: Box<[Box<str>]>,
    /// `spec.ports`.
    pub ports: Box<[ServicePort]>,
    /// `status.loadBalancer.ingress`.
    pub balancer: Box<[BalancerAddress]>,
}

/// `spec.type`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ServiceType {
    /// `ClusterIP`, or nothing.
    #[default]
    ClusterIp,
    /// `NodePort`.
    NodePort,
    /// `LoadBalancer`.
    LoadBalancer,
    /// `ExternalName`.
    ExternalName,
}

/// `spec.clusterIP`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClusterAddress {
    /// Not there (yet).
    #[default]
    Unknown,
    /// `None`: the Service has no address of its own.
    Headless,
    /// This one.
    Ip(IpAddr),
}

/// One of a Service's ports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServicePort {
    /// Its name; empty when it has none.
    pub name: Box<str>,
    /// Its number.
    pub port: u16,
    /// The port of every node that leads to it.
    pub node_port: Option<u16>,
    /// `appProtocol`.
    pub protocol: Option<Box<str>>,
}

/// An EndpointSlice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndpointSlice {
    /// The Service it belongs to.
    pub service: Option<Box<str>>,
    /// Its ports.
    pub ports: Box<[SlicePort]>,
    /// The endpoints that serve.
    pub endpoints: Box<[SliceEndpoint]>,
}

/// One of the ports of a slice or subset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlicePort {
    /// The Service port's name; empty when it has none.
    pub name: Box<str>,
    /// The number that the endpoints listen on.
    pub port: u16,
}

/// One address in a slice that serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SliceEndpoint {
    /// Where it is.
    pub address: EndpointAddress,
    /// It is terminating.
    pub draining: bool,
}

/// Where an endpoint is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndpointAddress {
    /// An address.
    Ip(IpAddr),
    /// A name (`addressType: FQDN`).
    Name(Box<str>),
}

/// A core/v1 Endpoints.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Endpoints {
    /// Its subsets.
    pub subsets: Box<[EndpointSubset]>,
}

/// Addresses that share their ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointSubset {
    /// The ports.
    pub ports: Box<[SlicePort]>,
    /// The addresses that are ready.
    pub addresses: Box<[IpAddr]>,
}

/// A Node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    /// Its addresses of type `InternalIP`.
    pub internal_ips: Box<[Box<str>]>,
    /// Its addresses of type `ExternalIP`.
    pub external_ips: Box<[Box<str>]>,
}
