//! Binds a listener's address. Options that every connection needs are set here once: Linux hands them on to accepted
//! sockets.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};

use crate::route::Listener;

/// Connections that may wait to be accepted; the kernel caps it at `net.core.somaxconn`.
const BACKLOG: i32 = 4096;
/// As Traefik's: a client that vanished is noticed within minutes.
const KEEPALIVE: Duration = Duration::from_secs(180);

/// Why a listener could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is not `[host]:port`.
    #[error("entry point {name}: `{address}` is not an address; write --entryPoints.{name}.address=[host]:port")]
    Address {
        /// The listener.
        name: String,
        /// What was given.
        address: String,
    },
    /// The operating system refused.
    #[error(
        "entry point {name}: cannot listen on {address}: {hint}; change it with --entryPoints.{name}.address=[host]:port"
    )]
    Bind {
        /// The listener.
        name: String,
        /// What was given.
        address: String,
        /// What is wrong in plain words.
        hint: String,
    },
}

/// Binds one socket for `listener`. An empty host is every address of both families, or of IPv4 where IPv6 is off.
pub fn bind(listener: &Listener) -> Result<TcpListener, Error> {
    let address_error = || Error::Address { name: listener.name.to_string(), address: listener.address.to_string() };
    let bind_error = |error: io::Error| {
        Error::Bind {
        name: listener.name.to_string(),
        address: listener.address.to_string(),
        hint: match error.kind() {
            io::ErrorKind::AddrInUse => "the port is in use".into(),
            io::ErrorKind::PermissionDenied => {
                "this user may not listen on a port below 1024 (run as root, grant NET_BIND_SERVICE, or use a higher port)".into()
            }
            _ => error.to_string(),
        },
    }
    };
    let (host, port) = listener.address.rsplit_once(':').ok_or_else(address_error)?;
    let port: u16 = port.parse().map_err(|_| address_error())?;
    if host.is_empty() {
        return match open(SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port), listener.reuse_port) {
            Err(error)
                if error.kind() != io::ErrorKind::AddrInUse && error.kind() != io::ErrorKind::PermissionDenied =>
            {
                open(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port), listener.reuse_port).map_err(bind_error)
            }
            result => result.map_err(bind_error),
        };
    }
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let ip: IpAddr =
        if host == "localhost" { Ipv4Addr::LOCALHOST.into() } else { host.parse().map_err(|_| address_error())? };
    open(SocketAddr::new(ip, port), listener.reuse_port).map_err(bind_error)
}

fn open(address: SocketAddr, reuse_port: bool) -> io::Result<TcpListener> {
    let domain = if address.is_ipv6() { Domain::IPV6 } else { Domain::IPV4 };
    let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    socket.set_reuse_address(true)?;
    if reuse_port {
        socket.set_reuse_port(true)?;
    }
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE).with_interval(Duration::from_secs(30)))?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_in_use_is_one_line_that_names_the_flag() {
        let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = taken.local_addr().expect("its address").to_string();
        let error = bind(&Listener::new("web", address.as_str())).expect_err("the port is taken");
        let line = error.to_string();
        assert!(line.contains("port is in use") && line.contains("--entryPoints.web.address="), "{line}");
    }

    #[test]
    fn an_empty_host_takes_ipv4_clients_too() {
        let listener = bind(&Listener::new("web", ":0")).expect("a free port");
        let port = listener.local_addr().expect("its address").port();
        std::net::TcpStream::connect(("127.0.0.1", port)).expect("a connection over IPv4");
    }

    #[test]
    fn an_address_that_is_none_is_refused() {
        for address in ["80", "web:80", ":http", "1.2.3.4.5:80"] {
            assert!(matches!(bind(&Listener::new("web", address)), Err(Error::Address { .. })), "{address}");
        }
    }
}
