//! What is wrong with an object, in words that say what to do; and what is to be written back about it.

use std::fmt;
use std::sync::Arc;

use imbl::OrdSet;
use serde::Serialize;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Some traffic is refused.
    Error,
    /// All traffic is served, but not quite as written.
    Warning,
}

/// The closed set of problems: a metric label, and the anchor of each one's documentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    /// A host that is not a DNS name.
    InvalidHost,
    /// A path that cannot be matched.
    InvalidPath,
    /// An annotation value that cannot be parsed.
    InvalidAnnotation,
    /// An annotation under a known prefix that means nothing here.
    UnknownAnnotation,
    /// A listener that is not configured.
    UnknownEntryPoint,
    /// A middleware, TLS option or transport that this version does not have.
    UnsupportedPolicy,
    /// A backend that is not a Service.
    UnsupportedBackend,
    /// The Service does not exist.
    ServiceNotFound,
    /// The Service has no such port.
    PortNotFound,
    /// An ExternalName Service without leave.
    ExternalNameNotAllowed,
    /// The Secret does not exist.
    SecretNotFound,
    /// The Secret's certificate or key is bad.
    InvalidCertificate,
    /// Another, older object already has this host and path, or this host's certificate.
    Conflict,
    /// The IngressClass does not exist.
    ClassNotFound,
    /// An object that could not be decoded.
    Undecodable,
    /// Objects of a kind that nothing serves.
    Unserved,
    /// A certificate that has expired or does not cover its host.
    CertificateMismatch,
    /// An object with more in it than is read.
    TooLarge,
    /// A host that belongs to an older Ingress of another namespace (`hostOwnership=strict`).
    HostTaken,
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// The object a problem is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct ObjectRef {
    /// `Ingress`, `Service`, `Secret`, …
    pub kind: &'static str,
    /// Its namespace, or empty.
    pub namespace: Arc<str>,
    /// Its name, or empty for a whole kind.
    pub name: Arc<str>,
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.namespace.is_empty(), self.name.is_empty()) {
            (true, true) => f.write_str(self.kind),
            (true, false) => write!(f, "{} {}", self.kind, self.name),
            _ => write!(f, "{} {}/{}", self.kind, self.namespace, self.name),
        }
    }
}

/// The field at fault, as `kubectl explain` would write it: `spec.rules[0].http.paths[1].path`.
pub type Field = String;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Problem {
    /// How bad it is.
    pub severity: Severity,
    /// Which of the known problems.
    pub code: Code,
    /// The object at fault.
    pub object: ObjectRef,
    /// The field at fault.
    pub field: Field,
    /// What is wrong, in one sentence without its full stop.
    pub reason: String,
    /// What to do, in one sentence without its full stop.
    pub action: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(f, "{severity} {} {}", self.code, self.object)?;
        if !self.field.is_empty() {
            write!(f, " {}", self.field)?;
        }
        write!(f, ": {}; {}", self.reason, self.action)
    }
}

/// One address for `status.loadBalancer.ingress`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum StatusAddress {
    /// `ip`.
    Ip(String),
    /// `hostname`.
    Hostname(String),
}

/// An Ingress's namespace and name.
pub type IngressName = (Arc<str>, Arc<str>);

/// What translation found out besides the tables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// All problems, worst first, then by object.
    pub problems: Vec<Problem>,
    /// Those of other objects, each with an Ingress that names the object.
    pub named: Vec<(IngressName, Problem)>,
    /// The Ingresses that are ours.
    pub accepted: OrdSet<IngressName>,
    /// What their status is to say; `None` when no status is to be written.
    pub addresses: Option<Vec<StatusAddress>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_named_by_as_much_as_it_has() {
        let object = |namespace: &str, name: &str| {
            ObjectRef { kind: "Node", namespace: namespace.into(), name: name.into() }.to_string()
        };
        assert_eq!(
            [object("a", "b"), object("", "b"), object("", "")],
            ["Node a/b".to_owned(), "Node b".into(), "Node".into()]
        );
    }
}
