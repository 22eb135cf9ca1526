//! Finds the API server and the credentials, in Traefik's order: the pod's own, `KUBECONFIG`, the options.

use std::path::PathBuf;
use std::time::Duration;

use kube::Client;
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tracing::info;

use super::{Connection, Error, watch};
use crate::telemetry::chain;

/// A connection that is not there after this is tried again.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The client for the API server. Talks to nobody yet.
pub async fn connect(connection: &Connection) -> Result<Client, Error> {
    let in_pod = std::env::var_os("KUBERNETES_SERVICE_HOST").is_some_and(|host| !host.is_empty())
        && std::env::var_os("KUBERNETES_SERVICE_PORT").is_some_and(|port| !port.is_empty());
    let kubeconfig = std::env::var_os("KUBECONFIG").filter(|path| !path.is_empty());
    let (mut config, said_by) = if in_pod {
        let mut config = kube::Config::incluster_env().map_err(Error::InCluster)?;
        if let Some(endpoint) = &connection.endpoint {
            config.cluster_url = parse_endpoint(endpoint)?;
        }
        (config, "the pod's own".to_owned())
    } else if let Some(path) = kubeconfig {
        let bad = |error: KubeconfigError| Error::Kubeconfig { path: path.clone(), reason: reason(&error) };
        // Not `Config::infer`: it would fall back to ~/.kube/config, which nobody asked for.
        let file = Kubeconfig::from_env().map_err(bad)?.ok_or(Error::NoApiServer)?;
        let config = kube::Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await.map_err(bad)?;
        (config, format!("KUBECONFIG={}", path.display()))
    } else {
        (from_options(connection)?, "providers.kubernetesingress.endpoint".to_owned())
    };
    // Lines about its failures do not name it again.
    info!("the Kubernetes API server is {}, by {said_by}", place(&config.cluster_url));
    bound_waits(&mut config);
    Client::try_from(config).map_err(Error::Client)
}

/// A URL without what may be a password in it.
fn place(url: &http::Uri) -> String {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{}{port}{}", url.scheme_str().unwrap_or("https"), url.host().unwrap_or_default(), url.path())
}

/// What is wrong with a kubeconfig. kube's own words repeat the file's name and the cause.
fn reason(error: &KubeconfigError) -> String {
    match error {
        KubeconfigError::ReadConfig(source, _) => source.to_string(),
        error => chain(error),
    }
}

/// `endpoint`, `token` and `certAuthFilePath`, for a controller outside the cluster.
fn from_options(connection: &Connection) -> Result<kube::Config, Error> {
    let endpoint = connection.endpoint.as_deref().ok_or(Error::NoApiServer)?;
    let mut config = kube::Config::new(parse_endpoint(endpoint)?);
    if let Some(token) = &connection.token {
        match Token::of(token)? {
            Token::File => config.auth_info.token_file = Some(token.clone()),
            Token::Text(token) => config.auth_info.token = Some(token.into()),
        }
    }
    if let Some(path) = &connection.certificate_authority {
        config.root_cert = Some(read_certificates(path)?);
        // Read again every minute, so that the authority may be rotated.
        config.root_cert_file = Some(path.clone());
    }
    Ok(config)
}

/// Traefik takes a token or the path of one.
#[derive(Debug, PartialEq, Eq)]
enum Token {
    /// A file, which is read again every minute, so that its token may be rotated.
    File,
    /// The token.
    Text(String),
}

impl Token {
    fn of(typed: &str) -> Result<Self, Error> {
        Ok(match std::fs::read_to_string(typed) {
            Ok(content) if content.trim() == content => Self::File,
            // An editor left a line end, which the client would send along.
            Ok(content) => Self::Text(content.trim().to_owned()),
            // No token begins like that, and may be named in the log.
            Err(source) if typed.starts_with('/') => return Err(Error::Token { path: typed.into(), source }),
            Err(_) => Self::Text(typed.trim().to_owned()),
        })
    }
}

fn parse_endpoint(endpoint: &str) -> Result<http::Uri, Error> {
    endpoint.trim_end_matches('/').parse().map_err(|source| Error::Endpoint { endpoint: endpoint.to_owned(), source })
}

fn read_certificates(path: &PathBuf) -> Result<Vec<Vec<u8>>, Error> {
    let pem = std::fs::read(path).map_err(|source| Error::CertificateAuthority { path: path.clone(), source })?;
    let certificates: Vec<_> =
        CertificateDer::pem_slice_iter(&pem).flatten().map(|certificate| certificate.to_vec()).collect();
    if certificates.is_empty() { Err(Error::NoCertificate { path: path.clone() }) } else { Ok(certificates) }
}

/// Every wait on the API server ends, so that a hung one or a silent network is noticed within a minute.
fn bound_waits(config: &mut kube::Config) {
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    // Longer than a silent watch lasts, or each quiet watch would end as an error.
    config.read_timeout = Some(watch::LONGEST_SILENCE);
    // Else the time that a pooled connection was idle counts against the next answer.
    config.reset_reader_on_write = true;
    // kube's own retries back off to minutes; ours (see `watch`) stay within seconds.
    config.default_retry = false;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_options_name_endpoint_token_and_authority() {
        let connection = Connection {
            endpoint: Some("https://192.0.2.1:6443/".into()),
            token: Some(" abc\n".into()),
            certificate_authority: None,
        };
        let config = from_options(&connection).expect("the options are complete");
        assert_eq!(config.cluster_url.to_string(), "https://192.0.2.1:6443/");
        assert!(config.auth_info.token.is_some());
        assert_eq!(Token::of(" abc\n").expect("a token"), Token::Text("abc".into()));
    }

    #[test]
    fn a_token_file_is_followed_unless_its_token_has_a_line_end() {
        let path = std::env::temp_dir().join(format!("adit-token-{}", std::process::id()));
        let name = path.to_str().expect("the temporary directory has a name in UTF-8");
        std::fs::write(&path, "abc").expect("the temporary directory can be written");
        assert_eq!(Token::of(name).expect("a token"), Token::File);
        std::fs::write(&path, "abc\n").expect("the temporary directory can be written");
        assert_eq!(Token::of(name).expect("a token"), Token::Text("abc".into()));
        std::fs::remove_file(&path).expect("the file is ours");
        assert!(matches!(Token::of(name), Err(Error::Token { .. })), "a path that leads nowhere is no token");
    }

    #[test]
    fn the_place_of_the_api_server_is_told_without_its_password() {
        let place_of = |url: &str| place(&url.parse().expect("a URL"));
        assert_eq!(place_of("https://user:secret@[2001:db8::1]:6443/k8s"), "https://[2001:db8::1]:6443/k8s");
        assert_eq!(place_of("https://10.96.0.1"), "https://10.96.0.1/");
    }

    #[test]
    fn without_an_endpoint_there_is_no_api_server() {
        assert!(matches!(from_options(&Connection::default()), Err(Error::NoApiServer)));
    }

    #[test]
    fn a_certificate_authority_that_holds_none_is_named() {
        let path = PathBuf::from("Cargo.toml");
        assert!(matches!(read_certificates(&path), Err(Error::NoCertificate { .. })));
        let path = PathBuf::from("no/such/file");
        assert!(matches!(read_certificates(&path), Err(Error::CertificateAuthority { .. })));
    }
}
