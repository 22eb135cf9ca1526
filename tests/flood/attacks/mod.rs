//! The attacks. Each goes on until its thread ends, opens again what is closed on it, and asks the governor between its
//! steps.

pub(crate) mod http1;
pub(crate) mod http2;
pub(crate) mod tls;

use std::net::SocketAddr;

use tokio::net::{TcpSocket, TcpStream};

/// A connection of an attacker: all from one address. `buffer` is how much it takes unread, if not what is usual.
pub(crate) async fn connect(address: SocketAddr, buffer: Option<u32>) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    if let Some(buffer) = buffer {
        socket.set_recv_buffer_size(buffer)?;
    }
    // Leaves no port behind that waits for a minute.
    socket2::SockRef::from(&socket).set_linger(Some(std::time::Duration::ZERO))?;
    socket.connect(address).await
}

/// Throws away what has come. False at the end of the connection.
pub(crate) fn drain(stream: &TcpStream) -> bool {
    let mut sink = [0; 16 << 10];
    loop {
        match stream.try_read(&mut sink) {
            Ok(0) => return false,
            Ok(_) => {}
            Err(error) => return error.kind() == std::io::ErrorKind::WouldBlock,
        }
    }
}
