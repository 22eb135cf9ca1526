//! TLS for tests: certificates made on the spot, backends that have them, and clients that take any.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::trusting::trusting;

/// A self-signed certificate for these names, as PEM: chain and key.
pub(crate) fn certificate(names: &[&str]) -> (String, String) {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let made = rcgen::generate_simple_self_signed(names).expect("a certificate");
    (made.cert.pem(), made.signing_key.serialize_pem())
}

/// What accepts TLS for a backend with this chain and key, as PEM.
pub(crate) fn acceptor(chain: &str, key: &str) -> TlsAcceptor {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let certificates =
        CertificateDer::pem_slice_iter(chain.as_bytes()).collect::<Result<_, _>>().expect("certificates");
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("a key");
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the usual versions")
        .with_no_client_auth()
        .with_single_cert(certificates, key)
        .expect("a key that fits");
    TlsAcceptor::from(Arc::new(config))
}

/// A TLS Secret.
pub(crate) fn secret(name: &str, (chain, key): &(String, String)) -> String {
    let indent = |text: &str| text.lines().map(|line| format!("    {line}\n")).collect::<String>();
    format!(
        "---\napiVersion: v1\nkind: Secret\nmetadata: {{name: {name}}}\ntype: kubernetes.io/tls\nstringData:\n  tls.crt: |\n{}  tls.key: |\n{}",
        indent(chain),
        indent(key)
    )
}

/// A `tls` section for an Ingress.
pub(crate) fn with_tls(ingress: &str, hosts: &[&str], secret: &str) -> String {
    format!(
        "{ingress}  tls:\n    - hosts: [{}]\n      secretName: {secret}\n",
        hosts.iter().map(|host| format!("\"{host}\"")).collect::<Vec<_>>().join(", ")
    )
}

/// A TLS connection that asks for `name` and offers `alpn`.
pub(crate) async fn connect(address: SocketAddr, name: &str, alpn: &[&[u8]]) -> std::io::Result<TlsStream<TcpStream>> {
    over(TcpStream::connect(address).await?, name, alpn).await
}

/// The same over a connection that is there.
pub(crate) async fn over(stream: TcpStream, name: &str, alpn: &[&[u8]]) -> std::io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from(name.to_owned()).expect("a server name");
    TlsConnector::from(trusting(alpn)).connect(name, stream).await
}

/// The names that the served certificate is for, read from its DER text.
pub(crate) fn served(stream: &TlsStream<TcpStream>) -> Vec<u8> {
    let certificates = stream.get_ref().1.peer_certificates().expect("a certificate");
    certificates.first().expect("a leaf").to_vec()
}

/// Whether a certificate's DER names `host`.
pub(crate) fn names(der: &[u8], host: &str) -> bool {
    der.windows(host.len()).any(|window| window == host.as_bytes())
}
