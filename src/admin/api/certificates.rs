//! `/api/certificates`: the certificates that are served. Facts only; no key is ever near this.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::Scene;
use super::list::{Key, Row, any_contains};
use crate::route::{CertificateFacts, HostPattern};

/// Traefik warns this long before the end.
const WARN_SECONDS: i64 = 30 * 24 * 3600;

/// One certificate.
pub(super) struct CertificateRow {
    facts: CertificateFacts,
    /// The hosts that it is served for.
    hosts: BTreeSet<HostPattern>,
    /// The Secrets that it comes from.
    secrets: BTreeSet<Arc<str>>,
    /// It is served for all other hosts too.
    default: bool,
    status: &'static str,
}

pub(super) fn rows(scene: Scene<'_>) -> Vec<CertificateRow> {
    let now = Timestamp::now().as_second();
    // Several Secrets may hold one certificate.
    let mut by_fingerprint = BTreeMap::<Arc<str>, CertificateRow>::new();
    for served in (scene.sources.certificates)() {
        let row = by_fingerprint.entry(served.facts.fingerprint.clone()).or_insert_with(|| CertificateRow {
            status: status(served.facts.not_after, now),
            facts: served.facts,
            hosts: BTreeSet::new(),
            secrets: BTreeSet::new(),
            default: false,
        });
        row.hosts.extend(served.hosts);
        row.secrets.insert(served.secret);
        row.default |= served.default;
    }
    by_fingerprint.into_values().collect()
}

fn status(not_after: i64, now: i64) -> &'static str {
    match not_after.saturating_sub(now) {
        left if left <= 0 => "expired",
        left if left < WARN_SECONDS => "warning",
        _ => "enabled",
    }
}

impl Row for CertificateRow {
    fn name(&self) -> &str {
        &self.facts.fingerprint
    }

    fn status(&self) -> &str {
        self.status
    }

    fn contains(&self, text: &str) -> bool {
        let facts = &self.facts;
        let subject = [&*facts.common_name, &*facts.organization, &*facts.serial];
        let issuer = [&*facts.issuer, &*facts.issuer_organization];
        let own = subject.into_iter().chain(issuer).chain([&*facts.fingerprint, &*facts.public_key_fingerprint]);
        let secrets = self.secrets.iter().map(|secret| &**secret);
        any_contains(own.chain(facts.names.iter().map(|name| &**name)).chain(secrets), text)
    }

    fn key(&self, by: &str) -> Key {
        match by {
            "status" => Key::Text(self.status.to_owned()),
            "issuer" => Key::Text(self.facts.issuer.to_string()),
            "validUntil" | "notAfter" => Key::Number(self.facts.not_after),
            // By the name that people know; the fingerprint says nothing.
            _ => Key::Text(self.facts.names.first().unwrap_or(&self.facts.common_name).to_string()),
        }
    }

    fn json(&self) -> Value {
        let facts = &self.facts;
        json!({
            "name": facts.fingerprint,
            "sans": facts.names,
            "notAfter": time(facts.not_after),
            "notBefore": time(facts.not_before),
            "serialNumber": facts.serial,
            "commonName": facts.common_name,
            "organization": facts.organization,
            "country": facts.country,
            "issuerOrg": facts.issuer_organization,
            "issuerCN": facts.issuer,
            "issuerCountry": facts.issuer_country,
            "version": format!("v{}", facts.version),
            "keyType": facts.key_type,
            "keySize": facts.key_size,
            "signatureAlgorithm": facts.signature_algorithm,
            "certFingerprint": facts.fingerprint,
            "publicKeyFingerprint": facts.public_key_fingerprint,
            "status": self.status,
            "hosts": self.hosts.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "secrets": self.secrets,
            "default": self.default,
        })
    }
}

pub(super) fn time(seconds: i64) -> String {
    Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH).strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_warns_thirty_days_before_its_end() {
        assert_eq!(status(WARN_SECONDS, 0), "enabled");
        assert_eq!(status(WARN_SECONDS - 1, 0), "warning");
        assert_eq!(status(5, 5), "expired");
    }
}
