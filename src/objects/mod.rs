//! The contract going in: the Kubernetes objects that a translator may read, whatever brought them here, and of each
//! what is read of it. The API's own types take five times the memory, and have each field optional.
//!
//! A source (a cluster, a directory) turns what it sees into [`Change`]s. [`Objects`] is the state those add up to,
//! and [`Touched`] says what a change concerns, so that only that is translated again.

mod ingress;
mod service;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

pub use ingress::{Backend, BackendPort, Ingress, IngressClass, IngressTls, Path, PathType, Rule};
pub use service::{
    ClusterAddress, EndpointAddress, EndpointSlice, EndpointSubset, Endpoints, Node, Service, ServicePort, ServiceType,
    SliceEndpoint, SlicePort,
};

/// Names one object within its kind. Cluster-wide objects have an empty namespace.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey {
    /// `metadata.namespace`, or empty.
    pub namespace: Arc<str>,
    /// `metadata.name`.
    pub name: Arc<str>,
}

impl ObjectKey {
    /// The key of `name` in `namespace`.
    pub fn new(namespace: impl Into<Arc<str>>, name: impl Into<Arc<str>>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }

    /// Parses `namespace/name`, the form in which flags name objects.
    pub fn parse(text: &str) -> Option<Self> {
        let (namespace, name) = text.split_once('/')?;
        (!namespace.is_empty() && !name.is_empty() && !name.contains('/')).then(|| Self::new(namespace, name))
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() { f.write_str(&self.name) } else { write!(f, "{}/{}", self.namespace, self.name) }
    }
}

impl fmt::Debug for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A Secret that may hold a certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Secret {
    /// `tls.crt`; empty when it is not there.
    pub certificate: Box<[u8]>,
    /// `tls.key`; empty when it is not there.
    pub key: Box<[u8]>,
}

/// An address in the status of a Service or an Ingress.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BalancerAddress {
    /// An IP address.
    Ip(Box<str>),
    /// A host name.
    Hostname(Box<str>),
}

/// Names and values, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StringMap(Box<[(Box<str>, Box<str>)]>);

impl StringMap {
    /// The value of `name`.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(found, _)| **found == *name).map(|(_, value)| &**value)
    }

    /// All, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }
}

impl FromIterator<(String, String)> for StringMap {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(pairs: I) -> Self {
        let mut all: Vec<(Box<str>, Box<str>)> =
            pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        all.sort_unstable();
        Self(all.into())
    }
}

/// All objects of one kind.
pub type Kind<K> = BTreeMap<ObjectKey, Arc<K>>;

/// The slices of one Service with their names, in no order: nearly all Services have one.
pub type NamedSlices = Vec<(Arc<str>, Arc<EndpointSlice>)>;

/// Which optional kinds the source may see. What a role forbids is not the same as what does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// IngressClasses can be listed; else `ingressClassName` is matched by name.
    pub classes: bool,
    /// EndpointSlices can be listed; else core/v1 Endpoints are read.
    pub slices: bool,
    /// Secrets can be listed; else TLS falls back to the default certificate.
    pub secrets: bool,
    /// Nodes can be listed; else `nodeportlb` has no addresses.
    pub nodes: bool,
}

impl Default for Access {
    fn default() -> Self {
        Self { classes: true, slices: true, secrets: true, nodes: true }
    }
}

/// The objects of this moment.
#[derive(Clone, Debug, Default)]
pub struct Objects {
    /// Ingresses, all classes.
    pub ingresses: Kind<Ingress>,
    /// IngressClasses.
    pub classes: Kind<IngressClass>,
    /// Services.
    pub services: Kind<Service>,
    /// EndpointSlices by the Service they belong to.
    pub slices: BTreeMap<ObjectKey, NamedSlices>,
    /// core/v1 Endpoints, read only where EndpointSlices are forbidden. Keyed like their Service.
    pub endpoints: Kind<Endpoints>,
    /// Secrets that may hold certificates.
    pub secrets: Kind<Secret>,
    /// Nodes.
    pub nodes: Kind<Node>,
    /// What the source may see.
    pub access: Access,
    /// Objects found that a later version would serve, counted by kind (`IngressRoute`).
    pub unserved: BTreeMap<&'static str, usize>,
    /// Objects that could not be decoded, by kind and name, and why. Their last good version stays where it is.
    pub undecodable: BTreeMap<(&'static str, ObjectKey), Arc<str>>,
    /// The Service of each slice: it is in the same namespace.
    slice_owner: BTreeMap<ObjectKey, Arc<str>>,
}

/// One object that came (`Some`) or went (`None`).
#[derive(Clone, Debug)]
pub enum Change {
    /// An Ingress.
    Ingress(ObjectKey, Option<Arc<Ingress>>),
    /// An IngressClass.
    Class(ObjectKey, Option<Arc<IngressClass>>),
    /// A Service.
    Service(ObjectKey, Option<Arc<Service>>),
    /// An EndpointSlice, by its own key.
    Slice(ObjectKey, Option<Arc<EndpointSlice>>),
    /// A core/v1 Endpoints.
    Endpoints(ObjectKey, Option<Arc<Endpoints>>),
    /// A Secret.
    Secret(ObjectKey, Option<Arc<Secret>>),
    /// A Node.
    Node(ObjectKey, Option<Arc<Node>>),
    /// What the source may see has changed.
    Access(Access),
    /// The count of objects of this kind that nothing serves.
    Unserved(&'static str, usize),
    /// An object cannot be decoded, or can be again.
    Undecodable(Box<Undecodable>),
}

/// What cannot be decoded. On the heap: of the other changes tens of thousands are held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undecodable {
    /// The object's kind.
    pub kind: &'static str,
    /// Its name.
    pub key: ObjectKey,
    /// Why; `None` when it can be decoded again.
    pub reason: Option<Arc<str>>,
}

/// What a change concerns.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Touched {
    /// This Ingress.
    Ingress(ObjectKey),
    /// Any IngressClass: which Ingresses are ours may have changed.
    Classes,
    /// This Service.
    Service(ObjectKey),
    /// The endpoints of this Service.
    Endpoints(ObjectKey),
    /// This Secret.
    Secret(ObjectKey),
    /// Any Node.
    Nodes,
    /// The report alone.
    Report,
    /// Everything.
    All,
}

impl Change {
    /// That an object cannot be decoded (`Some`: why), or can be again (`None`).
    pub fn undecodable(kind: &'static str, key: ObjectKey, reason: Option<Arc<str>>) -> Self {
        Self::Undecodable(Box::new(Undecodable { kind, key, reason }))
    }
}

impl Objects {
    /// Applies one change and says what it concerns; empty when nothing changed.
    pub fn apply(&mut self, change: Change) -> Vec<Touched> {
        match change {
            Change::Ingress(key, object) => {
                put(&mut self.ingresses, key, object).map(Touched::Ingress).into_iter().collect()
            }
            Change::Class(key, object) => {
                put(&mut self.classes, key, object).map(|_| Touched::Classes).into_iter().collect()
            }
            Change::Service(key, object) => {
                put(&mut self.services, key, object).map(Touched::Service).into_iter().collect()
            }
            Change::Endpoints(key, object) => {
                put(&mut self.endpoints, key, object).map(Touched::Endpoints).into_iter().collect()
            }
            Change::Secret(key, object) => {
                put(&mut self.secrets, key, object).map(Touched::Secret).into_iter().collect()
            }
            Change::Node(key, object) => {
                put(&mut self.nodes, key, object).map(|_| Touched::Nodes).into_iter().collect()
            }
            Change::Slice(key, object) => self.put_slice(key, object),
            Change::Access(access) if access == self.access => Vec::new(),
            Change::Access(access) => {
                self.access = access;
                vec![Touched::All]
            }
            Change::Undecodable(undecodable) => {
                let Undecodable { kind, key, reason } = *undecodable;
                let id = (kind, key);
                let before = match reason.clone() {
                    Some(reason) => self.undecodable.insert(id, reason),
                    None => self.undecodable.remove(&id),
                };
                if before == reason { Vec::new() } else { vec![Touched::Report] }
            }
            Change::Unserved(kind, count) => {
                let before = if count == 0 { self.unserved.remove(kind) } else { self.unserved.insert(kind, count) };
                if before.unwrap_or(0) == count { Vec::new() } else { vec![Touched::All] }
            }
        }
    }

    /// Lays out anew what has come one by one.
    pub fn settle(&mut self) {
        pack(&mut self.ingresses);
        pack(&mut self.services);
        pack(&mut self.slices);
        pack(&mut self.endpoints);
        pack(&mut self.secrets);
        pack(&mut self.slice_owner);
    }

    /// The key of a Service: the Service's own, if it is here. A name that is shared is held once.
    pub fn service_key(&self, key: ObjectKey) -> ObjectKey {
        self.services.get_key_value(&key).map_or(key, |(known, _)| known.clone())
    }

    /// A slice may move to another Service when its label is edited: both are touched.
    fn put_slice(&mut self, key: ObjectKey, object: Option<Arc<EndpointSlice>>) -> Vec<Touched> {
        let namespace = &key.namespace;
        let owner = object.as_ref().and_then(|slice| {
            let owner = ObjectKey { namespace: namespace.clone(), name: slice.service.as_deref()?.into() };
            Some(self.service_key(owner))
        });
        let before = match &owner {
            Some(owner) => self.slice_owner.insert(key.clone(), owner.name.clone()),
            None => self.slice_owner.remove(&key),
        };
        let before = before.map(|name| ObjectKey { namespace: namespace.clone(), name });
        let mut touched = Vec::new();
        if let Some(before) = before.filter(|before| Some(before) != owner.as_ref()) {
            if let Some(slices) = self.slices.get_mut(&before) {
                slices.retain(|(name, _)| *name != key.name);
                if slices.is_empty() {
                    self.slices.remove(&before);
                }
            }
            touched.push(Touched::Endpoints(before));
        }
        if let (Some(owner), Some(slice)) = (owner, object) {
            let slices = self.slices.entry(owner.clone()).or_insert_with(|| Vec::with_capacity(1));
            slices.retain(|(name, _)| *name != key.name);
            slices.push((key.name, slice));
            touched.push(Touched::Endpoints(owner));
        }
        touched
    }
}

/// Builds a tree anew: of one that has grown by one entry after the other, in order, half the room is empty.
pub fn pack<T: Default + IntoIterator + FromIterator<T::Item>>(tree: &mut T) {
    *tree = std::mem::take(tree).into_iter().collect();
}

fn put<K>(kind: &mut Kind<K>, key: ObjectKey, object: Option<Arc<K>>) -> Option<ObjectKey> {
    match object {
        Some(object) => {
            kind.insert(key.clone(), object);
            Some(key)
        }
        None => kind.remove(&key).map(|_| key),
    }
}
