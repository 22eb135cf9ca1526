//! `spec.tls`: which hosts are served over TLS, and with which certificates.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::objects::{IngressTls, ObjectKey, Objects};
use crate::route::{Certificate, Code, HostPattern, ObjectRef, Problem, Severity, TlsUse};
use crate::translate::certificate::{Certificates, problem};

/// The most hosts for which an Ingress may name certificates.
const MOST_CLAIMS: usize = 4096;

/// How many of a certificate's names are repeated to say what it is for.
const SHOWN_NAMES: usize = 8;

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
    hosts: BTreeSet<HostPattern>,
    /// The single hosts among them, by the part that a wildcard for them has. What rules share is shared.
    below: BTreeMap<Arc<str>, Arc<[HostPattern]>>,
    all: Arc<[HostPattern]>,
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
    let mut implied = false;
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
        if explicit {
            tls.hosts.extend(hosts.iter().cloned());
        } else if !implied {
            tls.hosts.extend(rule_hosts.iter().cloned());
            implied = true;
        }
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
        let room = MOST_CLAIMS.saturating_sub(tls.claims.len());
        if hosts.len() > room {
            problems.push(Problem {
                severity: Severity::Error,
                code: Code::TooLarge,
                object: object.clone(),
                field: field.clone(),
                reason: format!("the Ingress names certificates for more than {MOST_CLAIMS} hosts"),
                action: "split it; certificates of further hosts are not served for it".into(),
            });
        }
        let names = certificate.as_ref().map_or(&[][..], |certificate| &certificate.facts.names);
        // RFC 6125 §6.4.3: one label for `*`.
        let patterns: Vec<HostPattern> = names.iter().filter_map(|name| HostPattern::parse(name).ok()).collect();
        let shown = names.iter().take(SHOWN_NAMES).map(|name| &**name).collect::<Vec<_>>().join(", ");
        for host in hosts.into_iter().take(room) {
            if certificate.is_some() && !patterns.iter().any(|name| name.covers(&host)) {
                problems.push(Problem {
                    severity: Severity::Warning,
                    code: Code::CertificateMismatch,
                    object: object.clone(),
                    field: field.clone(),
                    reason: format!("the certificate in Secret {secret} is for {shown}, not for {host}",),
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
        if room == 0 {
            break;
        }
    }
    tls.finish();
    tls
}

impl Tls {
    fn finish(&mut self) {
        let mut below: BTreeMap<Arc<str>, Vec<HostPattern>> = BTreeMap::new();
        for host in &self.hosts {
            if let HostPattern::Exact(name) = host
                && let Some((_, parent)) = name.split_once('.')
            {
                below.entry(parent.into()).or_default().push(host.clone());
            }
        }
        self.below = below.into_iter().map(|(parent, hosts)| (parent, hosts.into())).collect();
        self.all = self.hosts.iter().cloned().collect();
    }

    /// Over what a rule for `host` is served.
    pub(super) fn of(&self, host: &HostPattern, only: bool) -> TlsUse {
        if only {
            return TlsUse::Only;
        }
        let parent = match host {
            HostPattern::Exact(name) => name.split_once('.').map(|(_, parent)| HostPattern::Wildcard(parent.into())),
            _ => None,
        };
        let also = [Some(host), parent.as_ref(), Some(&HostPattern::Any)];
        if also.into_iter().flatten().any(|covering| self.hosts.contains(covering)) {
            return TlsUse::Also;
        }
        let within = match host {
            HostPattern::Exact(_) => None,
            HostPattern::Wildcard(suffix) => self.below.get(suffix),
            HostPattern::Any => (!self.all.is_empty()).then_some(&self.all),
        };
        within.map_or(TlsUse::Never, |hosts| TlsUse::Hosts(hosts.clone()))
    }
}
