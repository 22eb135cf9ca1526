//! One request to one of the two, and what of its answer is compared. Every wait ends, and no body is kept.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hasher};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Request as HttpRequest;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::requests::Request;
use crate::proxy::{ClientTls, TlsError, client_config};

/// The most bytes of a body that are compared.
const LONGEST_BODY: u64 = 16 << 20;

/// Why nothing can be asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is not one.
    #[error("{0:?} is no address such as http://10.0.0.7:8000 or https://gateway.example")]
    Base(String),
    /// TLS cannot be set up.
    #[error("set up TLS")]
    Tls(#[from] TlsError),
}

/// Where one of the two is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base {
    tls: bool,
    host: String,
    port: u16,
}

impl Base {
    /// `http://host:port` or `https://host:port`, without a path.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let bad = || Error::Base(text.to_owned());
        let uri: http::Uri = text.parse().map_err(|_| bad())?;
        let tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(bad()),
        };
        if uri.path() != "/" || uri.query().is_some() {
            return Err(bad());
        }
        let host = uri.host().ok_or_else(bad)?.trim_matches(['[', ']']).to_owned();
        Ok(Self { tls, host, port: uri.port_u16().unwrap_or(if tls { 443 } else { 80 }) })
    }
}

/// What of an answer is compared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// Values by name, in their order.
    pub(super) headers: BTreeMap<String, Vec<String>>,
    pub(super) length: u64,
    pub(super) hash: u64,
}

/// Asks.
#[derive(Debug)]
pub struct Asker {
    tls: Arc<ClientConfig>,
    timeout: Duration,
}

impl Asker {
    /// `timeout`: for a whole answer.
    pub fn new(insecure: bool, timeout: Duration) -> Result<Self, Error> {
        let settings = ClientTls { insecure_skip_verify: insecure, ..ClientTls::default() };
        Ok(Self { tls: client_config(&settings, &[])?, timeout })
    }

    /// The answer, or why there is none.
    pub(super) async fn ask(&self, base: &Base, request: &Request) -> Result<Answer, String> {
        match tokio::time::timeout(self.timeout, self.connect(base, request)).await {
            Ok(answer) => answer,
            Err(_) => Err(format!("no answer within {:?}", self.timeout)),
        }
    }

    async fn connect(&self, base: &Base, request: &Request) -> Result<Answer, String> {
        let stream = TcpStream::connect((base.host.as_str(), base.port)).await.map_err(|error| error.to_string())?;
        if !base.tls {
            return exchange(stream, request).await;
        }
        // The certificate is the site's, not that of the address.
        let name = request.host.split(':').next().unwrap_or_default().to_owned();
        let name = ServerName::try_from(name).map_err(|error| error.to_string())?;
        let stream = TlsConnector::from(self.tls.clone()).connect(name, stream).await;
        exchange(stream.map_err(|error| format!("TLS: {error}"))?, request).await
    }
}

/// On a connection of its own: what one answer leaves behind must not be taken for the next.
async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: &Request,
) -> Result<Answer, String> {
    let error = |error: hyper::Error| error.to_string();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(error)?;
    let ask = async move {
        let head = HttpRequest::builder()
            .method(request.method.as_str())
            .uri(&request.path)
            .header("host", &request.host)
            .header("connection", "close")
            .header("user-agent", "adit-shadow")
            .header("accept", "*/*");
        let head = head.body(Empty::<Bytes>::new()).map_err(|error| error.to_string())?;
        let response = sender.send_request(head).await.map_err(error)?;
        let mut answer = Answer { status: response.status().as_u16(), ..Answer::default() };
        for (name, value) in response.headers() {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            answer.headers.entry(name.as_str().to_owned()).or_default().push(value);
        }
        let mut body = response.into_body();
        let mut hasher = DefaultHasher::new();
        while let Some(frame) = body.frame().await {
            if let Ok(data) = frame.map_err(|error| format!("its body: {error}"))?.into_data() {
                hasher.write(&data);
                answer.length = answer.length.saturating_add(data.len() as u64);
            }
            if answer.length > LONGEST_BODY {
                break;
            }
        }
        answer.hash = hasher.finish();
        Ok::<_, String>(answer)
    };
    // The connection ends by itself or is dropped with the answer.
    let mut ask = std::pin::pin!(ask);
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        answer = &mut ask => answer,
        _ = &mut connection => ask.await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_is_a_scheme_a_host_and_perhaps_a_port() {
        let base = |tls, host: &str, port| Base { tls, host: host.into(), port };
        assert_eq!(Base::parse("http://10.0.0.7:8000").ok(), Some(base(false, "10.0.0.7", 8000)));
        assert_eq!(Base::parse("https://gateway.example/").ok(), Some(base(true, "gateway.example", 443)));
        assert_eq!(Base::parse("http://[::1]:81").ok(), Some(base(false, "::1", 81)));
        for bad in ["10.0.0.7:8000", "ftp://a", "http://a/path", "http://", "http://a?b"] {
            assert!(Base::parse(bad).is_err(), "{bad}");
        }
    }
}
