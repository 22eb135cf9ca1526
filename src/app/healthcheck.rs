//! `adit healthcheck`: asks `/ping` of the adit that was started with these flags.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use crate::config::Config;

/// As long as a probe waits at most.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why it is not healthy.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing answers `/ping` with these flags.
    #[error("ping is not enabled: start adit and this check with --ping")]
    NoPing,
    /// Ping is on an entry point that speaks TLS.
    #[error("{0} speaks TLS: put ping on an entry point that does not")]
    Tls(String),
    /// It does not answer.
    #[error("ask {url}, where an adit with these flags would answer")]
    Unreachable {
        /// Whom.
        url: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// It answers otherwise.
    #[error("bad healthcheck status: {0}")]
    Status(String),
}

/// The URL that answered 200.
pub(super) fn ask(config: &Config) -> Result<String, Error> {
    let url = config.ping_url().ok_or(Error::NoPing)?;
    let Some((authority, path)) = url.strip_prefix("http://").and_then(|rest| rest.split_once('/')) else {
        return Err(Error::Tls(url));
    };
    let answer = || -> io::Result<String> {
        let address = authority.to_socket_addrs()?.next().ok_or(io::ErrorKind::AddrNotAvailable)?;
        let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream
            .write_all(format!("GET /{path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n").as_bytes())?;
        let mut text = String::new();
        stream.take(4096).read_to_string(&mut text)?;
        Ok(text.lines().next().unwrap_or_default().to_owned())
    };
    match answer() {
        Ok(line) if line.split(' ').nth(1) == Some("200") => Ok(url),
        Ok(line) => Err(Error::Status(line)),
        Err(source) => Err(Error::Unreachable { url, source }),
    }
}
