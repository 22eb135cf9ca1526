//! `/api/certificates`: the certificates that are served. Facts only; no key is ever near this.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::Scene;
use super::list::{Key, Row, any_contains};
use crate::route::CertificateFacts;

/// Traefik warns this long before the end.
const WARN_SECONDS: i64 = 30 * 24 * 3600;

/// One certificate.
pub(super) struct CertificateRow {
    facts: CertificateFacts,
    status: &'static str,
}

pub(super) fn rows(scene: Scene<'_>) -> Vec<CertificateRow> {
    let now = Timestamp::now().as_second();
    // One certificate may serve many hosts.
    let by_fingerprint: BTreeMap<_, _> =
        (scene.sources.certificates)().into_iter().map(|facts| (facts.fingerprint.clone(), facts)).collect();
    by_fingerprint.into_values().map(|facts| CertificateRow { status: status(facts.not_after, now), facts }).collect()
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
        any_contains(own.chain(facts.names.iter().map(|name| &**name)), text)
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
        })
    }
}

fn time(seconds: i64) -> String {
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
