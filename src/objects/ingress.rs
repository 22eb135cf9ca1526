//! Ingresses and their classes.

use super::{BalancerAddress, StringMap};

/// An Ingress. What it leaves out is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ingress {
    /// `metadata.creationTimestamp`, in seconds since the epoch.
    pub created: Option<i64>,
    /// `metadata.annotations`.
    pub annotations: StringMap,
    /// `spec.ingressClassName`.
    pub class: Option<Box<str>>,
    /// `spec.rules`.
    pub rules: Box<[Rule]>,
    /// `spec.defaultBackend`.
    pub default_backend: Option<Box<Backend>>,
    /// `spec.tls`.
    pub tls: Box<[IngressTls]>,
    /// `status.loadBalancer.ingress`.
    pub addresses: Box<[BalancerAddress]>,
}

/// One of `spec.rules`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    /// The host as it is written.
    pub host: Box<str>,
    /// `http.paths`.
    pub paths: Box<[Path]>,
}

/// One of a rule's paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    /// The path as it is written.
    pub path: Box<str>,
    /// `pathType`.
    pub kind: PathType,
    /// Where it leads.
    pub backend: Backend,
}

/// `pathType`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathType {
    /// `Exact`.
    Exact,
    /// `Prefix`.
    Prefix,
    /// `ImplementationSpecific`, or nothing.
    ImplementationSpecific,
    /// Anything else.
    Unknown(Box<str>),
}

/// Where a path leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Backend {
    /// A Service in the Ingress's namespace.
    Service {
        /// Its name.
        name: Box<str>,
        /// Its port; `None` when none is named, or one that cannot be.
        port: Option<BackendPort>,
    },
    /// `resource`: an object that is no Service.
    Resource,
    /// Neither.
    Nothing,
}

/// A port of a Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BackendPort {
    /// By number.
    Number(u16),
    /// By name.
    Name(Box<str>),
}

/// One of `spec.tls`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IngressTls {
    /// The hosts as they are written.
    pub hosts: Box<[Box<str>]>,
    /// `secretName`; empty for none.
    pub secret: Box<str>,
}

/// An IngressClass.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IngressClass {
    /// `spec.controller`.
    pub controller: Box<str>,
    /// The annotation `ingressclass.kubernetes.io/is-default-class` is `true`.
    pub is_default: bool,
}
