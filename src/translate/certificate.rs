//! Certificates out of Secrets: parsed, checked against their key, and made once for all who name them.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use x509_parser::prelude::{FromDer, GeneralName, ParsedExtension, X509Certificate};
use x509_parser::public_key::PublicKey;

use crate::objects::{ObjectKey, Objects, Secret};
use crate::route::{Certificate, CertificateFacts, Code, ObjectRef, Problem, Severity};

type Outcome = Result<Arc<Certificate>, (Code, String)>;

/// The certificates that were asked for.
#[derive(Default)]
pub(super) struct Certificates {
    /// With the Secret that each was made from.
    made: BTreeMap<ObjectKey, (Option<Arc<Secret>>, Outcome)>,
}

impl Certificates {
    /// The certificate of a Secret, or what is wrong with it.
    pub(super) fn get(&mut self, key: &ObjectKey, objects: &Objects) -> Outcome {
        let secret = objects.secrets.get(key);
        let fresh = self.made.get(key).filter(|(from, _)| match (from, secret) {
            (Some(from), Some(secret)) => Arc::ptr_eq(from, secret),
            (None, None) => true,
            _ => false,
        });
        if let Some((_, outcome)) = fresh {
            return outcome.clone();
        }
        let outcome = match secret {
            Some(secret) => parse(secret).map_err(|reason| (Code::InvalidCertificate, reason)),
            None if objects.access.secrets => Err((Code::SecretNotFound, "the Secret does not exist".to_owned())),
            None => Err((Code::SecretNotFound, "Secrets cannot be read: the role forbids it".to_owned())),
        };
        self.made.insert(key.clone(), (secret.cloned(), outcome.clone()));
        outcome
    }

    /// The Secret has changed.
    pub(super) fn forget(&mut self, key: &ObjectKey) {
        self.made.remove(key);
    }
}

/// What is said of a Secret that gives no certificate.
pub(super) fn problem(key: &ObjectKey, code: Code, reason: String, who: &str) -> Problem {
    let action = match code {
        Code::SecretNotFound => "create it; until then the last good certificate or the default one is served",
        _ => {
            "put a PEM certificate chain into tls.crt and its key into tls.key; until then the last good certificate or the default one is served"
        }
    };
    Problem {
        severity: Severity::Error,
        code,
        object: ObjectRef { kind: "Secret", namespace: key.namespace.clone(), name: key.name.clone() },
        field: if code == Code::SecretNotFound { String::new() } else { "data".into() },
        reason: format!("{reason} ({who})"),
        action: action.into(),
    }
}

fn parse(secret: &Secret) -> Result<Arc<Certificate>, String> {
    if secret.certificate.is_empty() {
        return Err("tls.crt is missing".into());
    }
    if secret.key.is_empty() {
        return Err("tls.key is missing".into());
    }
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&secret.certificate)
        .collect::<Result<_, _>>()
        .map_err(|error| format!("tls.crt is not PEM: {error}"))?;
    let Some(leaf) = chain.first() else { return Err("tls.crt holds no certificate".into()) };
    let facts = facts(leaf)?;
    let key =
        PrivateKeyDer::from_pem_slice(&secret.key).map_err(|_| "tls.key holds no private key in PEM".to_owned())?;
    let key = CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider()).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => "tls.key is not the key of tls.crt".to_owned(),
        _ => "tls.key is not a key that can be used".to_owned(),
    })?;
    Ok(Arc::new(Certificate { key: Arc::new(key), facts }))
}

fn facts(der: &CertificateDer<'_>) -> Result<CertificateFacts, String> {
    let (_, certificate) =
        X509Certificate::from_der(der).map_err(|_| "tls.crt is not an X.509 certificate".to_owned())?;
    let mut names: Vec<Arc<str>> = Vec::new();
    for extension in certificate.extensions() {
        if let ParsedExtension::SubjectAlternativeName(alternatives) = extension.parsed_extension() {
            for name in &alternatives.general_names {
                match name {
                    GeneralName::DNSName(name) => names.push(name.to_ascii_lowercase().into()),
                    GeneralName::IPAddress(bytes) => names.extend(ip(bytes).map(|ip| Arc::from(ip.to_string()))),
                    _ => {}
                }
            }
        }
    }
    let text = |found: Option<&x509_parser::x509::AttributeTypeAndValue<'_>>| -> Arc<str> {
        found.and_then(|value| value.as_str().ok()).unwrap_or_default().into()
    };
    let common_name = text(certificate.subject().iter_common_name().next());
    if names.is_empty() && !common_name.is_empty() {
        names.push(common_name.to_ascii_lowercase().into());
    }
    let (key_type, key_size) = match certificate.public_key().parsed() {
        Ok(PublicKey::RSA(key)) => ("RSA", u32::try_from(key.key_size()).unwrap_or(0)),
        Ok(PublicKey::EC(point)) => ("ECDSA", u32::try_from(point.key_size()).unwrap_or(0)),
        _ if certificate.public_key().algorithm.algorithm.to_id_string() == "1.3.101.112" => ("Ed25519", 256),
        _ => ("unknown", 0),
    };
    Ok(CertificateFacts {
        fingerprint: fingerprint(der).into(),
        names,
        common_name,
        organization: text(certificate.subject().iter_organization().next()),
        country: text(certificate.subject().iter_country().next()),
        issuer: text(certificate.issuer().iter_common_name().next()),
        issuer_organization: text(certificate.issuer().iter_organization().next()),
        issuer_country: text(certificate.issuer().iter_country().next()),
        // Counted from zero there (RFC 5280 §4.1.2.1).
        version: certificate.version().0.saturating_add(1),
        serial: certificate.tbs_certificate.serial.to_string().into(),
        not_before: certificate.validity().not_before.timestamp(),
        not_after: certificate.validity().not_after.timestamp(),
        key_type,
        key_size,
        public_key_fingerprint: fingerprint(certificate.public_key().raw).into(),
        signature_algorithm: signature(&certificate.signature_algorithm.algorithm.to_id_string()),
    })
}

fn ip(bytes: &[u8]) -> Option<std::net::IpAddr> {
    <[u8; 4]>::try_from(bytes).map(Into::into).or_else(|_| <[u8; 16]>::try_from(bytes).map(Into::into)).ok()
}

/// Go's names, as Traefik shows them.
fn signature(id: &str) -> &'static str {
    match id {
        "1.2.840.113549.1.1.11" => "SHA256-RSA",
        "1.2.840.113549.1.1.12" => "SHA384-RSA",
        "1.2.840.113549.1.1.13" => "SHA512-RSA",
        "1.2.840.10045.4.3.2" => "ECDSA-SHA256",
        "1.2.840.10045.4.3.3" => "ECDSA-SHA384",
        "1.2.840.10045.4.3.4" => "ECDSA-SHA512",
        "1.3.101.112" => "Ed25519",
        _ => "unknown",
    }
}

/// SHA-256 in hexadecimal. rustls has the hash function; a package of its own would be one more.
pub(super) fn fingerprint(bytes: &[u8]) -> String {
    let Some(suite) = aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256.tls13() else { return String::new() };
    let hash = suite.common.hash_provider.hash(bytes);
    hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SerialNumber};

    use super::*;
    use crate::objects::Change;

    fn named(names: &[&str], common_name: &str, organization: &str, country: &str) -> CertificateParams {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let mut parameters = CertificateParams::new(names).expect("names");
        for (kind, value) in [
            (DnType::CommonName, common_name),
            (DnType::OrganizationName, organization),
            (DnType::CountryName, country),
        ] {
            parameters.distinguished_name.push(kind, value);
        }
        parameters
    }

    #[test]
    fn the_facts_tell_subject_and_issuer_apart_and_a_renewed_certificate_by_its_key() {
        let mut authority = named(&[], "Root R1", "Trust Ltd", "US");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = Issuer::new(authority, KeyPair::generate().expect("a key"));
        let key = KeyPair::generate().expect("a key");
        let issue = |serial: u64, key: &KeyPair| {
            let mut leaf = named(&["Weather.lvh.me", "10.0.0.1"], "weather", "Weather Ltd", "DE");
            leaf.serial_number = Some(SerialNumber::from(serial));
            let certificate = leaf.signed_by(key, &issuer).expect("a certificate");
            facts(certificate.der()).expect("its facts")
        };
        let first = issue(4242, &key);
        assert_eq!(first.names, ["weather.lvh.me".into(), "10.0.0.1".into()]);
        let subject = (&*first.common_name, &*first.organization, &*first.country);
        assert_eq!(subject, ("weather", "Weather Ltd", "DE"));
        let issuer = (&*first.issuer, &*first.issuer_organization, &*first.issuer_country);
        assert_eq!(issuer, ("Root R1", "Trust Ltd", "US"));
        assert_eq!((&*first.serial, first.version), ("4242", 3));
        assert_eq!((first.key_type, first.key_size, first.signature_algorithm), ("ECDSA", 256, "ECDSA-SHA256"));
        let (renewed, rekeyed) = (issue(4243, &key), issue(4244, &KeyPair::generate().expect("a key")));
        assert_ne!(first.fingerprint, renewed.fingerprint);
        assert_eq!(first.public_key_fingerprint, renewed.public_key_fingerprint);
        assert_ne!(first.public_key_fingerprint, rekeyed.public_key_fingerprint);
        assert_eq!(first.public_key_fingerprint.len(), 64);
    }

    #[test]
    fn the_common_name_is_a_name_only_of_a_certificate_without_others() {
        let names = |names: &[&str], common_name: &str| {
            let mut parameters = named(names, common_name, "Weather Ltd", "DE");
            if common_name.is_empty() {
                parameters.distinguished_name.remove(DnType::CommonName);
            }
            let made = parameters.self_signed(&KeyPair::generate().expect("a key")).expect("a certificate");
            facts(made.der()).expect("its facts").names.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(names(&[], "Weather.lvh.me"), ["weather.lvh.me"]);
        assert_eq!(names(&["a.example"], "weather.lvh.me"), ["a.example"]);
        assert!(names(&[], "").is_empty());
    }

    #[test]
    fn keys_of_each_kind_have_their_type_and_size() {
        for (algorithm, key_type, key_size, signature_algorithm) in [
            (&rcgen::PKCS_RSA_SHA256, "RSA", 2048, "SHA256-RSA"),
            (&rcgen::PKCS_ECDSA_P384_SHA384, "ECDSA", 384, "ECDSA-SHA384"),
            (&rcgen::PKCS_ED25519, "Ed25519", 256, "Ed25519"),
        ] {
            let key = KeyPair::generate_for(algorithm).expect("a key");
            let made = named(&["::1"], "weather", "Weather Ltd", "DE").self_signed(&key).expect("a certificate");
            let facts = facts(made.der()).expect("its facts");
            let shown = (facts.key_type, facts.key_size, facts.signature_algorithm);
            assert_eq!(shown, (key_type, key_size, signature_algorithm));
            assert_eq!(facts.names, ["::1".into()]);
        }
    }

    #[test]
    fn signature_algorithms_have_gos_names() {
        for (id, name) in [
            ("1.2.840.113549.1.1.11", "SHA256-RSA"),
            ("1.2.840.113549.1.1.12", "SHA384-RSA"),
            ("1.2.840.113549.1.1.13", "SHA512-RSA"),
            ("1.2.840.10045.4.3.2", "ECDSA-SHA256"),
            ("1.2.840.10045.4.3.3", "ECDSA-SHA384"),
            ("1.2.840.10045.4.3.4", "ECDSA-SHA512"),
            ("1.3.101.112", "Ed25519"),
            // RSA with SHA-1: nothing takes such a certificate any more.
            ("1.2.840.113549.1.1.5", "unknown"),
        ] {
            assert_eq!(signature(id), name, "{id}");
        }
    }

    fn new_secret() -> Secret {
        let made = rcgen::generate_simple_self_signed(vec!["a.example".to_owned()]).expect("a certificate");
        let bytes = |text: String| text.into_bytes().into();
        Secret { certificate: bytes(made.cert.pem()), key: bytes(made.signing_key.serialize_pem()) }
    }

    fn secret(objects: &mut Objects, key: &ObjectKey) {
        objects.apply(Change::Secret(key.clone(), Some(Arc::new(new_secret()))));
    }

    #[test]
    fn what_is_wrong_with_a_secret_is_said_by_its_field() {
        let (one, other) = (new_secret(), new_secret());
        let wrong = |certificate: &[u8], key: &[u8]| {
            parse(&Secret { certificate: certificate.into(), key: key.into() }).expect_err("no certificate")
        };
        let pem = |label: &str| format!("-----BEGIN {label}-----\nAAAA\n-----END {label}-----\n").into_bytes();
        assert_eq!(wrong(b"", &one.key), "tls.crt is missing");
        assert_eq!(wrong(&one.certificate, b""), "tls.key is missing");
        assert_eq!(wrong(&one.key, &one.key), "tls.crt holds no certificate");
        assert_eq!(wrong(&pem("CERTIFICATE"), &one.key), "tls.crt is not an X.509 certificate");
        assert_eq!(wrong(&one.certificate, &one.certificate), "tls.key holds no private key in PEM");
        assert_eq!(wrong(&one.certificate, &pem("PRIVATE KEY")), "tls.key is not a key that can be used");
        assert_eq!(wrong(&one.certificate, &other.key), "tls.key is not the key of tls.crt");
    }

    #[test]
    fn a_certificate_is_made_once_for_each_version_of_its_secret_and_never_shows_its_key() {
        let (mut certificates, mut objects) = (Certificates::default(), Objects::default());
        let key = ObjectKey::new("default", "s");
        assert!(certificates.get(&key, &objects).is_err());
        secret(&mut objects, &key);
        let first = certificates.get(&key, &objects).expect("a certificate");
        let again = certificates.get(&key, &objects).expect("a certificate");
        assert!(Arc::ptr_eq(&first, &again));
        secret(&mut objects, &key);
        let renewed = certificates.get(&key, &objects).expect("a certificate");
        assert_ne!(first.facts.fingerprint, renewed.facts.fingerprint);
        let shown = format!("{renewed:?}");
        assert!(shown.contains(&*renewed.facts.fingerprint) && shown.contains("redacted"), "{shown}");
    }

    #[test]
    fn a_secret_that_is_gone_leaves_no_key_in_memory() {
        let (mut certificates, mut objects) = (Certificates::default(), Objects::default());
        let key = ObjectKey::new("default", "s");
        secret(&mut objects, &key);
        let held = Arc::downgrade(objects.secrets.get(&key).expect("the Secret"));
        let certificate = certificates.get(&key, &objects).expect("a certificate");
        objects.apply(Change::Secret(key.clone(), None));
        certificates.forget(&key);
        assert!(held.upgrade().is_none());
        assert_eq!(Arc::strong_count(&certificate), 1);
    }
}
