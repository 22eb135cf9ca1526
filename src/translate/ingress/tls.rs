//! `spec.tls`: which hosts are served over TLS, and with which certificates.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::objects::{IngressTls, ObjectKey, Objects};
use crate::route::{Certificate, Code, HostPattern, ObjectRef, Problem, Severity, TlsUse};
use crate::translate::certificate::{Certificates, covers, problem};

/// A certificate that an Ingress claims for a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) host: HostPattern,
    pub(crate) secret: ObjectKey,
    pub(crate) certificate: Option<Arc<Certificate>>,
    pub(crate) field: String,
}

/// What `spec.tls` comes to.
#[derive(Default)]
pub(super) struct Tls {
    hosts: Vec<HostPattern>,
    pub(super) claims: Vec<Claim>,
    pub(super) secrets: BTreeSet<ObjectKey>,
}

/// Reads `spec.tls`. An entry without hosts is for the rules' hosts, and its certificate for the names it has.
pub(super) fn read(
    entries: &[IngressTls],
    rule_hosts: &[HostPattern],
    object: &ObjectRef,
    objects: &Objects,
    certificates: &mut Certificates,
    problems: &mut Vec<Problem>,
) -> Tls {
    let mut tls = Tls::default();
    for (index, entry) in entries.iter().enumerate() {
        let mut hosts = Vec::new();
        for (at, text) in entry.hosts.iter().enumerate() {
            match HostPattern::parse(text) {
                Ok(HostPattern::Any) => {}
                Ok(host) => hosts.push(host),
                Err(error) => problems.push(Problem {
                    severity: Severity::Error,
                    code: Code::InvalidHost,
                    object: object.clone(),
                    field: format!("spec.tls[{index}].hosts[{at}]"),
                    reason: format!("the host {text:?} {error}"),
                    action: "write a DNS name, or *. and a DNS name".into(),
                }),
            }
        }
        let explicit = !hosts.is_empty();
        tls.hosts.extend(if explicit { hosts.clone() } else { rule_hosts.to_vec() });
        if entry.secret.is_empty() {
            continue;
        }
        let secret = ObjectKey { namespace: object.namespace.clone(), name: (*entry.secret).into() };
        tls.secrets.insert(secret.clone());
        let field = format!("spec.tls[{index}].secretName");
        let certificate = match certificates.get(&secret, objects) {
            Ok(certificate) => Some(certificate),
            Err((code, reason)) => {
                problems.push(problem(&secret, code, reason, &format!("{object} names it in {field}")));
                None
            }
        };
        if let Some(certificate) = &certificate
            && !explicit
        {
            hosts.extend(certificate.facts.names.iter().filter_map(|name| HostPattern::parse(name).ok()));
        } else if !explicit {
            hosts.extend(rule_hosts.iter().filter(|host| **host != HostPattern::Any).cloned());
        }
        for host in hosts {
            if let Some(certificate) =
                certificate.as_ref().filter(|certificate| !covers(&certificate.facts.names, &host))
            {
                problems.push(Problem {
                    severity: Severity::Warning,
                    code: Code::CertificateMismatch,
                    object: object.clone(),
                    field: field.clone(),
                    reason: format!(
                        "the certificate in Secret {secret} is for {}, not for {host}",
                        certificate.facts.names.join(", ")
                    ),
                    action: "issue one that names the host; clients will refuse this one".into(),
                });
            }
            tls.claims.push(Claim {
                host,
                secret: secret.clone(),
                certificate: certificate.clone(),
                field: field.clone(),
            });
        }
    }
    tls
}

impl Tls {
    /// Over what a rule for `host` is served.
    pub(super) fn of(&self, host: &HostPattern, only: bool) -> TlsUse {
        if only {
            return TlsUse::Only;
        }
        if self.hosts.iter().any(|covered| covered.covers(host)) {
            return TlsUse::Also;
        }
        let mut within: Vec<HostPattern> = self.hosts.iter().filter(|covered| host.covers(covered)).cloned().collect();
        within.sort_unstable();
        within.dedup();
        if within.is_empty() { TlsUse::Never } else { TlsUse::Hosts(within.into()) }
    }
}
