//! Certificates as the table holds them: parsed, checked against their key, and never printed with it.

use std::fmt;
use std::sync::Arc;

use rustls::sign::CertifiedKey;

use super::HostPattern;

/// A parsed certificate chain with its private key.
pub struct Certificate {
    /// What rustls serves. Its key is never printed.
    pub key: Arc<CertifiedKey>,
    /// What people want to know of it.
    pub facts: CertificateFacts,
}

/// The public facts of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFacts {
    /// SHA-256 of the leaf's DER, lower-case hexadecimal.
    pub fingerprint: Arc<str>,
    /// The DNS names and addresses it is for.
    pub names: Vec<Arc<str>>,
    /// The subject's common name, or empty.
    pub common_name: Arc<str>,
    /// The subject's organisation, or empty.
    pub organization: Arc<str>,
    /// The subject's country, or empty.
    pub country: Arc<str>,
    /// The issuer's common name, or empty.
    pub issuer: Arc<str>,
    /// The issuer's organisation, or empty.
    pub issuer_organization: Arc<str>,
    /// The issuer's country, or empty.
    pub issuer_country: Arc<str>,
    /// The version of X.509: 3, but for relics.
    pub version: u32,
    /// The serial number, decimal.
    pub serial: Arc<str>,
    /// Seconds since the epoch.
    pub not_before: i64,
    /// Seconds since the epoch.
    pub not_after: i64,
    /// `RSA`, `ECDSA`, `Ed25519` and the size in bits.
    pub key_type: &'static str,
    /// Bits of the public key; 0 when unknown.
    pub key_size: u32,
    /// SHA-256 of the public key (its SubjectPublicKeyInfo in DER), lower-case hexadecimal: it stays when a certificate is
    /// renewed with the same key.
    pub public_key_fingerprint: Arc<str>,
    /// The signature algorithm's name.
    pub signature_algorithm: &'static str,
}

/// Two are equal when leaf and key are: a re-issued certificate has another fingerprint.
impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.key, &other.key) || (self.facts == other.facts && self.key.cert == other.key.cert)
    }
}

impl Eq for Certificate {}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("names", &self.facts.names)
            .field("fingerprint", &self.facts.fingerprint)
            .field("key", &"redacted")
            .finish()
    }
}

/// The certificate that one host pattern is served with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateEntry {
    /// The pattern it is served for.
    pub host: HostPattern,
    /// The Secret it comes from, `namespace/name`: the last good certificate is kept under this name.
    pub secret: Arc<str>,
    /// `None` while the Secret is missing or bad: the last good one, if any, keeps serving.
    pub certificate: Option<Arc<Certificate>>,
}
