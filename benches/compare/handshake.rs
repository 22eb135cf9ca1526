//! rustls alone: one thread accepts, shakes hands, reads a request and answers it. What adit's handshakes are held to.
//!
//! `handshake PORT CERTIFICATE KEY`

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\nConnection: close\r\n\r\nhello, world";

fn main() -> anyhow::Result<()> {
    let [port, certificate, key] =
        std::env::args().skip(1).collect::<Vec<_>>().try_into().map_err(|_| anyhow::anyhow!("PORT CERTIFICATE KEY"))?;
    let chain = CertificateDer::pem_file_iter(certificate)?.collect::<Result<Vec<_>, _>>()?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_single_cert(chain, PrivateKeyDer::from_pem_file(key)?)?;
    config.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new()?;
    let config = Arc::new(config);
    for client in TcpListener::bind((Ipv4Addr::LOCALHOST, port.parse()?))?.incoming() {
        // A client that goes away is its own business.
        let _ = answer(client?, &config);
    }
    Ok(())
}

fn answer(client: TcpStream, config: &Arc<ServerConfig>) -> anyhow::Result<()> {
    client.set_nodelay(true)?;
    let mut stream = StreamOwned::new(ServerConnection::new(Arc::clone(config))?, client);
    let mut head = Vec::new();
    let mut buffer = [0; 4096];
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut buffer)? {
            0 => return Ok(()),
            size => head.extend_from_slice(&buffer[..size]),
        }
    }
    stream.write_all(ANSWER)?;
    stream.conn.send_close_notify();
    stream.flush()?;
    Ok(())
}
