//! TLS on both sides: certificates by SNI out of a snapshot, one policy for all hosts; verified TLS to endpoints.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use imbl::OrdMap;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, ServerConfig, SignatureScheme};

use crate::route::{Certificate, CertificateEntry, CertificateFacts, HostPattern, RouteTable};

/// What can keep the data plane from starting.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The self-signed certificate could not be made.
    #[error("make the default certificate")]
    SelfSigned(#[from] rcgen::Error),
    /// rustls refused a setting.
    #[error("set up TLS")]
    Rustls(#[from] rustls::Error),
    /// A worker's thread could not be started.
    #[error("start a worker: {0}")]
    Thread(String),
    /// A setting holds something that is no certificate, or no key.
    #[error("{setting}: {reason}")]
    Pem {
        /// Its name.
        setting: String,
        /// What it is instead.
        reason: String,
    },
}

/// Settings of TLS to those whom we ask: endpoints (`serversTransport`), the collector of traces.
#[derive(Clone, Default)]
pub struct ClientTls {
    /// Do not verify them.
    pub insecure_skip_verify: bool,
    /// PEM texts of roots trusted instead of the public ones.
    pub root_cas: Vec<String>,
    /// The certificate that is shown to them, and its key, as PEM texts.
    pub identity: Option<(String, String)>,
    /// The setting that roots come from, for messages.
    pub roots_setting: &'static str,
    /// The setting that the identity comes from.
    pub identity_setting: &'static str,
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientTls").field("insecure_skip_verify", &self.insecure_skip_verify).finish_non_exhaustive()
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// A certificate that is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServedCertificate {
    /// What people want to know of it.
    pub facts: CertificateFacts,
    /// The Secret that it comes from, `namespace/name`.
    pub secret: Arc<str>,
    /// The hosts that it is served for.
    pub hosts: Vec<HostPattern>,
    /// It is served for all other hosts too.
    pub default: bool,
}

/// The certificates of this moment, and the last good one of each Secret.
pub(crate) struct Certificates {
    current: ArcSwap<Snapshot>,
    self_signed: Arc<CertifiedKey>,
}

#[derive(Default)]
struct Snapshot {
    exact: HashMap<Arc<str>, Arc<CertifiedKey>>,
    wildcard: HashMap<Arc<str>, Arc<CertifiedKey>>,
    default: Option<Arc<CertifiedKey>>,
    source: OrdMap<HostPattern, Arc<CertificateEntry>>,
    source_default: Option<Arc<CertificateEntry>>,
    /// By Secret: kept while any host names it.
    good: HashMap<Arc<str>, Arc<Certificate>>,
}

impl Certificates {
    /// No certificates but a self-signed one.
    pub(crate) fn new() -> Result<Arc<Self>, Error> {
        Ok(Arc::new(Self { current: ArcSwap::default(), self_signed: Arc::new(self_signed()?) }))
    }

    /// Serves what `table` says. A Secret that has gone bad keeps its last good certificate.
    pub(crate) fn install(&self, table: &RouteTable) {
        let before = self.current.load_full();
        if before.source.ptr_eq(&table.certificates) && before.source_default == table.default_certificate {
            return;
        }
        let mut next = Snapshot {
            source: table.certificates.clone(),
            source_default: table.default_certificate.clone(),
            ..Snapshot::default()
        };
        let entries = table.certificates.values().chain(&table.default_certificate);
        for entry in entries {
            if let Some(certificate) = entry.certificate.as_ref().or_else(|| before.good.get(&entry.secret)) {
                next.good.insert(entry.secret.clone(), certificate.clone());
            }
        }
        for (host, entry) in &table.certificates {
            let Some(certificate) = next.good.get(&entry.secret) else { continue };
            match host {
                HostPattern::Exact(name) => next.exact.insert(name.clone(), certificate.key.clone()),
                HostPattern::Wildcard(suffix) => next.wildcard.insert(suffix.clone(), certificate.key.clone()),
                HostPattern::Any => None,
            };
        }
        next.default = table
            .default_certificate
            .as_ref()
            .and_then(|entry| next.good.get(&entry.secret))
            .map(|certificate| certificate.key.clone());
        self.current.store(Arc::new(next));
    }

    /// All that are served, each with the hosts that it is served for.
    pub(crate) fn served(&self) -> Vec<ServedCertificate> {
        let snapshot = self.current.load();
        let mut hosts = HashMap::<&Arc<str>, Vec<HostPattern>>::new();
        for (host, entry) in &snapshot.source {
            hosts.entry(&entry.secret).or_default().push(host.clone());
        }
        let default = snapshot.source_default.as_ref().map(|entry| &entry.secret);
        let good = snapshot.good.iter();
        good.map(|(secret, certificate)| ServedCertificate {
            facts: certificate.facts.clone(),
            secret: secret.clone(),
            hosts: hosts.remove(secret).unwrap_or_default(),
            default: default == Some(secret),
        })
        .collect()
    }

    /// The facts of what a client who names this host is shown; none if it is the self-signed one.
    pub(crate) fn facts_for(&self, host: Option<&str>) -> Option<CertificateFacts> {
        let key = host.and_then(|host| self.find(host)).unwrap_or_else(|| self.default_key());
        let snapshot = self.current.load();
        let found = snapshot.good.values().find(|certificate| Arc::ptr_eq(&certificate.key, &key));
        found.map(|certificate| certificate.facts.clone())
    }

    fn find(&self, name: &str) -> Option<Arc<CertifiedKey>> {
        let snapshot = self.current.load();
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        let found = snapshot.exact.get(name.as_str()).or_else(|| {
            let (label, suffix) = name.split_once('.')?;
            (!label.is_empty()).then(|| snapshot.wildcard.get(suffix)).flatten()
        });
        found.cloned()
    }

    fn default_key(&self) -> Arc<CertifiedKey> {
        self.current.load().default.clone().unwrap_or_else(|| self.self_signed.clone())
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates").finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct BySni {
    certificates: Arc<Certificates>,
    /// Who names no host that has a certificate gets none.
    strict: bool,
}

impl ResolvesServerCert for BySni {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let found = hello.server_name().and_then(|name| self.certificates.find(name));
        if self.strict { found } else { found.or_else(|| Some(self.certificates.default_key())) }
    }
}

/// The one server policy: TLS 1.2 and 1.3, HTTP/2 and HTTP/1.1, tickets instead of a session store. `strict` is
/// `tls.sniStrict`.
pub(crate) fn server_config(certificates: Arc<Certificates>, strict: bool) -> Result<Arc<ServerConfig>, Error> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(BySni { certificates, strict }));
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.ticketer = aws_lc_rs::Ticketer::new()?;
    config.send_tls13_tickets = 1;
    Ok(Arc::new(config))
}

/// TLS to those whom we ask, with these protocols offered.
pub(crate) fn client_config(settings: &ClientTls, offer: &[&[u8]]) -> Result<Arc<ClientConfig>, Error> {
    let mut roots = RootCertStore::empty();
    if settings.root_cas.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    for pem in &settings.root_cas {
        let mut found = false;
        for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            let certificate = certificate.map_err(|error| bad_pem(settings.roots_setting, &error))?;
            roots.add(certificate).map_err(|error| bad_pem(settings.roots_setting, &error))?;
            found = true;
        }
        if !found {
            return Err(bad_pem(settings.roots_setting, &"holds no PEM certificate"));
        }
    }
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
    let builder = if settings.insecure_skip_verify {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(Unverified(provider())))
    } else {
        builder.with_root_certificates(roots)
    };
    let mut config = match &settings.identity {
        Some((chain, key)) => {
            let bad = |error: rustls::pki_types::pem::Error| bad_pem(settings.identity_setting, &error);
            let chain = CertificateDer::pem_slice_iter(chain.as_bytes()).collect::<Result<_, _>>().map_err(bad)?;
            builder.with_client_auth_cert(chain, PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(bad)?)?
        }
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = offer.iter().map(|name| name.to_vec()).collect();
    Ok(Arc::new(config))
}

fn bad_pem(setting: &str, reason: &dyn fmt::Display) -> Error {
    Error::Pem { setting: setting.to_owned(), reason: reason.to_string() }
}

fn self_signed() -> Result<CertifiedKey, Error> {
    let key = rcgen::KeyPair::generate()?;
    let mut params = rcgen::CertificateParams::new(vec!["adit.default".to_owned()])?;
    params.distinguished_name.push(rcgen::DnType::CommonName, "ADIT DEFAULT CERT");
    let certificate = params.self_signed(&key)?;
    let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    Ok(CertifiedKey::from_der(vec![certificate.der().clone()], private, &provider())?)
}

/// `serversTransport.insecureSkipVerify`: any certificate will do, but the handshake's signatures must still be right.
#[derive(Debug)]
struct Unverified(Arc<CryptoProvider>);

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
